"""Scores for all faces of a frame in one batch."""

from typing import Protocol

import numpy as np


class Model(Protocol):
    """What the demo needs of a model; ``pipeline.bundle.Bundle`` has it."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    def predict(self, images: np.ndarray) -> np.ndarray: ...

    def calibrated(self, probabilities: np.ndarray) -> np.ndarray: ...


def classify(model: Model, crops: np.ndarray, flip: bool = True) -> np.ndarray:
    """Calibrated probabilities float32 ``(N, C)`` for uint8 crops ``(N, 48, 48)``.

    Args:
        flip: average each face with its mirror image; twice the work, about two points more accurate.
    """
    if not len(crops):
        return np.zeros((0, len(model.classes)), "float32")
    if not flip:
        return model.calibrated(model.predict(crops))
    both = model.predict(np.concatenate([crops, crops[:, :, ::-1]]))
    return model.calibrated((both[: len(crops)] + both[len(crops) :]) / 2)
