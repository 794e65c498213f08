"""measurements.json: what evaluate measured for a model's card, kept so that the card can be written again anywhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.bundle.bundle import Bundle
from pipeline.bundle.record import Name, Record
from pipeline.evaluate import details
from pipeline.evaluate.conditions import Conditions
from pipeline.evaluate.measure import evaluate
from pipeline.faces.faces import Faces
from pipeline.params.params import Evaluate
from pipeline.tracking import ledger
from pipeline.tracking.entry import Entry, SplitRobustness

FORMAT: Literal[1] = 1
FILE = "measurements.json"


class Measured(Record):
    """The measurements of a bundle, by test split; see ``evaluate.details.Details``.

    Attributes:
        digest: of the faces as they came.
        source: whether the predictions are those that the ledger keeps, or were made again.
        entry: what evaluate found for the card of a bundle that the ledger does not have.
    """

    format: Literal[1] = FORMAT
    bundle: Name
    digest: str
    source: Literal["ledger", "predicted again"]
    accuracy: dict[str, float]
    conditions: dict[str, Conditions]
    robustness: SplitRobustness | None
    entry: Entry | None = None


@dataclass(frozen=True)
class Measurement:
    """The measurements, and the probabilities that they are of: single view, ``(N, C)`` by test split."""

    measured: Measured
    probabilities: dict[str, np.ndarray]


def measure(bundle: Bundle, faces: Faces, settings: Evaluate) -> Measurement:
    """Measure a bundle for its card, on faces as they came: what the ledger has of it is not measured again.

    Raises Failure where it was trained on other faces.
    """
    recorded = entry = ledger.recorded(bundle)
    if entry is None:
        evaluation = evaluate(bundle, faces, settings)
        entry = ledger.entry(bundle, evaluation.figures, evaluation.milliseconds, evaluation.robustness)
        kept = evaluation.probabilities
    else:
        kept = ledger.probabilities(entry) or {}
    found = details.measure(bundle, faces, settings, kept, entry.robustness)
    used = recorded is not None and all(kept.get(split) is of_split for split, of_split in found.probabilities.items())
    measured = Measured(bundle=bundle.id, digest=faces.manifest["digest"],
                        source="ledger" if used else "predicted again", accuracy=found.accuracy,
                        conditions=found.conditions, robustness=found.robustness)
    if recorded is None:
        measured = measured.model_copy(update={"entry": entry})
    return Measurement(measured, found.probabilities)


def read(folder: Path) -> Measured | None:
    """What a card's folder has; None where there is none. Raises Failure for a file that is damaged."""
    path = folder / FILE
    if not path.exists():
        return None
    return Measured.read(path.read_bytes(), path, "a card's measurements", "measure again with `ferpipe card --again`")
