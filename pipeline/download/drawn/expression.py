"""The seven expressions as numbers: what the muscles do to brows, lids, nose and mouth."""

from dataclasses import astuple, dataclass

import numpy as np


@dataclass(frozen=True)
class Expression:
    """Ten movements; 0 is at rest, 1 is full, and some go below 0.

    The choice follows the action units of Ekman and Friesen's Facial Action Coding System.
    """

    brow_inner: float = 0.0  # the inner ends up (AU 1), down when negative (AU 4)
    brow_outer: float = 0.0  # the outer ends up (AU 2)
    brow_squeeze: float = 0.0  # together, with furrows between (AU 4)
    lid_upper: float = 0.0  # wide open (AU 5), drooping when negative (AU 43)
    lid_lower: float = 0.0  # tightened, pushed up (AU 6 and 7)
    nose_wrinkle: float = 0.0  # AU 9
    lip_raise: float = 0.0  # the upper lip up (AU 10)
    mouth_curve: float = 0.0  # corners up (AU 12), down when negative (AU 15)
    mouth_open: float = 0.0  # AU 25 to 27
    mouth_width: float = 0.0  # stretched (AU 20), pursed when negative

    def vector(self) -> np.ndarray:
        """The ten numbers, in their order above."""
        return np.array(astuple(self))

    def blend(self, other: "Expression", share: float) -> "Expression":
        """The expression on the way from this one (share 0) to the other (share 1)."""
        return Expression(*((1 - share) * self.vector() + share * other.vector()).tolist())


FULL: dict[str, Expression] = {
    "angry": Expression(-1.35, -0.1, 1.0, -0.1, 0.5, 0.25, 0.15, -0.7, 0.0, -0.1),
    "disgust": Expression(-0.7, -0.3, 0.55, -0.3, 0.75, 1.0, 1.0, -0.55, 0.1, -0.05),
    "fear": Expression(1.0, 0.4, 0.7, 1.0, 0.0, 0.0, 0.1, -0.4, 0.55, 0.5),
    "happy": Expression(0.15, 0.2, 0.0, -0.05, 0.55, 0.1, 0.2, 1.0, 0.35, 0.5),
    "sad": Expression(0.75, -0.55, 0.4, -0.9, 0.3, 0.0, 0.0, -1.0, 0.0, -0.1),
    "surprise": Expression(1.0, 1.0, 0.0, 1.0, -0.1, 0.0, 0.0, -0.1, 1.0, -0.85),
    "neutral": Expression(),
}
