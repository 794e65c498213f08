"""How an ensemble's members are weighted and which of them are taken, as in Padova's report (S3); numpy alone.

Probabilities of K members for N images and C classes are ``(K, N, C)``, weights ``(K, C)``. The ensemble's answer is
the weighted sum over the members, divided by its sum over the classes: only the ratios of the weights matter.
"""

import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.system.failure import Failure

# Added to every weighted sum: where members are sure of classes in which their weight is 0, it would be 0 / 0
TINY = 1e-12
# The most subsets that are searched, and the values that are held at a time while they are
MOST_SUBSETS, CHUNK = 5_000_000, 2**24


def weights(weighting: str, probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The weights ``(K, C)`` under one of S3's three formulas, from the members' answers on the images that choose.

    * ``mean``: 1 for all;
    * ``accuracy``: each member's accuracy, the same for all its classes;
    * ``recall``: each member's recall of each class, divided by the sum of its recalls.
    """
    members, _, classes = probabilities.shape
    right = probabilities.argmax(axis=2) == labels
    if weighting == "mean":
        return np.ones((members, classes))
    if weighting == "accuracy":
        return np.repeat(right.mean(axis=1)[:, None], classes, axis=1)
    of_class = np.eye(classes)[labels]
    recalls = right @ of_class / np.maximum(of_class.sum(axis=0), 1)
    return recalls / np.maximum(recalls.sum(axis=1, keepdims=True), TINY)


def combine(probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The ensemble's probabilities ``(N, C)``."""
    summed = np.einsum("knc,kc->nc", probabilities, weights) + TINY
    return summed / summed.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Best:
    """The best ensemble of a search.

    Attributes:
        members: their indices among the candidates.
        right: how many of the N images they get right.
        tried: how many ensembles were compared, in ``seconds``.
    """

    members: tuple[int, ...]
    weighting: str
    right: int
    tried: int
    seconds: float


def search(probabilities: np.ndarray, labels: np.ndarray, sizes: tuple[int, int], weightings: tuple[str, ...]) -> Best:
    """The subset of ``sizes[0]`` to ``sizes[1]`` members and the weighting that are right most often.

    Of equals the smaller subset, then the earlier weighting, then the earlier members are taken. The winner's accuracy
    is the maximum over many subsets on the images that chose it, so it is optimistic. Only images that had no part in
    the choice can tell what it is worth: only the winner meets PrivateTest.

    Raises Failure where there are more than ``MOST_SUBSETS`` subsets.
    """
    begun = time.perf_counter()
    members, n, classes = probabilities.shape
    low, high = sizes
    subsets = sum(math.comb(members, size) for size in range(low, high + 1))
    if subsets > MOST_SUBSETS:
        raise Failure(f"{members} members have {subsets:,} subsets of {low} to {high}, at most {MOST_SUBSETS:,} are "
                      "searched; name fewer members, or sizes nearer to each other")
    weighted = {name: _by_label(probabilities * weights(name, probabilities, labels)[:, None], labels)
                for name in weightings}
    best: tuple[int, str, tuple[int, ...]] = (-1, "", ())
    for size, name in itertools.product(range(low, high + 1), weightings):
        for chosen in _chunks(members, size, max(1, CHUNK // (n * classes))):
            # a row per subset, 1 at its members: one matrix product then adds up the scores of all subsets
            taken = np.zeros((len(chosen), members), "float32")
            np.put_along_axis(taken, chosen, 1, axis=1)
            right = np.sum([_right(taken, label, scores) for label, scores in enumerate(weighted[name])], axis=0)
            row = int(right.argmax())
            if right[row] > best[0]:
                best = int(right[row]), name, tuple(chosen[row].tolist())
    return Best(best[2], best[1], best[0], subsets * len(weightings), time.perf_counter() - begun)


def _by_label(scores: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Scores ``(K, N, C)`` as float32 ``(K, C, images)`` for each label."""
    return [np.ascontiguousarray(scores[:, labels == label].transpose(0, 2, 1), "float32")
            for label in range(scores.shape[2])]


def _right(taken: np.ndarray, label: int, scores: np.ndarray) -> np.ndarray:
    """How many images with this label each subset ``(S, K)`` gets right, as argmax would say it.

    Comparing class by class takes a fifth of the time that argmax over a short axis takes.
    """
    members, classes, images = scores.shape
    summed = (taken @ scores.reshape(members, -1)).reshape(len(taken), classes, images)
    of_label = summed[:, label]
    right = np.ones(of_label.shape, bool)
    for other in range(classes):
        if other != label:
            # of equal scores argmax takes the first class
            right &= of_label > summed[:, other] if other < label else of_label >= summed[:, other]
    return np.count_nonzero(right, axis=1)


def _chunks(members: int, size: int, rows: int) -> Iterator[np.ndarray]:
    """All subsets of a size as rows of indices, at most ``rows`` at a time."""
    subsets = itertools.combinations(range(members), size)
    while chunk := list(itertools.islice(subsets, rows)):
        yield np.array(chunk)
