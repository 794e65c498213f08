"""95 % intervals by two methods: ``wilson`` where one model was measured, ``student`` where several seeds were.

They cover different sources of variance. ``wilson`` covers the sampling of the test images, for the one seed that was
trained; ``student`` covers the sampling of the seeds, for this fixed test set. Adding the images' variance to that of
the seeds would count it twice: the seeds' accuracies vary with the images already.
"""

from dataclasses import dataclass, replace
from math import hypot

import numpy as np

CONFIDENCE = 0.95


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


def difference(first: Estimate, second: Estimate) -> Estimate:
    """``first`` less ``second``, from their intervals.

    Of two Wilson intervals this is Newcombe's method 10 (1998, Statistics in Medicine 17: 873-890), which also holds
    for any two other intervals (Zou & Donner 2008, Statistics in Medicine 27: 1693-1702). The two count as independent;
    figures of one split share its images, so the true interval is if anything narrower.
    """
    mean = first.mean - second.mean
    return Estimate(mean, mean - hypot(first.mean - first.low, second.high - second.mean),
                    mean + hypot(first.high - first.mean, second.mean - second.low))
