"""``make run``: choose the data, say what will happen, then run everything from download to the demo's clip."""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from pipeline.cli import ENVIRONMENT
from pipeline.download.choice import check_request, check_undecided, choose, images_in, title
from pipeline.download.external import EXTERNAL, add_edition, look_into
from pipeline.download.kaggle import kaggle_cached, kaggle_reachable
from pipeline.faces import datasets, fer2013
from pipeline.faces.protocols import phrase
from pipeline.params import params
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure
from pipeline.tracking import promotions as decided
from pipeline.tracking.promotions import IN_GIT

# The most seconds that the check whether Kaggle can be reached may take, whatever the name resolver does
REACH = 5

# stage: (what it does, about how many minutes on two cores with fer2013, with sample)
STAGES = {
    "download": ("bring the data into one form", 0.2, 0.1),
    "validate": ("check it: sizes, labels, counts, duplicates", 0.5, 0.1),
    "balance": ("balance the training classes as the recipe says", 0.1, 0.1),
    # Without a finalist, which ``plan`` mentions
    "tune": ("search for better parameters, resumable", 13, 1.8),
    "train": ("train with the best ones, resumable", 25, 0.3),
    "evaluate": ("measure on images never trained on", 1.4, 0.2),
    "promote": ("compare with the champion of the model registry", 1.2, 0.2),
    "demo": ("render the champion on a clip", 0.1, 0.1),
}


def set_dataset(dataset: str, path: Path = Path("params.yaml")) -> bool:
    """Write the choice into params.yaml's ``dataset:`` line and leave every other byte; returns whether it changed."""
    before = path.read_bytes()
    after, count = re.subn(rb"""(?m)^(dataset:[ \t]*)["']?[\w-]+["']?""", rb"\g<1>" + dataset.encode(), before, count=1)
    if not count:
        raise Failure(f"{path}: the line `dataset:` is missing; put `dataset: {dataset}` on top of it")
    if after == before:
        return False
    with atomic_file(path) as new:
        new.write_bytes(after)
    return True


def minutes_of(stage: str, dataset: str) -> float:
    """About how long a stage takes on two cores; on another data set by how many images it has."""
    _, on_fer2013, on_sample = STAGES[stage]
    if dataset in datasets.BUILT_IN:
        return on_fer2013 if dataset == "fer2013" else on_sample
    return max(on_sample, on_fer2013 * images_in(dataset) / fer2013.IMAGES)


def minutes_left(dataset: str, stage: str = "download") -> str:
    """How long this stage and those after it take on two cores."""
    names = list(STAGES)
    minutes = sum(minutes_of(name, dataset) for name in names[names.index(stage):])
    return f"about {minutes:.0f} min" if minutes >= 1 else "less than a minute"


def plan(dataset: str, reason: str) -> str:
    """What `make run` prints first: the data and why, how to choose other data, and every stage with its time."""
    if dataset != "fer2013":
        other = how("run FER2013=PATH", "run --fer2013 PATH") + "   (zip, folder or CSV; see data/external/README.md)"
    else:
        other = how("run DATASET=sample", "run --dataset sample") + f"   (drawn faces, {minutes_left('sample')})"
    rows = []
    for stage, (purpose, _, _) in STAGES.items():
        length = minutes_of(stage, dataset)
        rows.append(f"  {stage:<10}{purpose:<50}{f'about {length:.0f} min' if length >= 1 else 'seconds'}")
        if stage == "tune" and (more := minutes_of("train", dataset)) >= 1:
            rows[-1] += f", {more / 2:.0f} to {more:.0f} more where a trial seems better than the recipe"
    return "\n".join((
        f"Data:  {title(dataset)}, because {reason}", f"Other: {other}", "",
        f"What happens, {minutes_left(dataset)} on two cores (what is unchanged since the last run is skipped):",
        *rows, ""))


def with_time_left(line: str, dataset: str) -> str:
    """A line of DVC's output; where it begins a stage, with which of the stages that is and how long the rest takes."""
    begun = re.match(r"Running stage '(\w+)':?\s*$", line)
    if not begun or begun[1] not in STAGES:
        return line
    number = list(STAGES).index(begun[1]) + 1
    return f"Running stage {begun[1]}, {number} of {len(STAGES)}, {minutes_left(dataset, begun[1])} left\n"


def how(make: str, ferpipe: str) -> str:
    """The command in make's form where make runs this, else in ferpipe's."""
    return f"make {make}" if "MAKELEVEL" in os.environ else f"ferpipe {ferpipe}"


def environment() -> dict[str, str]:
    """This process' environment with this Python first on the path, for the stages that dvc starts."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**ENVIRONMENT, **os.environ, "PATH": path}


def call(*arguments: str, dataset: str | None = None) -> None:
    """Run ``python -m ...`` with live output; exits with its code where it fails, after one line.

    ``dataset`` adds the time that is left to what DVC prints. Progress bars stay live: they are written to stderr.
    """
    process = subprocess.Popen([sys.executable, "-m", *arguments], env=environment(), encoding="utf-8",
                               errors="replace", stdout=subprocess.PIPE if dataset else None)
    interrupted = False
    while True:
        try:
            for line in process.stdout or ():
                print(with_time_left(line, dataset or ""), end="", flush=True)
            code = process.wait()
            break
        except KeyboardInterrupt:
            # The child gets the Ctrl-C too: wait while it leaves everything in order
            interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    if code:
        again = how("run", "run")
        reason = f"run: stopped at `{' '.join(arguments)}`, its reason is above; `{again}` continues from there"
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
    """What came out: what was trained and how good it is, whether it is the champion now, what to do next."""
    reports = Path("reports") / dataset
    metrics = json.loads((reports / "metrics.json").read_text(encoding="utf-8"))
    rows = ["", f"Done in {seconds / 60:.1f} minutes." if seconds >= 60 else f"Done in {seconds:.0f} seconds.",
            f"Trained   {metrics['recipe']}, seed {metrics['seed']}, on {metrics['dataset']} ({metrics['edition']}), "
            f"{phrase(metrics['protocol'])}: bundle {metrics['bundle']}"]
    for split in ("PublicTest", "PrivateTest"):
        for view, words in (("single", "single view"), ("flip", "flip-averaged")):
            figures = metrics[split][view]
            low, high = (100 * bound for bound in figures["interval"])
            share = f"{100 * figures['accuracy']:.1f} %  [{low:.1f}, {high:.1f}]"
            rows.append(f"          {split:<13}{words:<15}{share}  n = {figures['n']:,}")
    model = f"{dataset}-{metrics['class_set']}"
    challenges = [record for record in promotions(dataset) if record["model"] == model]
    rows.append(f"Champion  {verdict(model, metrics['bundle'], challenges)}")
    shown = next((record for record in reversed(promotions("fer2013"))
                  if record["model"] == IN_GIT and record["decision"] == "promoted"), None)
    rows.append(f"Demo      {how('demo', 'demo')} shows the champion of {IN_GIT}{contender(shown) if shown else ''}")
    if shown is None or shown["challenger"]["bundle"] != metrics["bundle"]:
        rows.append(f"          ferpipe demo --model data/{dataset}/bundle shows what was trained now")
    rows.append(f"Reports   {reports.as_posix()}/ (validation.html opens in a browser)")
    rows.append(f"MLflow    {how('ui', 'ui')}")
    return "\n".join(rows)


def promotions(dataset: str) -> list[dict]:
    """What promote has decided so far, the oldest first."""
    return [record.as_json() for record in decided.records(dataset)]


def verdict(model: str, bundle: str, challenges: list[dict]) -> str:
    """Whether a bundle is the champion of a registered model and, where it is not, by how much it fell short."""
    own = [record for record in challenges if record["challenger"]["bundle"] == bundle]
    promoted = [record for record in challenges if record["decision"] == "promoted"]
    if promoted and promoted[-1]["challenger"]["bundle"] == bundle:
        return f"it is the champion of {model}"
    if not own:
        return f"it is not the champion of {model}, and no challenge is on record: {how('promote', 'promote')}"
    record = own[-1]
    if record["decision"] == "proposed":
        return f"it is proposed as the champion of {model}: `ferpipe promote --approve {model}` once a person agrees"
    gain, corrupted, gates = record["gain"], record.get("corrupted_gain"), record["gates"]
    reasons = [reason for reason in record["reasons"] if not reason.startswith("gain ")]
    if gain is not None and gain <= gates["min_gain"]:
        side = "below" if gain < 0 else "above"
        reasons.insert(0, f"{100 * abs(gain):.2f} points {side} the champion on PublicTest, more than "
                          f"{100 * gates['min_gain']:.2f} above are required")
    elif gain is not None and record["probability"] < gates["confidence"]:
        reasons.insert(0, f"{100 * gain:.2f} points above the champion on PublicTest, but the gain is real with "
                          f"probability {record['probability']:.2f} only, {gates['confidence']:.2f} is required")
    elif gain is not None and corrupted is not None and corrupted < -gates["max_loss"]:
        reasons.insert(0, f"{100 * gain:.2f} points above the champion on PublicTest")
    if gain is not None and corrupted is not None:
        reasons.insert(1, f"{100 * abs(corrupted):.2f} points {'below' if corrupted < 0 else 'above'} the champion on "
                          "corrupted faces")
    return f"it did not become the champion of {model}: {'; '.join(reasons)}"


def contender(record: dict) -> str:
    """The champion of a promotion's record, for a person."""
    challenger = record["challenger"]
    return (f": {challenger['recipe']}, seed {challenger['seed']}, {100 * record['PublicTest']['challenger']:.1f} % on "
            f"PublicTest")


def main(argv: list[str] | None = None) -> None:
    """Run the whole pipeline on FER-2013 where it is available, else on drawn sample faces, or on your own data."""
    parser = argparse.ArgumentParser("ferpipe run", description=main.__doc__)
    parser.add_argument("--dataset", metavar="DATASET",
                        help="instead of choosing by itself: fer2013, sample, or a folder's name in data/external/")
    parser.add_argument("--fer2013", type=Path, metavar="PATH", help="a zip, folder or CSV, copied into data/external/")
    options = parser.parse_args(argv)
    begun = time.monotonic()
    params.load()
    if options.dataset:
        check_request(options.dataset)
    if options.fer2013 and options.dataset in (None, "fer2013"):
        add_edition(options.fer2013.expanduser(), EXTERNAL)
    contents, faces, cached = look_into(EXTERNAL), Path("data/fer2013/faces").exists(), kaggle_cached()
    if not options.dataset and not options.fer2013:
        check_undecided(contents, faces or cached, how("run DATASET=", "run --dataset "))
    dataset, why = choose(
        options.dataset,
        given=options.fer2013 is not None,
        external=bool(contents.editions),
        faces=faces,
        cached=cached,
        reachable=lambda: kaggle_reachable(REACH),
    )
    print(plan(dataset, why), flush=True)
    if set_dataset(dataset):
        print(f"params.yaml: dataset is now {dataset}\n", flush=True)
    allow_missing_git()
    call("dvc", "repro", "evaluate", dataset=dataset)
    call("pipeline.promote")
    call("dvc", "repro", "demo", dataset=dataset)
    print(summary(dataset, time.monotonic() - begun))
