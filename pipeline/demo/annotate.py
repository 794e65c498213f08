"""The demo's work on each frame, and what it adds up to."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from pipeline.demo.boxes import Box, Face
from pipeline.demo.classifier import Model, classify
from pipeline.demo.detector import Detector, to_gray
from pipeline.demo.view import draw

# The main face stays the main one until another has so many times its area
NEARLY = 1.5


@dataclass(frozen=True)
class Annotated:
    """A drawn frame, the faces in it and the time (seconds) at which the source shows it."""

    picture: np.ndarray
    faces: list[Face]
    seconds: float

    @property
    def quality(self) -> float:
        """How good an example it is: the main face's highest score, 0 without a face."""
        return float(self.faces[0].scores.max()) if self.faces else 0.0


@dataclass
class Tally:
    """Counts frames, faces and emotions, and the time since the first frame."""

    frames: int = 0
    with_faces: int = 0
    emotions: Counter = field(default_factory=Counter)
    start: float | None = None
    # A running mean of the seconds between two frames
    between: float | None = None
    _last: float = 0.0

    def add(self, faces: list[Face], classes: tuple[str, ...]) -> None:
        now = time.perf_counter()
        if self.start is None:
            self.start = now
        else:
            step = now - self._last
            self.between = step if self.between is None else 0.9 * self.between + 0.1 * step
        self._last = now
        self.frames += 1
        self.with_faces += bool(faces)
        self.emotions.update(classes[face.best] for face in faces)

    @property
    def fps(self) -> float | None:
        """Frames a second of late; None before the second frame."""
        return 1 / self.between if self.between else None

    def summary(self) -> str:
        """One line for the end, the commonest emotion first."""
        faces = self.emotions.total()
        rate = ""
        if self.frames > 1 and self.start is not None:
            rate = f", {(self.frames - 1) / max(self._last - self.start, 1e-9):.1f} a second"
        frames = f"{self.frames} frame{'s' * (self.frames != 1)}{rate}"
        if not faces:
            return f"{frames}; no face in any of them"
        shares = ", ".join(f"{name} {count / faces:.0%}" for name, count in self.emotions.most_common())
        return f"{frames}; a face in {self.with_faces}; {faces} face{'s' * (faces != 1)}: {shares}"


def find_faces(frame: np.ndarray, detector: Detector, model: Model) -> list[Face]:
    """The faces of a BGR frame with their scores, the largest first."""
    boxes = detector.find(frame)
    if not boxes:
        return []
    gray = to_gray(frame)
    scores = classify(model, np.stack([detector.crop(gray, box) for box in boxes]))
    return [Face(box, row) for box, row in zip(boxes, scores, strict=True)]


def main_first(faces: list[Face], previous: Box | None) -> list[Face]:
    """The faces with the main one first: the largest, or the one that was it before while it is nearly as large.

    Otherwise the panel would flicker between two people at the same distance.
    """
    if previous is None or len(faces) < 2:
        return faces

    def distance(face: Face) -> float:
        box = face.box
        return np.hypot(box.x + box.width / 2 - previous.x - previous.width / 2,
                        box.y + box.height / 2 - previous.y - previous.height / 2)

    same = min(faces, key=distance)
    largest = max(face.box.area for face in faces)
    if distance(same) > previous.width or same.box.area * NEARLY < largest:
        return faces
    return [same, *(face for face in faces if face is not same)]


def annotate(
    frames: Iterable[tuple[np.ndarray, float]],
    detector: Detector,
    model: Model,
    tally: Tally,
    *,
    about: tuple[str, ...] = (),
    mirror: bool = False,
    show_fps: bool = False,
) -> Iterator[Annotated]:
    """Every BGR frame with its time, drawn; ``tally`` counts along."""
    previous: Box | None = None
    for frame, seconds in frames:
        if mirror:
            frame = np.ascontiguousarray(frame[:, ::-1])
        faces = main_first(find_faces(frame, detector, model), previous)
        previous = faces[0].box if faces else previous
        tally.add(faces, model.classes)
        picture = draw(frame, faces, model.classes, about=about, fps=tally.fps if show_fps else None)
        yield Annotated(picture, faces, seconds)
