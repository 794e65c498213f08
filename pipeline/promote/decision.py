"""Whether a challenger is better than the champion beyond chance, and good enough in every class."""

from dataclasses import dataclass

import numpy as np

from pipeline.params.params import Promote

RESAMPLES = 10_000
# The most bytes that a model in git may have
MOST_BYTES = 4_000_000


@dataclass(frozen=True)
class Decision:
    """The gain in accuracy (a share), and the probability that it exceeds ``min_gain``; None without a champion."""

    promote: bool
    gain: float | None
    probability: float | None
    reasons: tuple[str, ...]


def decide(
    challenger: np.ndarray,
    champion: np.ndarray | None,
    recalls: dict[str, float],
    gates: Promote,
    seed: int,
    size: int | None = None,
    advice: str = "train a smaller network",
) -> Decision:
    """Compare a challenger with the champion by a paired bootstrap, and check its recall of every class and its size.

    Args:
        challenger: bool ``(N,)``, right or wrong on each image.
        champion: the same on the same images; None where there is no champion, then floor and size decide.
        recalls: the challenger's recall per class.
        seed: of the bootstrap.
        size: the challenger's bytes to serve, at most ``MOST_BYTES``; None where it is not kept in git.
        advice: what to do where that is too much.
    """
    flaws = [f"recall of {name} is {recall:.3f}, the floor is {gates.min_class_recall:.3f}"
             for name, recall in recalls.items() if recall < gates.min_class_recall]
    if size is not None and size > MOST_BYTES:
        flaws.append(f"{size / 1e6:.1f} MB to serve, at most {MOST_BYTES / 1e6:.1f} MB are kept in git: "
                     f"{advice}")
    if champion is None:
        return Decision(not flaws, None, None, tuple(flaws) or ("the first model, every class above the floor",))
    difference = challenger.astype(int) - champion.astype(int)
    n = len(difference)
    # Resampling n differences of -1, 0 and 1 with replacement is one multinomial draw of how many of each there are
    drawn = np.random.default_rng(seed).multinomial(n, [(difference == step).mean() for step in (-1, 0, 1)], RESAMPLES)
    gain = float(difference.mean())
    probability = float(((drawn[:, 2] - drawn[:, 0]) / n > gates.min_gain).mean())
    evidence = (f"gain {100 * gain:+.2f} points on PublicTest (n = {n}), more than {100 * gates.min_gain:.2f} with "
                f"probability {probability:.3f}")
    if gain <= gates.min_gain or probability < gates.confidence:
        return Decision(False, gain, probability, (f"{evidence}, expected at least {gates.confidence:.3f}", *flaws))
    return Decision(not flaws, gain, probability, tuple(flaws) or (evidence,))
