"""Accuracy by what can be measured of a picture itself: its brightness and its sharpness, in quarters of a test split.

They are no measure of fairness, which FER-2013 has no attributes for; they show which pictures a model is worse on.
"""

from collections.abc import Callable, Mapping

import numpy as np
from typing_extensions import TypedDict

from pipeline.evaluate.intervals import wilson
from pipeline.faces.faces import Faces


class Quarter(TypedDict):
    """The images whose ``low`` <= property <= ``high``.

    ``expected`` is the accuracy that this quarter's mix of classes alone would give, were every class recalled as often
    as in the whole split: a dark quarter may be hard for its many frightened faces.
    """

    low: float
    high: float
    n: int
    accuracy: float
    interval: list[float]
    expected: float


def brightness(images: np.ndarray) -> np.ndarray:
    """The mean gray level of each image ``(N, 48, 48)``, from 0 to 255."""
    return images.mean(axis=(1, 2))


def sharpness(images: np.ndarray) -> np.ndarray:
    """The variance of each image's Laplacian, which is small where an image is blurred (Pech-Pacheco et al. 2000,
    ICPR 3: 314-317); little contrast makes it small too."""
    gray = images.astype("float32")
    inner = gray[:, 1:-1, 1:-1]
    laplacian = gray[:, :-2, 1:-1] + gray[:, 2:, 1:-1] + gray[:, 1:-1, :-2] + gray[:, 1:-1, 2:] - 4 * inner
    return laplacian.var(axis=(1, 2))


PROPERTIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"brightness": brightness, "sharpness": sharpness}
# By property, the quarter with the lowest values first
Conditions = dict[str, list[Quarter]]


def by_quarter(values: np.ndarray, predicted: np.ndarray, labels: np.ndarray, confidence: float) -> list[Quarter]:
    """The accuracy in each quarter of N images ordered by ``values``; none where there are fewer than four images."""
    if len(values) < 4:
        return []
    correct = predicted == labels
    recall = np.array([correct[labels == label].mean() if (labels == label).any() else 0.0
                       for label in range(labels.max() + 1)])
    quarters: list[Quarter] = []
    # stable: images of equal value keep their order, everywhere alike
    for rows in np.array_split(np.argsort(values, kind="stable"), 4):
        share = wilson(int(correct[rows].sum()), len(rows), confidence)
        quarters.append({"low": round(float(values[rows[0]]), 2), "high": round(float(values[rows[-1]]), 2),
                         "n": len(rows), "accuracy": round(share.mean, 6),
                         "interval": [round(share.low, 6), round(share.high, 6)],
                         "expected": round(float(recall[labels[rows]].mean()), 6)})
    return quarters


def measure(tests: Faces, probabilities: Mapping[str, np.ndarray], confidence: float) -> dict[str, Conditions]:
    """The quarters of every property on each split that has probabilities ``(N, C)``, of faces with these classes."""
    found: dict[str, Conditions] = {}
    for split, of_split in probabilities.items():
        part = tests.split(split)
        found[split] = {name: by_quarter(measured(part.images), of_split.argmax(axis=1), part.labels, confidence)
                        for name, measured in PROPERTIES.items()}
    return found
