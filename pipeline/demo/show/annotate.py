"""The demo's work on each frame, and what it adds up to."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from pipeline.demo.see.boxes import Face
from pipeline.demo.show.view import draw

# The main face stays the main one until another has so many times its area
NEARLY = 1.5
# What finds and reads the faces of a BGR frame at its time in seconds: ``Watcher.see``, or ``look`` for single pictures
See = Callable[[np.ndarray, float], list[Face]]


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
        faces = [face for face in faces if not face.held]
        self.frames += 1
        self.with_faces += bool(faces)
        self.emotions.update(classes[face.best] if face.sure else "unsure" for face in faces)

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


def main_first(faces: list[Face], previous: int | None) -> list[Face]:
    """The faces with the main one first: the largest, or the one that was it before while it is nearly as large.

    Otherwise the panel would flicker between two people at the same distance.
    """
    same = next((face for face in faces if face.id == previous), None)
    if same is None or same.box.area * NEARLY < max(face.box.area for face in faces):
        return faces
    return [same, *(face for face in faces if face is not same)]


class Annotator:
    """Draws one frame after the other.

    Attributes:
        mirror: show the frames mirrored, as a person expects of a webcam; may change at any time.
        see: what finds the faces; another one with another source.
    """

    def __init__(self, see: See, classes: tuple[str, ...], tally: Tally, *, about: tuple[str, ...] = (),
                 mirror: bool = False, show_fps: bool = False):
        self.see, self.mirror, self.tally = see, mirror, tally
        self._classes, self._about, self._show_fps = classes, about, show_fps
        self._main: int | None = None
        self._last: tuple[np.ndarray, list[Face], float] | None = None

    def add(self, frame: np.ndarray, seconds: float, note: str | None = None) -> Annotated:
        """A BGR frame at its time, drawn; ``note`` is a line for the person on the picture."""
        faces = main_first(self.see(frame, seconds), self._main)
        if self.mirror:
            # Only now, so that a face stays where it is when the person changes it
            frame, faces = cv2.flip(frame, 1), [replace(face, box=face.box.mirrored(frame.shape[1])) for face in faces]
        self._main = faces[0].id if faces else self._main
        self.tally.add(faces, self._classes)
        self._last = frame, faces, seconds
        return self._drawn(frame, faces, seconds, note)

    def again(self, note: str | None) -> Annotated | None:
        """The last frame once more, with another note; None before the first one."""
        return self._drawn(*self._last, note) if self._last is not None else None

    def _drawn(self, frame: np.ndarray, faces: list[Face], seconds: float, note: str | None) -> Annotated:
        fps = self.tally.fps if self._show_fps else None
        return Annotated(draw(frame, faces, self._classes, about=self._about, fps=fps, note=note), faces, seconds)
