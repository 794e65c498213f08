"""The ledger: one JSON per trained model in reports/results/, append-only, in git; every table is generated from it."""

import json
from pathlib import Path
from typing import Literal, get_args

from pipeline.bundle.bundle import Bundle
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure
from pipeline.system.project import root

# What an ensemble's provenance has for a recipe; there is no file of that name
ENSEMBLE = "ensemble"
# How the members of an ensemble are weighted, as in Padova's report (S3)
Weighting = Literal["mean", "accuracy", "recall"]
WEIGHTINGS: tuple[Weighting, ...] = get_args(Weighting)


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


def _history(bundle: Bundle) -> list[dict]:
    head, *rows = (bundle.folder / "history.csv").read_text(encoding="utf-8").splitlines()
    names = head.split(",")
    return [dict(zip(names, map(float, row.split(",")), strict=True)) for row in rows]
