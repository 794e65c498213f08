"""Whether a model's probabilities can be believed: calibration, and how accurate the answers are that it is surest of.

*Confidence* is the probability of the most probable class. Expected calibration error over bins of equal width as in
Guo et al. 2017 (arXiv 1706.04599); selective prediction as in Geifman & El-Yaniv 2017 (arXiv 1705.08500).
"""

from collections.abc import Callable
from typing import NotRequired

import numpy as np
from typing_extensions import TypedDict  # as in ``tracking.entry``

from pipeline.evaluate.intervals import bootstrap, resamples, wilson

BINS = 15
# Shares of the faces that are answered
COVERAGES = tuple(step / 20 for step in range(1, 21))
# Draws of a calibrated model's error
CALIBRATED = 200
# Standard deviations to each side of a 95 % interval
NORMAL = 1.96


class Bin(TypedDict):
    """The ``n`` faces whose confidence is in one of ``BINS`` equal intervals: its mean, and the share that is right."""

    confidence: float
    accuracy: float
    n: int


class Reliability(TypedDict):
    """Expected calibration error, a share, with its 95 % interval, and the bins that have faces.

    The error is too large: a bin's accuracy misses its confidence by chance, too, and every miss adds to it. ``chance``
    is the mean error of a model with the same confidences that are right as often as they say. Resampling the images
    adds chance once more, so that percentiles of a bootstrap miss the true error nearly always. The interval is the
    normal one about the error less that bias (Efron & Tibshirani 1993, chapter 10), and begins at 0 where chance alone
    gives such an error; tests/evaluate simulate how often it covers the true error. What was measured before there were
    intervals lacks both.
    """

    ece: float
    bins: list[Bin]
    interval: NotRequired[list[float]]
    chance: NotRequired[float]


class Calibration(TypedDict):
    """Of ``n`` faces, before and after temperature scaling; ``coverage`` is the accuracy on the share of the faces, by
    its two digits, that the model is surest of after it. ``coverage_intervals`` are of 95 %, by a bootstrap over the
    images, that of all faces Wilson's; what was measured before there were intervals lacks them."""

    n: int
    temperature: float
    before: Reliability
    after: Reliability
    coverage: dict[str, float]
    coverage_intervals: NotRequired[dict[str, list[float]]]


class Agreement(TypedDict):
    """Whether an image and its mirror image get the same answer, as a sign of a sure one.

    Attributes:
        share: of the ``n`` faces that get the same answer.
        agreeing: accuracy of the two views' mean on them; ``differing`` on the others.
        surest: accuracy on as many faces, those of the highest confidence.
        gain: ``agreeing`` less ``surest``, with a 95 % interval by a bootstrap over the faces.
        unsure: confidence below which an answer is unsure.
        both: accuracy on the faces with the same answer and at least that confidence, and their ``both_share``.
        both_surest: accuracy on as many faces of the highest confidence.
        both_gain: ``both`` less ``both_surest``, with its interval.
    """

    n: int
    share: float
    agreeing: float
    differing: float
    surest: float
    gain: tuple[float, float, float]
    unsure: float
    both: float
    both_share: float
    both_surest: float
    both_gain: tuple[float, float, float]


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> Reliability:
    """Of probabilities ``(N, C)`` against labels ``(N,)``; a confidence on the border of two bins is in the upper."""
    confidence, right, index = _binned(probabilities, labels)
    bins: list[Bin] = [{"confidence": _round(confidence[index == number].mean()),
                        "accuracy": _round(right[index == number].mean()), "n": int((index == number).sum())}
                       for number in range(BINS) if (index == number).any()]
    error = _ece(confidence, right, index)
    drawn = resamples(lambda rows: _ece(confidence[rows], right[rows], index[rows]), len(labels))
    centre, half = 2 * error - drawn.mean(), NORMAL * drawn.std(ddof=1)
    rng = np.random.default_rng(0)
    chance = [_ece(confidence, rng.random(len(labels)) < confidence, index) for _ in range(CALIBRATED)]
    low = 0.0 if error <= np.quantile(chance, 0.975) else max(0.0, centre - half)
    return {"ece": _round(error), "bins": bins, "interval": [_round(low), _round(max(low, centre + half))],
            "chance": _round(np.mean(chance))}


def _ece(confidence: np.ndarray, right: np.ndarray, index: np.ndarray) -> float:
    """The mean over the faces of |accuracy - confidence| of their bin; arguments as ``_binned`` gives them."""
    return float(abs(np.bincount(index, right - confidence, BINS)).sum() / len(right))


def _binned(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(N,)`` each: the confidence, whether it is right, and the bin."""
    confidence = probabilities.max(axis=1)
    return confidence, probabilities.argmax(axis=1) == labels, np.minimum((confidence * BINS).astype(int), BINS - 1)


def selective(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """``(N,)``: the accuracy on the k faces of the highest confidence, for k from 1 to N."""
    return np.cumsum(right[np.argsort(-confidence, kind="stable")]) / np.arange(1, len(right) + 1)


def measure(probabilities: np.ndarray, labels: np.ndarray, scaled: Callable[[np.ndarray], np.ndarray],
            temperature: float) -> Calibration:
    """Of uncalibrated probabilities ``(N, C)``; ``scaled`` applies the temperature (``Bundle.calibrated``)."""
    after, n = scaled(probabilities), len(labels)
    confidence, right = after.max(axis=1), after.argmax(axis=1) == labels
    last = [max(1, round(share * n)) - 1 for share in COVERAGES]
    order = np.argsort(-confidence, kind="stable")

    def resampled(rows: np.ndarray) -> np.ndarray:
        """The accuracies of a resample: the faces in the order of their confidence, each as often as it was drawn."""
        drawn = np.repeat(right[order], np.bincount(rows, minlength=n)[order])
        return (np.cumsum(drawn) / np.arange(1, n + 1))[last]

    accuracies, (low, high) = selective(confidence, right)[last], bootstrap(resampled, n)
    whole = wilson(int(right.sum()), n)
    low[-1], high[-1] = whole.low, whole.high
    names = [f"{share:.2f}" for share in COVERAGES]
    return {"n": n, "temperature": temperature, "before": reliability(probabilities, labels),
            "after": reliability(after, labels), "coverage": dict(zip(names, map(_round, accuracies), strict=True)),
            "coverage_intervals": {name: [_round(one), _round(other)]
                                   for name, one, other in zip(names, low, high, strict=True)}}


def summary(measured: Calibration) -> str:
    """The errors and the accuracy at 80 and 90 % coverage for a person, in one line."""
    coverage = measured["coverage"]
    return (f"expected calibration error {measured['before']['ece']:.3f}, {measured['after']['ece']:.3f} after "
            f"temperature scaling; {100 * coverage['0.80']:.1f} % right on the surest 80 %, "
            f"{100 * coverage['0.90']:.1f} % on 90 %")


def agreement(single: np.ndarray, mirrored: np.ndarray, labels: np.ndarray, scaled: Callable[[np.ndarray], np.ndarray],
              unsure: float) -> Agreement:
    """Compare the two views' agreement with the confidence of their mean, at equal coverage.

    Args:
        single, mirrored: uncalibrated probabilities ``(N, C)`` of the faces and of their mirror images.
        scaled: applies the temperature.
        unsure: the confidence below which an answer counts as unsure anyway.
    """
    same = single.argmax(axis=1) == mirrored.argmax(axis=1)
    mean = scaled((single + mirrored) / 2)
    confidence, right = mean.max(axis=1), mean.argmax(axis=1) == labels
    both = same & (confidence >= unsure)
    gain, both_gain = (_gain(kept, confidence, right) for kept in (same, both))
    return {"n": len(labels), "share": _round(same.mean()), "agreeing": _mean(right[same]),
            "differing": _mean(right[~same]), "surest": _round(_mean(right[same]) - gain[0]), "gain": gain,
            "unsure": unsure, "both": _mean(right[both]), "both_share": _round(both.mean()),
            "both_surest": _round(_mean(right[both]) - both_gain[0]), "both_gain": both_gain}


def _gain(kept: np.ndarray, confidence: np.ndarray, right: np.ndarray) -> tuple[float, float, float]:
    """Accuracy on the faces that are ``kept`` less that on as many of the highest confidence, with its interval."""
    def gain(rows: np.ndarray) -> float:
        count = int(kept[rows].sum())
        surest = np.argpartition(-confidence[rows], max(count - 1, 0))[:count]
        return float(right[rows][kept[rows]].sum() - right[rows][surest].sum()) / max(count, 1)

    low, high = bootstrap(gain, len(right))
    return _round(gain(np.arange(len(right)))), _round(low), _round(high)


def _mean(right: np.ndarray) -> float:
    return _round(right.mean()) if len(right) else 0.0


def _round(value) -> float:
    return round(float(value), 6)
