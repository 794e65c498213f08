"""What a model card says of a model beyond the ledger's figures, measured on both test splits."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from typing_extensions import TypedDict

from pipeline.bundle.bundle import Bundle, check_faces
from pipeline.evaluate import calibration, conditions, robustness
from pipeline.evaluate.calibration import Calibration
from pipeline.evaluate.conditions import Conditions
from pipeline.evaluate.intervals import wilson
from pipeline.evaluate.measure import PARTS
from pipeline.faces import copies
from pipeline.faces.copies import Copies
from pipeline.faces.faces import Faces
from pipeline.params.params import Evaluate
from pipeline.tracking.entry import SplitRobustness

EXACT, NEAR, FREE = "an exact copy in Training", "a near copy in Training only", "no copy in Training"
NOT_EXACT = "no exact copy in Training (near ones have not been looked for)"


class Part(TypedDict):
    """A model's accuracy, a share with its interval, on ``n`` images of a split."""

    n: int
    accuracy: float
    interval: list[float]


@dataclass(frozen=True)
class Details:
    """Measurements by test split, of those splits that the faces have.

    Attributes:
        probabilities: single view, ``(N, C)``, the faces in the table's order.
        accuracy: a share, of these probabilities.
        calibration: before and after temperature scaling, with the accuracy by coverage.
        copies: the accuracy on the images that have a copy in Training as it came, and on those that have none.
        conditions: the accuracy in quarters of brightness and sharpness.
        robustness: on corrupted faces; None for a model that is too large for it.
    """

    probabilities: dict[str, np.ndarray]
    accuracy: dict[str, float]
    calibration: dict[str, Calibration]
    copies: dict[str, dict[str, Part]]
    conditions: dict[str, Conditions]
    robustness: SplitRobustness | None


def measure(bundle: Bundle, faces: Faces, settings: Evaluate, recorded: Mapping[str, np.ndarray] | None = None,
            corrupted: SplitRobustness | None = None, near: Copies | None = None) -> Details:
    """Measure a bundle on faces as they came; what the ledger has already is not measured again.

    Args:
        recorded: the probabilities that the ledger has, by split.
        corrupted: the figures on corrupted faces that the ledger has.
        near: the near copies among the faces; None where they have not been looked for.

    Raises Failure where the bundle was trained on other faces.
    """
    check_faces(bundle.provenance, faces.manifest, bundle.folder)
    # before the class set leaves faces out: a copy in Training counts, whatever its class
    groups = {name: set(faces.ids[rows].tolist()) for name, rows in _groups(faces, near).items()}
    tests = faces.with_classes(bundle.class_set).split(*PARTS["test"])
    probabilities, accuracy, calibrated, parts = {}, {}, {}, {}
    for split in PARTS["test"]:
        part = tests.split(split)
        if not len(part):
            continue
        kept = (recorded or {}).get(split)
        fits = kept is not None and kept.shape == (len(part), len(bundle.classes))
        probabilities[split] = kept if kept is not None and fits else bundle.predict(part.images)
        right = probabilities[split].argmax(axis=1) == part.labels
        accuracy[split] = round(float(right.mean()), 6)
        calibrated[split] = calibration.measure(probabilities[split], part.labels, bundle.calibrated,
                                                bundle.temperature)
        rows = {name: np.isin(part.ids, list(ids)) for name, ids in groups.items()}
        parts[split] = {name: _part(right[kept], settings.confidence) for name, kept in rows.items() if kept.any()}
    if corrupted is None and len(accuracy) == len(PARTS["test"]) and robustness.is_measured(bundle, settings):
        corrupted = robustness.measure(bundle, tests)
    return Details(probabilities, accuracy, calibrated, parts,
                   conditions.measure(tests, probabilities, settings.confidence), corrupted)


def _groups(faces: Faces, near: Copies | None) -> dict[str, np.ndarray]:
    """bool ``(N,)`` each: the test images that have a copy in Training, and those that have none."""
    training = faces.splits == "Training"
    exact = copies.exact(faces, training) & ~training
    if near is None:
        return {EXACT: exact, NOT_EXACT: ~exact & ~training}
    close = copies.near(faces, near, training) & ~exact & ~training
    return {EXACT: exact, NEAR: close, FREE: copies.free(faces, near)}


def _part(right: np.ndarray, confidence: float) -> Part:
    share = wilson(int(right.sum()), len(right), confidence)
    return {"n": len(right), "accuracy": round(share.mean, 6), "interval": [round(share.low, 6), round(share.high, 6)]}
