"""The ledger: one JSON per trained model in reports/results/, append-only, in git; every table is generated from it."""

import csv
import json
from pathlib import Path
from typing import Literal, get_args

from pipeline.bundle.bundle import Bundle
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure
from pipeline.system.project import root
from pipeline.tracking.entry import FORMAT, Entry, Epochs, SplitFigures

# The recipe in an ensemble's provenance; there is no recipe file of that name
ENSEMBLE = "ensemble"
# How the members of an ensemble are weighted, as in Padova's report (S3)
Weighting = Literal["mean", "accuracy", "recall"]
WEIGHTINGS: tuple[Weighting, ...] = get_args(Weighting)


def folder(dataset: str) -> Path:
    """Where the entries of a data set lie; the drawn sample's are not in git."""
    return root() / ("reports/results" if dataset == "fer2013" else f"reports/{dataset}/results")


def datasets() -> list[str]:
    """The data sets that have records: fer2013, and those with a ledger or promotions in reports/DATASET/."""
    reports = root() / "reports"
    files = {*reports.glob("*/results"), *reports.glob("*/promotions.jsonl")}
    return ["fer2013", *sorted({path.parent.name for path in files})]


def entry(bundle: Bundle, figures: SplitFigures, milliseconds: float) -> Entry:
    """The entry of a bundle, with what evaluate measured; ``unmeasured`` is without."""
    return unmeasured(bundle).model_copy(update={"figures": figures, "milliseconds": round(milliseconds, 3)})


def unmeasured(bundle: Bundle) -> Entry:
    """A bundle's entry before it is measured: enough for its MLflow run, too little for the ledger."""
    provenance = bundle.provenance
    entry = Entry(
        format=FORMAT,
        recipe=provenance.recipe,
        seed=provenance.seed,
        dataset=provenance.dataset,
        edition=provenance.edition,
        data_digest=provenance.data_digest,
        source_digest=provenance.source_digest,
        protocol=provenance.protocol,
        class_set=bundle.class_set,
        classes=bundle.classes,
        epochs=Epochs(run=provenance.epochs_run, asked=provenance.epochs_asked, best=provenance.best_epoch),
        hardware=provenance.hardware,
        backend=provenance.backend,
        precision=provenance.precision,
        minutes=round(provenance.seconds / 60, 2),
        finished=provenance.finished,
        parameters=provenance.parameters,
        onnx_bytes=(bundle.folder / "model.onnx").stat().st_size,
        bundle=bundle.id,
        run_id=bundle.run_id,
        config=provenance.config,
        tuned=provenance.tuned,
        quantised=provenance.quantised,
        history=_history(bundle),
        figures={},
    )
    # a field that is never set is no key in the file: most networks do not start from pretrained weights
    return entry.model_copy(update={"weights": provenance.weights}) if provenance.weights else entry


def record(entry: Entry) -> Path:
    """Add an entry; a model that is already there is never written again. Returns the entry's file."""
    path = path_of(entry)
    if not path.exists():
        with atomic_file(path) as new:
            new.write_text(json.dumps(entry.as_json(), indent=1) + "\n", encoding="utf-8")
    return path


def path_of(entry: Entry) -> Path:
    """An entry's file."""
    return folder(entry.dataset) / entry.filename


def entries(dataset: str = "fer2013") -> list[Entry]:
    """All entries of a data set, ordered by file name. Raises Failure for a file that is none."""
    return [Entry.read(path.read_bytes(), path, "a ledger entry", "restore it from git")
            for path in sorted(folder(dataset).glob("*.json"))]


def recorded(bundle: Bundle) -> Entry | None:
    """A bundle's entry; None where the ledger has none."""
    return next((entry for entry in entries(bundle.provenance.dataset) if entry.bundle == bundle.id), None)


def _history(bundle: Bundle) -> tuple[dict[str, float], ...]:
    path = bundle.folder / "history.csv"
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return tuple({name: float(value) for name, value in row.items()} for row in csv.DictReader(file))
    except (OSError, ValueError, TypeError) as error:
        raise Failure(f"{path}: not the curves of a training ({error}); restore the bundle's folder") from error
