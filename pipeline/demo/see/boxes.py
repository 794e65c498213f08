"""A face in a frame: its box, its track and its scores. Needs NumPy alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Scores are calibrated, so a face whose highest score is below one half is more often misclassified than not
UNSURE = 0.5


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the frame; it may reach beyond the frame's edges.

    Attributes:
        x, y: the left and upper edge.
        angle: the head's roll in degrees, clockwise as one looks at the picture; the rectangle itself is not rotated.
    """

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
        """The box in the mirror image of a frame that is ``width`` pixels wide."""
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
        scores: calibrated probabilities ``(C,)``, in a stream smoothed over time.
        id: the number of the track, from 1 on, equal for the same face in every frame; 0 without tracking.
        label: index of the class that is shown. In a stream it changes later than the highest score does (see
            ``tracks``). None: the class with the highest score.
        unsure_below: the face counts as unsure when the score of its label is below this.
        held: the detector missed it in this frame; box and scores are those of the last frame with it.
    """

    box: Box
    scores: np.ndarray
    id: int = 0
    label: int | None = None
    unsure_below: float = UNSURE
    held: bool = False

    @property
    def best(self) -> int:
        """Index of the class that is shown."""
        return int(self.scores.argmax()) if self.label is None else self.label

    @property
    def sure(self) -> bool:
        return float(self.scores[self.best]) >= self.unsure_below

    def says(self, classes: tuple[str, ...]) -> str:
        """The result in words: ``happy``, or ``unsure: sad or fear`` with the two most probable classes."""
        if self.sure:
            return classes[self.best]
        others = [int(index) for index in np.argsort(-self.scores, kind="stable") if index != self.best]
        return f"unsure: {classes[self.best]} or {classes[others[0]]}" if others else "unsure"

    def as_json(self, classes: tuple[str, ...]) -> dict[str, Any]:
        """The face as plain data for JSON; ``pipeline.demo.web.answers.Face`` describes it."""
        box = {"x": self.box.x, "y": self.box.y, "width": self.box.width, "height": self.box.height}
        scores = {name: round(float(score), 4) for name, score in zip(classes, self.scores, strict=True)}
        return {"id": self.id, "box": box, "roll": self.box.angle, "emotion": classes[self.best], "sure": self.sure,
                "says": self.says(classes), "probabilities": scores}


def numbered(boxes: Sequence[Box], scores: np.ndarray, unsure_below: float) -> list[Face]:
    """The faces of a single picture, numbered from 1, from their boxes and scores ``(N, C)``."""
    return [Face(box, row, number, unsure_below=unsure_below)
            for number, (box, row) in enumerate(zip(boxes, scores, strict=True), 1)]
