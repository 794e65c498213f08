"""What is said about a face: where it is, whose it is over time, and its scores. NumPy alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np

# Scores are calibrated: a face whose strongest score is lower is more often read wrong than right
UNSURE = 0.5


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the frame: left, top, width, height; ``angle``: the head's roll, degrees clockwise."""

    x: int
    y: int
    width: int
    height: int
    angle: float = 0.0

    @property
    def area(self) -> int:
        return self.width * self.height

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2

    def mirrored(self, width: int) -> "Box":
        """The same in the mirror image of a frame of this width."""
        return Box(width - self.x - self.width, self.y, self.width, self.height, -self.angle)

    def overlap(self, other: "Box") -> float:
        """Intersection over union, 0 to 1."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        if width <= 0 or height <= 0:
            return 0.0
        return width * height / (self.area + other.area - width * height)


@dataclass(frozen=True)
class Face:
    """A face in a frame.

    Attributes:
        box: where it is.
        scores: calibrated probabilities ``(C,)``, smoothed over time where there is time.
        id: the same number for the same face from frame to frame, from 1 on; 0 where nothing is tracked.
        label: the place of the class that it is called, which changes later than the strongest score does (see
            ``tracks``); None: the strongest.
        unsure_below: the score of the label below which it is only a guess.
        held: just missed by the detector: the box and scores are those of a moment ago.
    """

    box: Box
    scores: np.ndarray
    id: int = 0
    label: int | None = None
    unsure_below: float = UNSURE
    held: bool = False

    @property
    def best(self) -> int:
        return int(self.scores.argmax()) if self.label is None else self.label

    @property
    def sure(self) -> bool:
        return float(self.scores[self.best]) >= self.unsure_below

    def says(self, classes: tuple[str, ...]) -> str:
        """The answer in words: ``happy``, or ``unsure: sad or fear``."""
        if self.sure:
            return classes[self.best]
        others = [int(place) for place in np.argsort(-self.scores, kind="stable") if place != self.best]
        return f"unsure: {classes[self.best]} or {classes[others[0]]}" if others else "unsure"

    def as_json(self, classes: tuple[str, ...]) -> dict[str, Any]:
        """The same as plain data, for files and for the web."""
        box = {"x": self.box.x, "y": self.box.y, "width": self.box.width, "height": self.box.height}
        scores = {name: round(float(score), 4) for name, score in zip(classes, self.scores, strict=True)}
        return {"id": self.id, "box": box, "emotion": classes[self.best], "sure": self.sure,
                "says": self.says(classes), "probabilities": scores}
