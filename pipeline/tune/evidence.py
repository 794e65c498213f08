"""Whether a search has found something better than the recipe: a promotion's paired bootstrap, for the best of many.

The trials are short and few of them differ by more than their noise, so that the best of them looks better than it is.
Therefore the short runs only choose the finalists. These and the recipe are trained at full length, and a finalist is
taken only if the paired bootstrap over PublicTest's images (``promote.decision``) says that its gain is real with
``confidence``, corrected for every trial that could have become a finalist (Bonferroni 1936; Dunn 1961, Journal of the
American Statistical Association 56: 52-64). The correction holds whatever the finalists were chosen by, PublicTest
itself included: that *any* of m equal recipes passes a test at (1 - confidence) / m has at most the probability
1 - confidence. It holds, too, where finalists that fall behind are not trained to their end: fewer are taken then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.promote.decision import RESAMPLES, paired

# Resamples per reciprocal of the tail that decides, so that the tail itself is known to a tenth
PER_TAIL = 100


@dataclass(frozen=True)
class Finalist:
    """What is known of a finalist at full length, against the recipe.

    Attributes:
        trial: its number.
        accuracy: on PublicTest.
        gain: over the recipe at full length.
        probability: that the gain is above 0, by the paired bootstrap.
        needed: the probability that takes it.
        stopped: the epoch after which its training was stopped because it was behind; accuracy and gain are means over
            epochs up to there, and the probability is 0. None where it was trained to its end.
    """

    trial: int
    accuracy: float
    gain: float
    probability: float
    needed: float
    stopped: int | None = None

    @property
    def real(self) -> bool:
        """Whether the evidence suffices."""
        return self.gain > 0 and self.probability >= self.needed


@dataclass(frozen=True)
class Behind:
    """Why a finalist's training was stopped after an epoch: its mean ``accuracy`` over the latest epochs is less than
    the recipe's over the same ones by ``deficit``, both shares."""

    epoch: int
    accuracy: float
    deficit: float


def behind(recipe: Sequence[float], finalist: Sequence[float], epochs: int, images: int) -> Behind | None:
    """Whether a finalist has fallen so far behind the recipe that its training is not worth its end.

    It has where, at half of the schedule or later, its mean accuracy over its latest epochs, a fifth of the schedule,
    is less than the recipe's over the same ones by more than what is ``negligible``.

    Args:
        recipe: its accuracy on PublicTest after every epoch at full length.
        finalist: the same, as far as it has come.
        epochs: of the schedule, the same for both.
        images: that an accuracy is measured on.
    """
    done = len(finalist)
    if not epochs <= 2 * done < 2 * epochs or len(recipe) < done:
        return None
    window = slice(max(0, done - max(1, epochs // 5)), done)
    expected, reached = float(np.mean(recipe[window])), float(np.mean(finalist[window]))
    if expected - reached <= negligible(expected, images):
        return None
    return Behind(done, reached, expected - reached)


def negligible(accuracy: float, images: int) -> float:
    """Half a standard error of an accuracy on so many images: a smaller difference could not be shown on them."""
    return (accuracy * (1 - accuracy) / images) ** 0.5 / 2


def judged(
    recipe: np.ndarray,
    finalists: Mapping[int, np.ndarray | Behind],
    trials: int,
    confidence: float,
    seed: int,
) -> list[Finalist]:
    """Each finalist against the recipe, the most accurate first, and those that were stopped last.

    Args:
        recipe: what the recipe got right at full length, bool ``(N,)`` on N images.
        finalists: the same of each finalist, by its trial's number, or why its training was stopped.
        trials: from how many they were chosen, the recipe's own not counted.
        confidence: that nothing is taken where no trial is better than the recipe.
        seed: of the bootstrap.
    """
    tail = (1 - confidence) / max(1, trials, len(finalists))
    resamples = max(RESAMPLES, round(PER_TAIL / tail))
    rows = []
    for trial, correct in finalists.items():
        if isinstance(correct, Behind):
            rows.append(Finalist(trial, correct.accuracy, -correct.deficit, 0.0, 1 - tail, correct.epoch))
            continue
        gain = paired(correct[None], recipe[None], 0.0, seed, resamples)
        rows.append(Finalist(trial, float(correct.mean()), gain.gain, gain.probability, 1 - tail))
    return sorted(rows, key=lambda row: (row.stopped is not None, -row.accuracy, row.trial))


def taken(finalists: list[Finalist]) -> int | None:
    """The trial to take of ``judged`` ones: the most accurate whose gain is real; None where there is none."""
    return next((row.trial for row in finalists if row.real), None)
