"""95 % intervals: of accuracies that several seeds have on the same images, and of a median."""

from dataclasses import dataclass
from math import hypot

import numpy as np


def mean_interval(accuracies: list[float], n: int) -> tuple[float, float, float]:
    """Mean of the seeds' accuracies on one split of ``n`` images, with a 95 % interval.

    The variance is that of drawing the images, which all seeds share, plus that of the seeds' mean.
    """
    mean = float(np.mean(accuracies))
    images, seeds = mean * (1 - mean) / n, 0.0
    if len(accuracies) > 1:
        seeds = float(np.var(accuracies, ddof=1)) / len(accuracies)
    half = quantile(images, seeds, len(accuracies)) * (images + seeds) ** 0.5
    return mean, mean - half, mean + half


def quantile(images: float, seeds: float, count: int) -> float:
    """By how many standard errors a 95 % interval reaches to each side.

    1.96, and more where much of the variance is that of the seeds, which so few of them tell only roughly: Student's t
    with the degrees of freedom of Welch and Satterthwaite (Welch 1947, Biometrika 34: 28-35).

    Args:
        images, seeds: the two parts of the variance, the second estimated from ``count`` seeds.
    """
    if not seeds:
        return 1.96
    from scipy.stats import t

    return float(t.ppf(0.975, (count - 1) * ((images + seeds) / seeds) ** 2))


def median_interval(values: list[float]) -> tuple[float, float, float]:
    """The median with a 95 % interval from the order of the values alone, whatever their distribution (Conover 1999,
    Practical Nonparametric Statistics, 3.2); of fewer than six values the lowest and the highest."""
    from scipy.stats import binom

    rank = max(int(binom.ppf(0.025, len(values), 0.5)), 1)
    ordered = sorted(values)
    return float(np.median(ordered)), ordered[rank - 1], ordered[-rank]
Z = 1.96


@dataclass(frozen=True)
class Estimate:
    """A share or a difference of shares, with a 95 % interval."""

    mean: float
    low: float
    high: float


def share(counts: list[str]) -> Estimate:
    """The mean share of one ``hits/images`` a seed.

    Wilson's interval counts the images, which all seeds share (a class may have 56 of them and none right); what the
    seeds differ by comes on top.
    """
    pairs = [tuple(map(int, text.split("/"))) for text in counts]
    shares, n = [hits / images for hits, images in pairs], pairs[0][1]
    mean = float(np.mean(shares))
    centre = (mean + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * (mean * (1 - mean) / n + Z**2 / (4 * n**2)) ** 0.5
    seeds = float(np.var(shares, ddof=1)) / len(shares) if len(shares) > 1 else 0.0
    wider = quantile(mean * (1 - mean) / n, seeds, len(shares)) / Z
    below, above = (wider * hypot(part, Z * seeds**0.5) for part in (mean - centre + half, centre + half - mean))
    return Estimate(mean, mean - below, mean + above)


def less(one: Estimate, other: Estimate) -> Estimate:
    """``one`` less ``other``, from their intervals (Zou & Donner 2008, Statistics in Medicine 27: 1693-1702).

    They count as independent. Figures of one split share its images, so that the true interval is rather narrower.
    """
    mean = one.mean - other.mean
    return Estimate(mean, mean - hypot(one.mean - one.low, other.high - other.mean),
                    mean + hypot(one.high - one.mean, other.mean - other.low))
