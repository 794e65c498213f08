"""95 % intervals by two methods: ``wilson`` where one model was measured, ``student`` where several seeds were.
Two models on the same images are compared by ``paired`` and ``mcnemar``. ``bootstrap`` is for figures of one model that
are no share of the images.

They cover different sources of variance. ``wilson`` covers the sampling of the test images, for the one seed that was
trained; ``student`` covers the sampling of the seeds, for this fixed test set. Adding the images' variance to that of
the seeds would count it twice: the seeds' accuracies vary with the images already.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import hypot

import numpy as np
from numpy.typing import ArrayLike

CONFIDENCE = 0.95
RESAMPLES = 1000


@dataclass(frozen=True)
class Estimate:
    """A share, a mean of shares or a difference of two, with its interval; from 0 to 1, a difference from -1 to 1."""

    mean: float
    low: float
    high: float


def wilson(hits: int, images: int, confidence: float = CONFIDENCE) -> Estimate:
    """The share of ``images`` that one model got right.

    Applies to a single model, trained with one seed. The interval (Wilson 1927, Journal of the American Statistical
    Association 22: 209-212) covers other images of the same kind and this one model, not other seeds. It stays
    inside 0 to 1 and has a width at 0 of 56 too.

    Raises:
        ValueError: There are no images, or more hits than images.
    """
    from scipy.stats import binomtest

    low, high = binomtest(hits, images).proportion_ci(confidence, method="wilson")
    return Estimate(hits / images, float(low), float(high))


def student(accuracies: list[float], confidence: float = CONFIDENCE) -> Estimate:
    """The mean over seeds of their accuracies on the same images.

    Applies to two seeds or more. The interval (Student's t with n - 1 degrees of freedom for n seeds) is that of the
    recipe's expected accuracy on this test set, over all seeds; it does not account for the sampling of the images. Two
    seeds say little about their spread: the interval reaches 12.7 standard errors to each side, and may leave 0 to 1.
    Seeds with exactly the same accuracy have an interval without width.

    Raises:
        ValueError: There are fewer than two seeds.
    """
    from scipy.stats import t

    if len(accuracies) < 2:
        raise ValueError(f"{len(accuracies)} seeds have no spread; expected at least two")
    mean = float(np.mean(accuracies))
    error = float(np.std(accuracies, ddof=1)) / len(accuracies) ** 0.5
    half = float(t.ppf((1 + confidence) / 2, len(accuracies) - 1)) * error
    return Estimate(mean, mean - half, mean + half)


def over_seeds(accuracies: list[float], images: int) -> Estimate:
    """The mean of the seeds' accuracies on the same ``images``: ``wilson`` of one seed, ``student`` of several."""
    if len(accuracies) > 1:
        return student(accuracies)
    return replace(wilson(round(accuracies[0] * images), images), mean=accuracies[0])


def bootstrap(statistic: Callable[[np.ndarray], ArrayLike], images: int,
              confidence: float = CONFIDENCE) -> tuple[np.ndarray, np.ndarray]:
    """The lower and the upper ends of the intervals of figures of one model: percentiles of their ``resamples``
    (Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13). As ``wilson`` they cover other images of
    the same kind and not other seeds. Only for figures that resampling does not shift."""
    low, high = np.quantile(resamples(statistic, images), [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return low, high


def resamples(statistic: Callable[[np.ndarray], ArrayLike], images: int) -> np.ndarray:
    """``(RESAMPLES, ...)``: figures of as many images, drawn with replacement, always the same ones.

    Args:
        statistic: a figure, or an array of them, of the images with these indices, int ``(images,)``: some several
            times, others not at all.
    """
    rng = np.random.default_rng(0)
    return np.array([statistic(rng.integers(0, images, images)) for _ in range(RESAMPLES)])


def difference(first: Estimate, second: Estimate) -> Estimate:
    """``first`` less ``second``, from their intervals.

    Of two Wilson intervals this is Newcombe's method 10 (1998, Statistics in Medicine 17: 873-890), which also holds
    for any two other intervals (Zou & Donner 2008, Statistics in Medicine 27: 1693-1702). The two count as independent;
    figures of one split share its images, so the true interval is if anything narrower.
    """
    mean = first.mean - second.mean
    return Estimate(mean, mean - hypot(first.mean - first.low, second.high - second.mean),
                    mean + hypot(first.high - first.mean, second.mean - second.low))


def paired(gained: int, lost: int, images: int, confidence: float = CONFIDENCE) -> Estimate:
    """The accuracy of one model less that of another on the same ``images``.

    Bonett & Price's adjusted Wald interval (2012, Journal of Educational and Behavioral Statistics 37: 479-488), which
    Fagerland et al. recommend (2014, Statistics in Medicine 33: 2850-2875). It covers other images and these two
    models, not other seeds.

    Args:
        gained: the images that the first alone gets right.
        lost: those that the second alone gets right.
    """
    from scipy.stats import norm

    # A pseudo-image for each of the two off-diagonal cells
    more, less = (gained + 1) / (images + 2), (lost + 1) / (images + 2)
    centre = more - less
    half = float(norm.ppf((1 + confidence) / 2)) * ((more + less - centre**2) / (images + 2)) ** 0.5
    return Estimate((gained - lost) / images, max(centre - half, -1.0), min(centre + half, 1.0))


def mcnemar(gained: int, lost: int) -> float:
    """The two-sided p-value of McNemar's test that two models are equally accurate, with the counts of ``paired``.

    The mid-p version of the exact test, which errs as often as it says also where few images tell the two apart
    (Fagerland et al. 2013, BMC Medical Research Methodology 13: 91).
    """
    from scipy.stats import binom

    fewer, both = min(gained, lost), gained + lost
    return float(min(1.0, 2 * binom.cdf(fewer, both, 0.5) - binom.pmf(fewer, both, 0.5)))


def holm(p_values: list[float]) -> list[float]:
    """The p-values of several tests, adjusted so that all true null hypotheses together survive with the usual
    probability (Holm 1979, Scandinavian Journal of Statistics 6: 65-70)."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted
