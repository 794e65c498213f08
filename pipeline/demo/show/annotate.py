"""What the demo does with each frame: detect, draw, count."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from pipeline.demo.see.boxes import Face
from pipeline.demo.show.explainer import Explainer
from pipeline.demo.show.view import draw

# The main face stays the main one until another has this many times its area
NEARLY = 1.5
# Detects and classifies the faces of a BGR frame at its time in seconds: ``Watcher.see``, or ``look`` for pictures
See = Callable[[np.ndarray, float], list[Face]]


@dataclass(frozen=True)
class Annotated:
    """A drawn frame (uint8 BGR), the faces in it (the main one first) and its time in the source, in seconds."""

    picture: np.ndarray
    faces: list[Face]
    seconds: float

    @property
    def quality(self) -> float:
        """The main face's highest score, by which the best frame is chosen; 0 without a face."""
        return float(self.faces[0].scores.max()) if self.faces else 0.0


@dataclass
class Tally:
    """Counts frames, faces and emotions, and measures the frame rate."""

    frames: int = 0
    with_faces: int = 0
    emotions: Counter = field(default_factory=Counter)
    start: float | None = None
    # Exponential moving average of the seconds between two frames
    between: float | None = None
    _last: float = 0.0

    def add(self, faces: list[Face], classes: tuple[str, ...]) -> None:
        """Count a frame that is finished now; faces that the detector missed (``held``) do not count."""
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
        """Recent frames a second; None before the second frame."""
        return 1 / self.between if self.between else None

    def summary(self) -> str:
        """One line for the end of a run, the most frequent emotion first."""
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
    """The faces with the main one first: the largest, or the previous main face (by its id) if nearly as large.

    Otherwise the panel would alternate between two people at the same distance.
    """
    same = next((face for face in faces if face.id == previous), None)
    if same is None or same.box.area * NEARLY < max(face.box.area for face in faces):
        return faces
    return [same, *(face for face in faces if face is not same)]


class Annotator:
    """Annotates the frames of a source in their order.

    Args:
        about: lines about the model for the panel.
        explainer: makes the maps over the main face.

    Attributes:
        see: detects and classifies the faces; replace it together with the source.
        mirror: whether frames are shown mirrored, as a person expects of a webcam; may change at any time.
        explaining: whether a map of what the answer rests on is painted over the main face; may change at any time.
    """

    def __init__(self, see: See, classes: tuple[str, ...], tally: Tally, *, about: tuple[str, ...] = (),
                 mirror: bool = False, show_fps: bool = False, explainer: Explainer | None = None):
        self.see, self.mirror, self.tally = see, mirror, tally
        self.explaining, self._explainer = False, explainer
        self._classes, self._about, self._show_fps = classes, about, show_fps
        self._main: int | None = None
        self._last: tuple[np.ndarray, list[Face], float] | None = None

    def add(self, frame: np.ndarray, seconds: float, note: str | None = None) -> Annotated:
        """Detect the faces of a BGR frame and draw them; ``note`` is a line of text on the picture."""
        faces = main_first(self.see(frame, seconds), self._main)
        self._main = faces[0].id if faces else self._main
        self.tally.add(faces, self._classes)
        self._last = frame, faces, seconds
        return self._drawn(frame, faces, seconds, note)

    def again(self, note: str | None) -> Annotated | None:
        """The last frame, drawn with another note and mirrored as ``mirror`` is now; None before the first one."""
        return self._drawn(*self._last, note) if self._last is not None else None

    def _drawn(self, frame: np.ndarray, faces: list[Face], seconds: float, note: str | None) -> Annotated:
        if self.explaining and self._explainer is not None and faces:
            frame, words = self._explainer.painted(frame, faces[0])
            note = f"{words}\n{note}" if note else words
        if self.mirror:
            # After tracking, so that tracks do not jump when the person switches it
            frame, faces = cv2.flip(frame, 1), [replace(face, box=face.box.mirrored(frame.shape[1])) for face in faces]
        fps = self.tally.fps if self._show_fps else None
        return Annotated(draw(frame, faces, self._classes, about=self._about, fps=fps, note=note), faces, seconds)
