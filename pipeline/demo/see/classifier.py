"""Calibrated probabilities for a batch of face crops."""

from typing import Protocol

import numpy as np


class Model(Protocol):
    """What the demo needs of a model: ``pipeline.bundle.bundle.Bundle``, or a fake one in tests."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The C class names, in the order of the scores."""

    @property
    def crop_margin(self) -> float:
        """A box's side as a share of the crop's, as in the training images."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities float32 ``(N, C)`` for uint8 images ``(N, 48, 48)``."""

    def calibrated(self, probabilities: np.ndarray) -> np.ndarray:
        """The probabilities ``(N, C)`` after temperature scaling."""


def classify(model: Model, crops: np.ndarray, flip: bool = True) -> np.ndarray:
    """Calibrated probabilities float32 ``(N, C)`` for uint8 crops ``(N, 48, 48)``.

    Args:
        flip: average each face's probabilities with those of its mirror image. Twice the work; what it gains is in
            reports/results.md: by recipe from nothing to a point and a half, for the champion nothing.
    """
    if not len(crops):
        return np.zeros((0, len(model.classes)), "float32")
    if not flip:
        return model.calibrated(model.predict(crops))
    both = model.predict(np.concatenate([crops, crops[:, :, ::-1]]))
    return model.calibrated((both[: len(crops)] + both[len(crops) :]) / 2)
