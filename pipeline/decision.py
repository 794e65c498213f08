"""Is the challenger better than the champion beyond chance, and good enough in every class? Numbers in, verdict out."""

from dataclasses import dataclass

import numpy as np

from pipeline.params import Promote

RESAMPLES = 10_000


@dataclass(frozen=True)
class Decision:
    """The gain is in accuracy, the probability that of the gain exceeding the gate; both None without a champion."""

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
) -> Decision:
    """Hold a challenger against the champion by a paired bootstrap, and every class against the floor.

    Args:
        challenger: bool ``(N,)``, right or wrong on each image.
        champion: the same on the same images; None where there is no champion, then the floor decides alone.
        recalls: the challenger's recall per class.
        seed: of the bootstrap.
    """
    below = [f"recall of {name} is {recall:.3f}, the floor is {gates.min_class_recall:.3f}"
             for name, recall in recalls.items() if recall < gates.min_class_recall]
    if champion is None:
        return Decision(not below, None, None, tuple(below) or ("the first model, every class above the floor",))
    difference = challenger.astype(int) - champion.astype(int)
    n = len(difference)
    # Resampling n differences of -1, 0 and 1 with replacement is one multinomial draw of how many of each there are
    drawn = np.random.default_rng(seed).multinomial(n, [(difference == step).mean() for step in (-1, 0, 1)], RESAMPLES)
    gain = float(difference.mean())
    probability = float(((drawn[:, 2] - drawn[:, 0]) / n > gates.min_gain).mean())
    evidence = (f"gain {100 * gain:+.2f} points on PublicTest (n = {n}), more than {100 * gates.min_gain:.2f} with "
                f"probability {probability:.3f}")
    if gain <= gates.min_gain or probability < gates.confidence:
        return Decision(False, gain, probability, (f"{evidence}, asked is {gates.confidence:.3f}", *below))
    return Decision(not below, gain, probability, tuple(below) or (evidence,))
