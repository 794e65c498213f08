"""Whether a challenger is better than the champion beyond chance, and good enough in every class.

There are two ways to be better: on faces as they are without losing on corrupted ones, or on corrupted faces without
losing on those as they are.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.params.params import Promote

RESAMPLES = 10_000
# The most bytes that a model in git may have
MOST_BYTES = 4_000_000


@dataclass(frozen=True)
class Answers:
    """What a model got right: bool ``(N,)`` on N images as they are, and bool ``(K, N)`` on the same images under each
    of K corruptions; None where that was not measured."""

    clean: np.ndarray
    corrupted: np.ndarray | None = None


@dataclass(frozen=True)
class Gain:
    """How much more accurate the challenger is (a share), and the probability that this exceeds the gate."""

    gain: float
    probability: float


@dataclass(frozen=True)
class Decision:
    """The verdict; the gains are None without a champion, ``corrupted`` also where that was not measured."""

    promote: bool
    clean: Gain | None
    corrupted: Gain | None
    reasons: tuple[str, ...]


def decide(
    challenger: Answers,
    champion: Answers | None,
    recalls: dict[str, float],
    gates: Promote,
    seed: int,
    size: int | None = None,
    advice: str = "train a smaller network",
    challengers: int | None = None,
    challengers_corrupted: int | None = None,
) -> Decision:
    """Compare a challenger with the champion by paired bootstraps, and check its recall of every class and its size.

    Args:
        champion: on the same images; None where there is no champion, then floor and size decide.
        recalls: the challenger's recall per class.
        seed: of the bootstrap.
        size: the challenger's bytes to serve, at most ``MOST_BYTES``; None where it is not kept in git.
        advice: what to do where that is too much.
        challengers: how many models were compared with a champion on these images, this one included, which the
            evidence says; None where that is not known.
        challengers_corrupted: how many of them on corrupted faces too.
    """
    flaws = [f"recall of {name} is {recall:.3f}, the floor is {gates.min_class_recall:.3f}"
             for name, recall in recalls.items() if recall < gates.min_class_recall]
    if size is not None and size > MOST_BYTES:
        flaws.append(f"{size / 1e6:.1f} MB to serve, at most {MOST_BYTES / 1e6:.1f} MB are kept in git: "
                     f"{advice}")
    if champion is None:
        return Decision(not flaws, None, None, tuple(flaws) or ("the first model, every class above the floor",))
    clean = paired(challenger.clean[None], champion.clean[None], gates.min_gain, seed)
    better = passes(clean, gates.min_gain, gates.confidence)
    evidence = (f"gain {100 * clean.gain:+.2f} points on PublicTest (n = {len(challenger.clean)}), more than "
                f"{100 * gates.min_gain:.2f} with probability {clean.probability:.3f}"
                + _among(challengers, "PublicTest", gates.confidence if better else None))
    expected = "" if better else f", expected at least {gates.confidence:.3f}"
    if challenger.corrupted is None or champion.corrupted is None:
        reasons = (evidence + expected, *flaws) if expected else tuple(flaws) or (evidence,)
        return Decision(better and not flaws, clean, None, reasons)
    corrupted = paired(challenger.corrupted, champion.corrupted, 0.0, seed)
    robuster = passes(corrupted, 0.0, gates.corrupted_confidence)
    more = (f"gain {100 * corrupted.gain:+.2f} points on corrupted faces, more than 0.00 with probability "
            f"{corrupted.probability:.3f}"
            + _among(challengers_corrupted, "PublicTest's corrupted faces",
                     gates.corrupted_confidence if robuster else None))
    lost = f", at most {100 * gates.max_loss:.2f} may be lost for it"
    if (better and corrupted.gain >= -gates.max_loss) or (robuster and clean.gain >= -gates.max_loss):
        return Decision(not flaws, clean, corrupted, tuple(flaws) or (evidence, more))
    if better:
        more += lost
    elif robuster:
        evidence += lost
    else:
        evidence, more = evidence + expected, f"{more}, expected at least {gates.corrupted_confidence:.3f}"
    return Decision(False, clean, corrupted, (evidence, more, *flaws))


def passes(gain: Gain, least: float, confidence: float) -> bool:
    """Whether a gain passes a gate: it exceeds ``least``, and does so with at least this probability."""
    return gain.gain > least and gain.probability >= confidence


def luck(challengers: int, confidence: float) -> float:
    """The probability that the best of several challengers passes a gate of this confidence, all of them and the
    champion being equally good, their errors independent.

    One passes with 1 - ``confidence``. Against the same champion their gains correlate with 1/2: each is the difference
    of the challenger's luck and the champion's.
    """
    from scipy.stats import norm

    champion, weights = np.polynomial.hermite_e.hermegauss(80)
    none = norm.cdf(2**0.5 * norm.ppf(confidence) + champion) ** challengers
    return float(1 - weights @ none / weights.sum())


def _among(challengers: int | None, faces: str, passed: float | None) -> str:
    """How many have challenged on these faces, and how easily the best of as many passes by luck, where this one
    ``passed`` a gate of that confidence; empty where the number is not known."""
    if challengers is None:
        return ""
    if challengers < 2:
        return f" (the first challenger on {faces})"
    chance = "" if passed is None else (f": of as many equal ones the best would pass this gate by luck in "
                                        f"{100 * luck(challengers, passed):.0f} %")
    return f" ({challengers} challengers so far on {faces}{chance})"


def paired(challenger: np.ndarray, champion: np.ndarray, gate: float, seed: int, resamples: int = RESAMPLES) -> Gain:
    """The gain in mean accuracy over K views of N images, bool ``(K, N)`` each, by a bootstrap over the images."""
    views, images = challenger.shape
    # Of an image: how many more of its views the challenger gets right. Drawing N of these values with replacement is
    # one multinomial draw of how many of each there are
    values, counts = np.unique(challenger.sum(axis=0, dtype=int) - champion.sum(axis=0, dtype=int), return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(images, counts / images, resamples)
    gain = float((values * counts).sum() / (images * views))
    return Gain(gain, float((drawn @ values / (images * views) > gate).mean()))
