"""A frame's faces with their emotions: over time for one stream, or in a single picture."""

from collections.abc import Sequence

import numpy as np

from pipeline.demo.see.boxes import UNSURE, Box, Face
from pipeline.demo.see.classifier import Model, classify
from pipeline.demo.see.crop import to_gray
from pipeline.demo.see.detector import Detector
from pipeline.demo.see.tracks import Track, Tracks

# Seconds between two searches of the whole frame while faces are known; in between, only near those
EVERY = 0.2
# So many faces of a frame are classified; of more, those that waited longest
MOST = 8
# Boxes that overlap by more are the same face
SAME = 0.35


class Search:
    """Where one stream's faces are, frame by frame.

    Known faces are looked for near their last place, which takes a tenth of the time; the whole frame is searched every
    ``EVERY`` seconds, when a face is lost, and as long as there is none. Searches for upright and for tilted heads take
    turns: somebody new is found within ``2 * EVERY`` seconds, or in the second frame when nobody else is there.
    """

    def __init__(self, detector: Detector):
        self.detector = detector
        first, *others = detector.angles
        self._turns = [angle for other in others for angle in (first, other)] or [first]
        self._turn, self._whole = 0, float("-inf")
        self._boxes: list[Box] = []

    def find(self, frame: np.ndarray, seconds: float) -> list[Box]:
        """The boxes in a BGR frame at its time, the largest first."""
        near = self.detector.near(frame, self._boxes) if self._boxes else []
        found = [box for box in near if box is not None]
        lost = len(found) < len(near)
        if lost or not found or not self._whole <= seconds < self._whole + EVERY:
            angle = 0.0 if lost else self._turns[self._turn % len(self._turns)]
            self._turn += not lost
            self._whole = seconds
            found += self.detector.find(frame, angle)
        self._boxes = distinct(found)
        return self._boxes


class Watcher:
    """Sees one stream: ``see`` every frame in its order. One thread, one stream, one ``Watcher``.

    Scores are smoothed over time (see ``tracks`` for the latency); of each face the picture and its mirror image are
    classified in turn, so that the mean of both views, about two points more accurate, costs no more than one.
    """

    def __init__(self, detector: Detector, model: Model, unsure_below: float = UNSURE):
        self.model, self.unsure_below = model, unsure_below
        self._search, self._tracks = Search(detector), Tracks()

    def see(self, frame: np.ndarray, seconds: float) -> list[Face]:
        """The faces in a BGR frame at its time in seconds, the largest first."""
        return self.read(frame, self.find(frame, seconds), seconds)

    def find(self, frame: np.ndarray, seconds: float) -> list[Box]:
        """The first half of ``see``."""
        return self._search.find(frame, seconds)

    def read(self, frame: np.ndarray, boxes: Sequence[Box], seconds: float) -> list[Face]:
        """The second half of ``see``."""
        followed = list(zip(self._tracks.follow(boxes, seconds), boxes, strict=True))
        chosen = sorted(followed, key=lambda pair: pair[0].last_read)[:MOST]
        if chosen:
            gray = to_gray(frame)
            crops = np.stack([self._view(gray, track, box) for track, box in chosen])
            for (track, _), row in zip(chosen, classify(self.model, crops, flip=False), strict=True):
                track.read(row, seconds)
        return self._tracks.faces(self.unsure_below)

    def _view(self, gray: np.ndarray, track: Track, box: Box) -> np.ndarray:
        crop = self._search.detector.crop(gray, box)
        return crop[:, ::-1] if track.reads % 2 else crop


def look(frame: np.ndarray, detector: Detector, model: Model, unsure_below: float = UNSURE) -> list[Face]:
    """The faces of a single BGR picture, the largest first, numbered from 1: small and tilted ones too, both views."""
    boxes = everywhere(frame, detector)
    if not boxes:
        return []
    gray = to_gray(frame)
    scores = classify(model, np.stack([detector.crop(gray, box) for box in boxes]))
    return [Face(box, row, place, unsure_below=unsure_below)
            for place, (box, row) in enumerate(zip(boxes, scores, strict=True), 1)]


def everywhere(frame: np.ndarray, detector: Detector) -> list[Box]:
    """The boxes of a single picture: upright faces down to the smallest, tilted ones from a twentieth of its width."""
    first, *others = detector.angles
    found = detector.find(frame, first, fine=True)
    for angle in others:
        found += detector.find(frame, angle)
    return distinct(found)


def distinct(boxes: Sequence[Box]) -> list[Box]:
    """Without those that overlap another, of which the upright and then the first one stays; the largest first."""
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda box: abs(box.angle)):
        if all(box.overlap(other) <= SAME for other in kept):
            kept.append(box)
    return sorted(kept, key=lambda box: (-box.area, box.x, box.y))
