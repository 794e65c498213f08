"""Copy-free figures of models that were measured before near copies were looked for: reports/copy-free.json.

The ledger is append-only, and a figure needs the faces, which are not in git: ``ferpipe results`` computes it where
they are, from what a model predicted for every test image, and keeps it here. Predictions are kept beside the later
entries, with the champion's card and with the last run.
"""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluate.robustness import TESTS
from pipeline.faces import copies
from pipeline.faces.faces import Faces
from pipeline.system import plain_json, project
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure
from pipeline.tracking import ledger
from pipeline.tracking.entry import Entry

# By bundle and split: {"n": images without a copy in Training, "accuracy": a share of them}
CopyFree = dict[str, dict[str, dict[str, Any]]]
# Where the predictions of a model are that may have none beside its entry: the file that names the bundle beside them
OTHERS = (Path("reports/champion/measurements.json"), Path("reports/fer2013/metrics.json"))


def kept() -> CopyFree:
    """What reports/copy-free.json has; nothing where it is missing. Raises Failure for another kind of file."""
    path = _path()
    if not path.exists():
        return {}
    try:
        content = plain_json.parse(path.read_text(encoding="utf-8"))
        return {bundle: {split: {"n": int(part["n"]), "accuracy": float(part["accuracy"])}
                         for split, part in of_bundle.items()} for bundle, of_bundle in content.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Failure(f"{path}: no copy-free figures ({error!r}); restore it from git") from error


def complete(entries: list[Entry]) -> CopyFree:
    """``kept``, and what the faces at hand add to it; the file is written where that is something."""
    known, predictions = kept(), _predictions()
    added = _computed([entry for entry in entries if entry.copy_free is None and entry.bundle not in known and (
        entry.bundle in predictions or ledger.path_of(entry).with_suffix(".npz").exists())], predictions)
    if added:
        with atomic_file(_path()) as new:
            new.write_text(json.dumps({**known, **added}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return {**known, **added}


def with_figures(entry: Entry, known: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Entry | None:
    """The entry with its copy-free figures, single view, in the place of those on all test images; None where there are
    none, neither its own nor among those that are ``known``."""
    figures: Any = entry.copy_free or {split: {"single": part} for split, part in known.get(entry.bundle, {}).items()}
    return entry.model_copy(update={"figures": figures}) if set(TESTS) <= set(figures) else None


def _computed(entries: list[Entry], predictions: Mapping[str, Path]) -> CopyFree:
    """Those of FER-2013; nothing without its faces and their near copies."""
    folder = project.root() / "data/fer2013/faces"
    faces = Faces.load(folder) if entries and (folder / "faces.csv").exists() else None
    near = copies.at_hand(faces) if faces is not None else None
    if faces is None or near is None:
        return {}
    # of all faces: a copy in Training counts, whatever its class
    free = copies.free(faces, near)
    return {entry.bundle: measure(_of_sidecar(entry, faces) or _of_csv(predictions[entry.bundle]), faces, free)
            for entry in entries if entry.source_digest == faces.manifest["digest"]}


def measure(right: Mapping[str, bool], faces: Faces, free: np.ndarray) -> dict[str, dict[str, Any]]:
    """The figures by split.

    Args:
        right: by its id, whether the model is right on a test image; an image that its classes leave out is not there.
        free: bool ``(N,)``, the test images that have no copy in Training.
    """
    figures = {}
    for split in TESTS:
        answers = [right[name] for name in faces.ids[free & (faces.splits == split)].tolist() if name in right]
        if answers:
            figures[split] = {"n": len(answers), "accuracy": round(float(np.mean(answers)), 6)}
    return figures


def _of_sidecar(entry: Entry, faces: Faces) -> dict[str, bool]:
    """Whether a model is right by what lies beside its entry; nothing without."""
    probabilities = ledger.probabilities(entry) or {}
    right: dict[str, bool] = {}
    for split in probabilities:
        part = faces.with_classes(entry.class_set).split(split)
        right |= zip(part.ids.tolist(), (probabilities[split].argmax(axis=1) == part.labels).tolist(), strict=True)
    return right


def _of_csv(path: Path) -> dict[str, bool]:
    """The same by a predictions.csv."""
    with open(path, newline="", encoding="utf-8") as file:
        return {row["id"]: row["actual"] == row["predicted"] for row in csv.DictReader(file)}


def _predictions() -> dict[str, Path]:
    """By bundle each predictions.csv among the reports. Raises Failure where one does not say whose it is."""
    found = {}
    for about in OTHERS:
        path = project.root() / about
        predictions = path.with_name("predictions.csv")
        if path.exists() and predictions.exists():
            try:
                found[str(plain_json.parse(path.read_text(encoding="utf-8"))["bundle"])] = predictions
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise Failure(f"{path}: names no bundle ({error!r}); restore it from git") from error
    return found


def _path() -> Path:
    return project.root() / "reports/copy-free.json"
