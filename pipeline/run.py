"""``make run``: choose the data, say what will happen, then run everything from download to the demo's clip."""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.cli import ENVIRONMENT
from pipeline.download.external import EXTERNAL, find_external, place
from pipeline.download.kaggle import kaggle_cached, kaggle_reachable
from pipeline.params import params
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure

# Without a network the choice costs at most so many seconds, whatever the name resolver does
REACH = 5

# stage: (what it does, about how long on two cores with fer2013, with sample)
STAGES = {
    "download": ("bring the data into one form", "seconds", "seconds"),
    "validate": ("check it: sizes, labels, counts, duplicates", "seconds", "seconds"),
    "balance": ("even the training classes out as the recipe says", "seconds", "seconds"),
    "tune": ("search for better parameters, resumable", "5 to 10 min", "1 min"),
    "train": ("train with the best ones, resumable", "18 to 25 min", "1 min"),
    "evaluate": ("measure on images never trained on", "1 min", "seconds"),
    "promote": ("challenge the champion in the model registry", "seconds", "seconds"),
    "demo": ("render the champion on a clip", "seconds", "seconds"),
}
TOTAL = {"fer2013": "about 30 minutes", "sample": "about 3 minutes"}


def choose(
    asked: str | None, *, given: bool, external: bool, faces: bool, cached: bool, reachable: Callable[[], bool]
) -> tuple[str, str]:
    """The dataset and why. ``reachable`` (is Kaggle?) is only called where nothing else decides."""
    if asked:
        return asked, f"DATASET={asked} was given"
    if given:
        return "fer2013", "FER2013=PATH was given"
    if external:
        return "fer2013", f"it lies in {EXTERNAL.as_posix()}/"
    if faces:
        return "fer2013", "an earlier run left it in data/fer2013/"
    if cached:
        return "fer2013", "Kaggle's download of it is complete in kagglehub's cache"
    if reachable():
        return "fer2013", "Kaggle can be reached (a download of 60 MB, no account needed)"
    return "sample", f"FER-2013 is not in {EXTERNAL.as_posix()}/ and Kaggle cannot be reached"


def set_dataset(dataset: str, path: Path = Path("params.yaml")) -> bool:
    """Write the choice into params.yaml's ``dataset:`` line, every other byte stays; says whether it changed."""
    before = path.read_bytes()
    after, found = re.subn(rb"""(?m)^(dataset:[ \t]*)["']?\w+["']?""", rb"\g<1>" + dataset.encode(), before, count=1)
    if not found:
        raise Failure(f"{path}: the line `dataset:` is missing; put `dataset: {dataset}` on top of it")
    if after == before:
        return False
    with atomic_file(path) as new:
        new.write_bytes(after)
    return True


def plan(dataset: str, why: str) -> str:
    """What a person reads first."""
    if dataset == "sample":
        title, column = "sample (about 1,000 drawn faces)", 1
        other = how("run FER2013=PATH", "run --fer2013 PATH") + "   (zip, folder or CSV; see data/external/README.md)"
    else:
        title, column = "FER-2013 (35,887 photographs)", 0
        other = how("run DATASET=sample", "run --dataset sample") + f"   (drawn faces, {TOTAL['sample']})"
    stages = "\n".join(f"  {stage:<10}{what:<50}{times[column]}" for stage, (what, *times) in STAGES.items())
    return (
        f"Data:  {title}, because {why}\nOther: {other}\n\n"
        f"What happens, {TOTAL[dataset]} on two cores (what is unchanged since the last run is skipped):\n{stages}\n"
    )


def how(make: str, ferpipe: str) -> str:
    """The command in the words of whoever called: make or ferpipe."""
    return f"make {make}" if "MAKELEVEL" in os.environ else f"ferpipe {ferpipe}"


def environment() -> dict[str, str]:
    """This process' environment with this Python first on the path, for the stages that dvc starts."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**ENVIRONMENT, **os.environ, "PATH": path}


def call(*arguments: str) -> None:
    """Run ``python -m ...`` with live output; exits with its code where it fails, after one line."""
    process = subprocess.Popen([sys.executable, "-m", *arguments], env=environment())
    interrupted = False
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:
            # It was told as well; let it put its things in order
            interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    if code:
        again = how("run", "run")
        reason = f"run: stopped at `{' '.join(arguments)}`, its reason is above; `{again}` goes on from there"
        if arguments[0] == "dvc":
            reason += "; `dvc checkout` and, for the reports, `git checkout reports` bring the previous outputs back"
        print(reason, file=sys.stderr)
        sys.exit(code if code > 0 else 1)


def allow_missing_git() -> None:
    """Tell DVC to work without git where there is none, as in a downloaded zip."""
    here = Path.cwd()
    local = Path(".dvc/config.local")
    if local.exists() or any((folder / ".git").exists() for folder in (here, *here.parents)):
        return
    print("No git repository here: DVC works without one (.dvc/config.local); `git clone` instead to keep a history.\n")
    with atomic_file(local) as new:
        new.write_text("[core]\n    no_scm = true\n", encoding="utf-8")


def summary(dataset: str, seconds: float) -> str:
    """What came out: accuracies, where the reports are, what to do next."""
    reports = Path("reports") / dataset
    metrics = json.loads((reports / "metrics.json").read_text(encoding="utf-8"))
    lines = ["", f"Done in {seconds / 60:.1f} minutes." if seconds >= 60 else f"Done in {seconds:.0f} seconds."]
    lines.append(f"  {metrics['dataset']} ({metrics['edition']}), {metrics['protocol']} protocol")
    for split in ("PublicTest", "PrivateTest"):
        for view, words in (("single", "single view"), ("flip", "flip-averaged")):
            one = metrics[split][view]
            low, high = (100 * bound for bound in one["interval"])
            share = f"{100 * one['accuracy']:.1f} %  [{low:.1f}, {high:.1f}]"
            lines.append(f"  {split:<13}{words:<15}{share}  n = {one['n']:,}")
    lines.append(f"Reports  {reports.as_posix()}/ (validation.html opens in a browser)")
    lines.append(f"MLflow   {how('ui', 'ui')}")
    lines.append(f"Webcam   {how('demo', 'demo')}")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    """Run the whole pipeline on FER-2013 where it can be had, else on drawn sample faces."""
    parser = argparse.ArgumentParser("ferpipe run", description=main.__doc__)
    parser.add_argument("--dataset", choices=list(TOTAL), help="instead of choosing by itself")
    parser.add_argument("--fer2013", type=Path, metavar="PATH", help="a zip, folder or CSV, copied into data/external/")
    options = parser.parse_args(argv)
    begun = time.monotonic()
    params.load()
    if options.fer2013 and options.dataset != "sample":
        place(options.fer2013.expanduser(), EXTERNAL)
    dataset, why = choose(
        options.dataset,
        given=options.fer2013 is not None,
        external=find_external(EXTERNAL) is not None,
        faces=Path("data/fer2013/faces").exists(),
        cached=kaggle_cached(),
        reachable=lambda: kaggle_reachable(REACH),
    )
    print(plan(dataset, why), flush=True)
    if set_dataset(dataset):
        print(f"params.yaml: dataset is now {dataset}\n", flush=True)
    allow_missing_git()
    call("dvc", "repro", "evaluate")
    call("pipeline.promote")
    call("dvc", "repro", "demo")
    print(summary(dataset, time.monotonic() - begun))
