"""Confident learning: which labels are probably wrong, from the probabilities of a model that did not learn from them.

After Northcutt, Jiang & Chuang 2021, Confident Learning: Estimating Uncertainty in Dataset Labels, Journal of
Artificial Intelligence Research 70: 1373-1411 (arXiv 1911.00068). A face counts for a class when the model gives that
class at least the probability that it gives the class's own faces on average.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Issues:
    """Labels that are probably wrong.

    Attributes:
        rows: int ``(K,)``, the faces, those first whose label has the lowest probability.
        suggested: int ``(K,)``, the classes that they count for instead.
        joint: float ``(C, C)``, the estimated shares of all faces by label (rows) and true class (columns).
    """

    rows: np.ndarray
    suggested: np.ndarray
    joint: np.ndarray

    @property
    def wrong_share(self) -> float:
        """The estimated share of labels that are wrong."""
        return float(1 - np.trace(self.joint))


def find(probabilities: np.ndarray, labels: np.ndarray) -> Issues:
    """The probable label errors among faces with these labels ``(N,)``, from probabilities ``(N, C)``.

    A class without a face has no mean, and nothing counts for it.
    """
    faces, classes = probabilities.shape
    own = probabilities[np.arange(faces), labels]
    sizes = np.bincount(labels, minlength=classes)
    thresholds = np.where(sizes > 0, np.bincount(labels, own, classes) / np.maximum(sizes, 1), np.inf)
    confident = probabilities >= thresholds
    # of several classes the most probable one; -1 for a face that the model is not confident of at all
    counted = np.where(confident.any(axis=1), np.where(confident, probabilities, -1).argmax(axis=1), -1)
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels[counted >= 0], counted[counted >= 0]), 1)
    # a label none of whose faces is counted says nothing of its errors
    empty = counts.sum(axis=1) == 0
    counts[empty] = np.eye(classes)[empty]
    joint = counts / counts.sum(axis=1, keepdims=True) * sizes[:, None] / faces
    rows = np.flatnonzero((counted >= 0) & (counted != labels))
    rows = rows[np.argsort(own[rows], kind="stable")]
    return Issues(rows, counted[rows], joint)
