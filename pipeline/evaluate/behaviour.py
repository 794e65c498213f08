"""Behavioural tests: changes of a face that must not change the answer (invariance tests of CheckList, Ribeiro et al.
2020, arXiv 2005.04118). They need no labels.
"""

from collections.abc import Callable

import numpy as np
from typing_extensions import TypedDict  # as in ``tracking.entry``

from pipeline.bundle.bundle import Bundle
from pipeline.faces.corruptions import Corruption


class Invariance(TypedDict):
    """Shares of ``n`` faces: those whose answer changes, and of the ``sure_n`` faces whose confidence is at least
    ``SURE`` those whose answer changes; ``moved`` is the mean total variation between the probabilities."""

    n: int
    changed: float
    sure_n: int
    sure_changed: float
    moved: float


# The confidence, after temperature scaling, from which an answer is not unsure
SURE = 0.5


def _shift(down: int, right: int) -> Callable[[np.ndarray], np.ndarray]:
    """Uint8 images ``(N, S, S)`` moved by whole pixels; beyond the edge it repeats."""
    def shifted(images: np.ndarray) -> np.ndarray:
        size = images.shape[1]
        rows, columns = (np.clip(np.arange(size) - by, 0, size - 1) for by in (down, right))
        return images[:, rows][:, :, columns]

    return shifted


def _brighter(levels: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda images: np.clip(images.astype("int16") + levels, 0, 255).astype("uint8")


# What is done to uint8 images (N, 48, 48) by what a person calls it; mild enough that no face looks another way
CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mirror image": lambda images: images[:, :, ::-1],
    "16 gray levels brighter": _brighter(16),
    "16 gray levels darker": _brighter(-16),
    "gamma 0.8": Corruption("gamma", 0.8),
    "gamma 1.25": Corruption("gamma", 1.25),
    "contrast 0.8": Corruption("contrast", 0.8),
    "contrast 1.2": Corruption("contrast", 1.2),
    "a pixel to the left": _shift(0, -1),
    "a pixel to the right": _shift(0, 1),
    "a pixel up": _shift(-1, 0),
    "a pixel down": _shift(1, 0),
    "box off by up to 5 %": Corruption("box", 5),
    "turned by 5°": Corruption("rotation", 5),
}


def measure(bundle: Bundle, images: np.ndarray) -> dict[str, Invariance]:
    """A bundle's answers to uint8 images ``(N, 48, 48)`` before and after each of ``CHANGES``, single view, N >= 1."""
    before = bundle.calibrated(bundle.predict(images))
    answers, sure = before.argmax(axis=1), before.max(axis=1) >= SURE
    results: dict[str, Invariance] = {}
    for name, change in CHANGES.items():
        after = bundle.calibrated(bundle.predict(np.ascontiguousarray(change(images))))
        changed = after.argmax(axis=1) != answers
        results[name] = {
            "n": len(images), "changed": _round(changed.mean()), "sure_n": int(sure.sum()),
            "sure_changed": _round(changed[sure].mean()) if sure.any() else 0.0,
            "moved": _round(abs(after - before).sum(axis=1).mean() / 2),
        }
    return results


def _round(value) -> float:
    return round(float(value), 6)
