"""Whether a search has found something better than the recipe: the evidence of a promotion, for the best of many.

The trials are short and few of them differ by more than their noise, so that the best of them looks better than it is.
Therefore the short runs only choose the finalists. These and the recipe are trained at full length, and a finalist is
taken only if the paired bootstrap over PublicTest's images (``promote.decision``) says that its gain is real with
``confidence``, corrected for every trial that could have become a finalist (Bonferroni 1936; Dunn 1961, Journal of the
American Statistical Association 56: 52-64). The correction holds whatever the finalists were chosen by, PublicTest
itself included: that *any* of m equal recipes passes a test at (1 - confidence) / m has at most the probability
1 - confidence.
"""

from collections.abc import Mapping
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
    """

    trial: int
    accuracy: float
    gain: float
    probability: float
    needed: float

    @property
    def real(self) -> bool:
        """Whether the evidence suffices."""
        return self.gain > 0 and self.probability >= self.needed


def judged(
    recipe: np.ndarray,
    finalists: Mapping[int, np.ndarray],
    trials: int,
    confidence: float,
    seed: int,
) -> list[Finalist]:
    """Each finalist against the recipe, the most accurate first.

    Args:
        recipe: what the recipe got right at full length, bool ``(N,)`` on N images.
        finalists: the same of each finalist, by its trial's number.
        trials: from how many they were chosen, the recipe's own not counted.
        confidence: that nothing is taken where no trial is better than the recipe.
        seed: of the bootstrap.
    """
    tail = (1 - confidence) / max(1, trials, len(finalists))
    resamples = max(RESAMPLES, round(PER_TAIL / tail))
    rows = []
    for trial, correct in finalists.items():
        gain = paired(correct[None], recipe[None], 0.0, seed, resamples)
        rows.append(Finalist(trial, float(correct.mean()), gain.gain, gain.probability, 1 - tail))
    return sorted(rows, key=lambda row: (-row.accuracy, row.trial))


def taken(finalists: list[Finalist]) -> int | None:
    """The trial to take of ``judged`` ones: the most accurate whose gain is real; None where there is none."""
    return next((row.trial for row in finalists if row.real), None)
