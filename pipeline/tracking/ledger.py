"""The ledger: one JSON per trained model in reports/results/, append-only, in git; every table is generated from it.

Beside an entry lies what its model predicts for every face of both test splits, for paired tests.
"""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from pipeline.bundle.bundle import Bundle
from pipeline.system.atomic import atomic_file
from pipeline.system.damage import DAMAGE
from pipeline.system.failure import Failure
from pipeline.system.project import root
from pipeline.tracking.entry import FORMAT, Entry, Epochs, SplitFigures, SplitRobustness

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


def entry(bundle: Bundle, figures: SplitFigures, milliseconds: float,
          robustness: SplitRobustness | None = None, copy_free: SplitFigures | None = None) -> Entry:
    """The entry of a bundle, with what evaluate measured; ``unmeasured`` is without."""
    measured: dict[str, Any] = {"figures": figures, "milliseconds": round(milliseconds, 3)}
    # a field that is never set is no key in the file
    if robustness is not None:
        measured["robustness"] = robustness
    if copy_free is not None:
        measured["copy_free"] = copy_free
    return unmeasured(bundle).model_copy(update=measured)


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


def record(entry: Entry, probabilities: Mapping[str, np.ndarray] | None = None) -> Path:
    """Add an entry; a model that is already there is never written again. Returns the entry's file.

    Args:
        probabilities: what the model predicts for every face of a split, ``(N, C)`` by split; kept beside the entry.
    """
    path = path_of(entry)
    if not path.exists():
        if probabilities is not None:
            # first: a model whose entry is there is not measured again
            _keep(path, probabilities)
        _write(path, entry)
    return path


def complete(entry: Entry, robustness: SplitRobustness | None, copy_free: SplitFigures | None,
             probabilities: Mapping[str, np.ndarray]) -> Path:
    """Add to an entry what was not measured when it was recorded; what it says stays. Returns its file."""
    path = path_of(entry)
    if not path.with_suffix(".npz").exists():
        _keep(path, probabilities)
    found = {"robustness": robustness, "copy_free": copy_free}
    lacking = {name: figures for name, figures in found.items() if figures and getattr(entry, name) is None}
    if lacking:
        _write(path, entry.model_copy(update=lacking))
    return path


def _write(path: Path, entry: Entry) -> None:
    with atomic_file(path) as new:
        new.write_text(json.dumps(entry.as_json(), indent=1) + "\n", encoding="utf-8")


def _keep(path: Path, probabilities: Mapping[str, np.ndarray]) -> None:
    halves = {split: _halved(array) for split, array in probabilities.items()}
    with atomic_file(path.with_suffix(".npz")) as new, open(new, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **halves)


def _halved(probabilities: np.ndarray) -> np.ndarray:
    """In half precision, every row's largest value where it was: two that round to the same would let the first win."""
    halves, rows, best = probabilities.astype("float16"), np.arange(len(probabilities)), probabilities.argmax(axis=1)
    ties = halves.argmax(axis=1) != best
    halves[rows[ties], best[ties]] = np.nextafter(halves[ties].max(axis=1), np.float16(1))
    return halves


def probabilities(entry: Entry) -> dict[str, np.ndarray] | None:
    """What ``record`` keeps of a model's predictions, float32 ``(N, C)`` by split: single view, uncalibrated, the faces
    in their table's order (``entry.source_digest`` names the table), the classes in the entry's. Half precision.

    None for the first entries, which have none. Raises Failure for a file that is damaged.
    """
    path = path_of(entry).with_suffix(".npz")
    if not path.exists():
        return None
    try:
        # opened here, because numpy leaves a file that is no archive open
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {split: file[split].astype("float32") for split in file.files}
        for split, array in arrays.items():
            if array.ndim != 2 or array.shape[1] != len(entry.classes):
                raise ValueError(f"{split}: expected {len(entry.classes)} probabilities a face, found {array.shape}")
        return arrays
    except (*DAMAGE, TypeError, AttributeError) as error:  # the last: an array, no archive
        raise Failure(f"{path}: not a model's predictions ({error}); restore it from git") from error


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
    except (*DAMAGE, TypeError) as error:
        raise Failure(f"{path}: not the curves of a training ({error}); restore the bundle's folder") from error
