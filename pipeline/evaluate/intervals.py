"""95 % intervals by two methods: ``wilson`` where one model was measured, ``student`` where several seeds were.

They count different things. ``wilson`` counts which images were drawn for the test and knows nothing of other seeds;
``student`` counts which seeds were drawn and holds for these very images. Adding the images' variance to that of the
seeds would count it twice: a seed's accuracy varies on the images already.
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
    Association 22: 209-212) holds for other images of the same kind and this very model; what another seed would
    change, it cannot know. It stays inside 0 to 1 and has a width at 0 of 56 too.

    Raises:
        ValueError: There are no images, or more hits than images.
    """
    from scipy.stats import binomtest

    low, high = binomtest(hits, images).proportion_ci(confidence, method="wilson")
    return Estimate(hits / images, float(low), float(high))


def student(accuracies: list[float], confidence: float = CONFIDENCE) -> Estimate:
    """The mean over seeds of their accuracies on the same images.

    Applies to two seeds or more. The interval (Student's t with a degree of freedom less than there are seeds) is that
    of the recipe's expected accuracy on this test set, over all seeds; that other images could have been drawn, it does
    not count. Two seeds tell little of their spread: the interval reaches 12.7 standard errors to each side, and may
    leave 0 to 1. Seeds that agree to the last image have an interval without width.

    Raises:
        ValueError: There are less than two seeds.
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

    Of two Wilson intervals this is Newcombe's method 10 (1998, Statistics in Medicine 17: 873-890), and as well holds
    for any two others (Zou & Donner 2008, Statistics in Medicine 27: 1693-1702). The two count as independent; figures
    of one split share its images, so that the true interval is rather narrower.
    """
    mean = first.mean - second.mean
    return Estimate(mean, mean - hypot(first.mean - first.low, second.high - second.mean),
                    mean + hypot(first.high - first.mean, second.mean - second.low))
