"""The ledger: one JSON per trained model in reports/results/, append-only, in git; every table is generated from it."""

import json
import os
import re
from collections import Counter, defaultdict
from pathlib import Path

from pipeline import recipe
from pipeline.atomic import atomic_file
from pipeline.bundle import Bundle
from pipeline.failure import Failure
from pipeline.metrics import mean_interval
from pipeline.params import Train

DEFAULTS = {name: [] if field.default == () else field.default for name, field in Train.model_fields.items()}
# What an ensemble's provenance has for a recipe; there is no file of that name
ENSEMBLE = "ensemble"
BEGIN, END = "<!-- results -->", "<!-- /results -->"


def root() -> Path:
    """The project's folder; DVC's temporary experiments name the parent repository, where the ledger is kept."""
    return Path(os.environ.get("DVC_ROOT", "."))


def folder(dataset: str) -> Path:
    """Where the entries of a data set lie; the drawn sample's are not in git."""
    return root() / ("reports/results" if dataset == "fer2013" else f"reports/{dataset}/results")


def entry(bundle: Bundle, figures: dict) -> dict:
    """The ledger's line about a bundle and its figures per split and view."""
    facts = bundle.provenance
    return {
        "recipe": facts["recipe"],
        "seed": facts["seed"],
        "dataset": facts["dataset"],
        "edition": facts["edition"],
        "data_digest": facts["data_digest"],
        "source_digest": facts["source_digest"],
        "protocol": facts["protocol"],
        "class_set": bundle.class_set,
        "classes": list(bundle.classes),
        "epochs": {"run": facts["epochs_run"], "asked": facts["epochs_asked"], "best": facts["best_epoch"]},
        "hardware": facts["hardware"],
        "backend": facts["backend"],
        "precision": facts["precision"],
        "minutes": round(facts["seconds"] / 60, 2),
        "finished": facts["finished"],
        "parameters": facts["parameters"],
        **({"weights": facts["weights"]} if "weights" in facts else {}),
        "onnx_bytes": (bundle.folder / "model.onnx").stat().st_size,
        "milliseconds": round(bundle.milliseconds(), 3),
        "bundle": bundle.id,
        "run_id": bundle.run_id,
        "config": facts["config"],
        "tuned": facts.get("tuned", {}),
        "quantised": facts.get("quantised"),
        "history": _history(bundle),
        "figures": figures,
    }


def record(line: dict) -> Path:
    """Add an entry; a model that is already there is never written again. Returns the entry's file."""
    path = place(line)
    if not path.exists():
        with atomic_file(path) as new:
            new.write_text(json.dumps(line, indent=1) + "\n", encoding="utf-8")
    return path


def place(line: dict) -> Path:
    """An entry's file."""
    name = f"{line['recipe']}-{line['class_set']}-{line['protocol']}-seed{line['seed']}-{line['bundle']}.json"
    return folder(line["dataset"]) / name


def entries(dataset: str = "fer2013") -> list[dict]:
    """All entries of a data set, ordered by file name."""
    lines = []
    for path in sorted(folder(dataset).glob("*.json")):
        try:
            lines.append(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise Failure(f"{path}: not a ledger entry ({error}); restore it from git") from error
    return lines


def recorded(bundle: Bundle) -> dict | None:
    """What the ledger says of a bundle."""
    return next((line for line in entries(bundle.provenance["dataset"]) if line["bundle"] == bundle.id), None)


def title(line: dict) -> str:
    """How a table calls a model: by its recipe, an ensemble by its members' recipes too."""
    if line["recipe"] != ENSEMBLE:
        return f"`{line['recipe']}`"
    config = line["config"]
    kinds = Counter(f"`{one['recipe']}`{' in int8' if one['int8'] else ''}" for one in config["members"].values())
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    weighted = "plain mean" if config["weighting"] == "mean" else f"weighted by {config['weighting']}"
    return f"ensemble of {len(config['members'])}, {weighted}: {told}"


def table(lines: list[dict]) -> str:
    """The results table in Markdown: one row per recipe, values, protocol, class set and processor, over the seeds."""
    groups = defaultdict(list)
    for line in lines:
        config = {name: value for name, value in line["config"].items() if name != "seed"}
        # what a later version can be told and an earlier one could not, at its default, makes no other run
        config["train"] = {name: value for name, value in config.get("train", {}).items()
                           if name not in DEFAULTS or value != DEFAULTS[name]}
        key = (line["recipe"], line["class_set"], line["protocol"], line["parameters"], processor(line),
               line["source_digest"], json.dumps(line["tuned"]), json.dumps(config, sort_keys=True),
               bool(line.get("quantised")))
        groups[key].append(line)
    rows = [
        "| recipe | classes | protocol | PublicTest | PrivateTest | PrivateTest, flip | test folder | seeds | epochs "
        "| parameters | MB | ms a face | minutes | hardware |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (_, class_set, protocol, parameters, _, _, tuned, _, int8), lines_of in sorted(groups.items()):
        group = by_seed(lines_of)
        cells = [cell(group, split, view) for split, view in
                 (("PublicTest", "single"), ("PrivateTest", "single"), ("PrivateTest", "flip"), ("test", "single"))]
        epochs = sorted({f"{line['epochs']['run']} of {line['epochs']['asked']}" for line in group})
        # another program beside a training makes it longer, nothing makes it shorter
        quick = min(lines_of, key=lambda line: line["minutes"])
        shortest = min((line["milliseconds"] for line in lines_of if "milliseconds" in line), default=None)
        face = "" if shortest is None else f"{shortest:.2f}"
        name = title(group[0]) + (" + search" if tuned != "{}" else "")
        name += " in int8" if int8 else ""
        name += f", {group[0]['weights']}" if "weights" in group[0] else ""
        rows.append(f"| {name} | {class_set} | {protocol} | {' | '.join(cells)} | {len(group)} | {', '.join(epochs)} "
                    f"| {parameters / 1e6:.2f} M | {group[0]['onnx_bytes'] / 1e6:.2f} | {face} "
                    f"| {quick['minutes']:.1f} | {quick['hardware']} |")
    return "\n".join(rows)


def processor(line: dict) -> str:
    """What trained an entry, without how many cores of it: two cores and one train the same network."""
    return re.sub(r", \d+ cores?$", "", line["hardware"])


def by_seed(lines: list[dict]) -> list[dict]:
    """One entry a seed: one that was trained again counts once, with its last run."""
    return list({line["seed"]: line for line in sorted(lines, key=lambda line: line["finished"])}.values())


def cell(group: list[dict], split: str, view: str) -> str:
    """``mean_of`` in per cent, as the tables have it."""
    mean, low, high = mean_of(group, split, view)
    return f"{100 * mean:.2f} [{100 * low:.1f}, {100 * high:.1f}]"


def mean_of(group: list[dict], split: str, view: str) -> tuple[float, float, float]:
    """Mean accuracy with the 95 % interval that counts the images and, with several seeds, the seeds."""
    found = [line["figures"][split][view] for line in group]
    return mean_interval([one["accuracy"] for one in found], found[0]["n"])


def _history(bundle: Bundle) -> list[dict]:
    head, *rows = (bundle.folder / "history.csv").read_text(encoding="utf-8").splitlines()
    names = head.split(",")
    return [dict(zip(names, map(float, row.split(",")), strict=True)) for row in rows]


def fill_in(page: str, text: str) -> str:
    """``page`` with what stands between the results markers replaced."""
    if BEGIN not in page or END not in page:
        raise Failure(f"README.md: the markers {BEGIN} and {END} are missing; put them where the table belongs")
    return re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{text}\n{END}", page, flags=re.DOTALL)


def our_own(lines: list[dict]) -> list[dict]:
    """The entries of this project's own recipes; what compares with the published systems is in reports/recipes.md."""
    return [line for line in lines if not (published_ensemble(line) if line["recipe"] == ENSEMBLE
                                           else recipe.named(line["recipe"])["published"])]


def published_ensemble(line: dict) -> bool:
    """Whether the entry is an ensemble of the kind that S3 has a figure for, of six classes."""
    return line["recipe"] == ENSEMBLE and line["class_set"] == "6"


def main(argv: list[str] | None = None) -> None:
    """Generate README.md's table anew from the ledger."""
    readme = root() / "README.md"
    text = table(our_own(entries()))
    page = fill_in(readme.read_text(encoding="utf-8"), text)
    with atomic_file(readme) as new:
        new.write_text(page, encoding="utf-8")
    print(text)
