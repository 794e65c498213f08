"""What a model card says of a model beyond the ledger's figures, measured on both test splits."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.bundle.bundle import Bundle, check_faces
from pipeline.evaluate import conditions, robustness
from pipeline.evaluate.conditions import Conditions
from pipeline.evaluate.measure import PARTS
from pipeline.faces.faces import Faces
from pipeline.params.params import Evaluate
from pipeline.tracking.entry import SplitRobustness


@dataclass(frozen=True)
class Details:
    """Measurements by test split, of those splits that the faces have.

    Attributes:
        probabilities: single view, ``(N, C)``, the faces in the table's order.
        accuracy: a share, of these probabilities.
        conditions: the accuracy in quarters of brightness and sharpness.
        robustness: on corrupted faces; None for a model that is too large for it.
    """

    probabilities: dict[str, np.ndarray]
    accuracy: dict[str, float]
    conditions: dict[str, Conditions]
    robustness: SplitRobustness | None


def measure(bundle: Bundle, faces: Faces, settings: Evaluate, recorded: Mapping[str, np.ndarray] | None = None,
            corrupted: SplitRobustness | None = None) -> Details:
    """Measure a bundle on faces as they came; what the ledger has already is not measured again.

    Args:
        recorded: the probabilities that the ledger has, by split.
        corrupted: the figures on corrupted faces that the ledger has.

    Raises Failure where the bundle was trained on other faces.
    """
    check_faces(bundle.provenance, faces.manifest, bundle.folder)
    tests = faces.with_classes(bundle.class_set).split(*PARTS["test"])
    probabilities, accuracy = {}, {}
    for split in PARTS["test"]:
        part = tests.split(split)
        if not len(part):
            continue
        kept = (recorded or {}).get(split)
        fits = kept is not None and kept.shape == (len(part), len(bundle.classes))
        probabilities[split] = kept if kept is not None and fits else bundle.predict(part.images)
        accuracy[split] = round(float((probabilities[split].argmax(axis=1) == part.labels).mean()), 6)
    if corrupted is None and len(accuracy) == len(PARTS["test"]) and robustness.is_measured(bundle, settings):
        corrupted = robustness.measure(bundle, tests)
    return Details(probabilities, accuracy, conditions.measure(tests, probabilities, settings.confidence), corrupted)
