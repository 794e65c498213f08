"""The faces of a frame with their emotions: ``Watcher`` for the frames of a stream, ``look`` for a single picture."""

from collections.abc import Sequence

import numpy as np

from pipeline.demo.see.boxes import UNSURE, Box, Face, numbered
from pipeline.demo.see.classifier import Model, classify
from pipeline.demo.see.crop import to_gray
from pipeline.demo.see.detector import Detector
from pipeline.demo.see.tracks import Track, Tracks

# Seconds between two searches of the whole frame; in between, the detector looks only near known faces
EVERY = 0.2
# Faces that are classified per frame; of more, those whose last classification is the longest ago
MOST = 8
# Boxes with a larger intersection over union are the same face
SAME = 0.35


class Search:
    """Detects the faces of one stream, frame by frame, in a fraction of the time of a full search.

    Known faces are looked for near their last position, which takes a tenth of the time. The whole frame is searched
    every ``EVERY`` seconds, when a face was lost, and as long as there is none. These searches alternate between
    upright heads and one direction of tilted heads, so that an upright face that appears is found within ``2 * EVERY``
    seconds, or in the second frame when no other face is known.
    """

    def __init__(self, detector: Detector):
        self.detector = detector
        first, *others = detector.angles
        # The angles of successive full searches: 0, -30, 0, 30 for Haar
        self._turns = [angle for other in others for angle in (first, other)] or [first]
        # How many there were, and the time of the last one
        self._turn, self._searched = 0, float("-inf")
        self._boxes: list[Box] = []

    def find(self, frame: np.ndarray, seconds: float) -> list[Box]:
        """The boxes in a BGR frame at its time, the largest first."""
        near = self.detector.near(frame, self._boxes) if self._boxes else []
        boxes = [box for box in near if box is not None]
        lost = len(boxes) < len(near)
        # Also when the clock goes backwards, as with a new camera
        if lost or not boxes or not self._searched <= seconds < self._searched + EVERY:
            # A lost face is most likely upright, and such an extra search does not count as a turn
            angle = 0.0 if lost else self._turns[self._turn % len(self._turns)]
            self._turn += not lost
            self._searched = seconds
            boxes += self.detector.find(frame, angle)
        self._boxes = distinct(boxes)
        return self._boxes


class Watcher:
    """Detects, tracks and classifies the faces of one stream: call ``see`` with its frames in order, from one thread.

    Scores are smoothed over time (``tracks.LATENCY``). Of each face, one frame classifies the crop and the next one its
    mirror image: smoothing averages both views at the cost of one. For most recipes that average is half a point to one
    and a half more accurate, for the champion there is no difference.
    """

    def __init__(self, detector: Detector, model: Model, unsure_below: float = UNSURE):
        self.model, self.unsure_below = model, unsure_below
        self._search, self._tracks = Search(detector), Tracks()

    def see(self, frame: np.ndarray, seconds: float) -> list[Face]:
        """The faces of a BGR frame at its time in seconds, the largest first."""
        return self.read(frame, self.find(frame, seconds), seconds)

    def find(self, frame: np.ndarray, seconds: float) -> list[Box]:
        """The first half of ``see``: the boxes, the largest first."""
        return self._search.find(frame, seconds)

    def read(self, frame: np.ndarray, boxes: Sequence[Box], seconds: float) -> list[Face]:
        """The second half of ``see``: track the boxes and classify their crops."""
        tracked = list(zip(self._tracks.follow(boxes, seconds), boxes, strict=True))
        chosen = sorted(tracked, key=lambda pair: pair[0].last_read)[:MOST]
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
    """The faces of a single BGR picture, the largest first, numbered from 1.

    Slower than ``Watcher``: it also finds small and tilted faces, and averages both views of each.
    """
    boxes = everywhere(frame, detector)
    if not boxes:
        return []
    gray = to_gray(frame)
    scores = classify(model, np.stack([detector.crop(gray, box) for box in boxes]))
    return numbered(boxes, scores, unsure_below)


def everywhere(frame: np.ndarray, detector: Detector) -> list[Box]:
    """The boxes of a single BGR picture: upright faces of any size, tilted ones from a twentieth of its width on."""
    first, *others = detector.angles
    boxes = detector.find(frame, first, fine=True)
    for angle in others:
        boxes += detector.find(frame, angle)
    return distinct(boxes)


def distinct(boxes: Sequence[Box]) -> list[Box]:
    """The boxes without duplicates of the same face, the largest first.

    Of boxes that overlap, the most upright one stays; of equally upright ones, the first.
    """
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda box: abs(box.angle)):
        if all(box.overlap(other) <= SAME for other in kept):
            kept.append(box)
    return sorted(kept, key=lambda box: (-box.area, box.x, box.y))
