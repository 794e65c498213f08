"""Which part of the face speaks for which emotion: the mean map over PublicTest's faces that the model recognises."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.bundle.bundle import Bundle
from pipeline.demo.see.classifier import classify
from pipeline.faces.faces import Faces

# A mean of fewer faces could be recognised as one of them: a class with fewer has no picture behind its map
FEWEST = 20
# The map of one face, uint8 ``(48, 48)``, for the class with this index
MapOf = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Average:
    """The mean map of one class.

    Attributes:
        name: the class's.
        n: over how many faces.
        shares: ``(H, W)``, -1 (speaks against the class) to 1 (for it); each face's map counts alike.
        face: the mean of the class's faces, float32 ``(48, 48)``; gray where there are fewer than ``FEWEST``.
    """

    name: str
    n: int
    shares: np.ndarray
    face: np.ndarray


def averages(bundle: Bundle, faces: Faces, labels: list[int], most: int, map_of: MapOf) -> list[Average]:
    """The mean maps of these classes.

    Args:
        faces: PublicTest, in the bundle's classes. Never PrivateTest, which decides nothing.
        most: faces of a class, always the same ones.
    """
    answers = classify(bundle, faces.images).argmax(axis=1)
    results = []
    for label in labels:
        labelled = faces.labels == label
        recognised = np.flatnonzero(labelled & (answers == label))
        chosen = np.random.default_rng(0).permutation(recognised)[:most]
        shares = [map_of(faces.images[index], label) for index in chosen]
        face = np.full(faces.images.shape[1:], 128, "float32")
        if labelled.sum() >= FEWEST:
            face = faces.images[labelled].mean(axis=0, dtype="float32")
        results.append(Average(bundle.classes[label], len(chosen),
                               np.mean(shares, axis=0) if shares else np.zeros((1, 1), "float32"), face))
    return results
