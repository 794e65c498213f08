"""The faces of a frame with their emotions: ``Watcher`` for the frames of a stream, ``look`` for a single picture."""

from collections.abc import Sequence

import numpy as np

from pipeline.demo.see.boxes import UNSURE, Box, Face, numbered
from pipeline.demo.see.classifier import Model, classify
from pipeline.demo.see.crop import crops, middle
from pipeline.demo.see.detector import QUARTERS, Detector
from pipeline.demo.see.tracks import Tracks

# Seconds between two searches for a face that is turned by a quarter, while there is none
EVERY = 0.2
# Faces that are classified per frame; of more, those whose last classification is the longest ago
MOST = 8


class Search:
    """Detects the faces of one stream, frame by frame.

    While there is none, it also looks for turned heads: every ``EVERY`` seconds in the next of three directions.
    """

    def __init__(self, detector: Detector):
        self._detector = detector
        self._turn, self._searched = 0, float("-inf")
        self._boxes: list[Box] = []

    def find(self, frame: np.ndarray, seconds: float) -> list[Box]:
        """The boxes in a BGR frame at its time, the largest first."""
        quarter = None
        # Also when the clock goes backwards, as with a new camera
        if not self._boxes and not self._searched <= seconds < self._searched + EVERY:
            quarter, self._searched = self._turn % len(QUARTERS), seconds
            self._turn += 1
        self._boxes = self._detector.follow(frame, self._boxes, quarter)
        return self._boxes


class Watcher:
    """Detects, tracks and classifies the faces of one stream: call ``see`` with its frames in order, from one thread.

    Scores are smoothed over time (``tracks.LATENCY``). Of each face, one frame classifies the crop and the next one its
    mirror image: smoothing averages both views at the cost of one. What that average gains is in reports/results.md:
    by recipe from nothing to a point and a half, for the champion nothing.
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
            views = crops(frame, [box for _, box in chosen], self.model.crop_margin)
            for index, (track, _) in enumerate(chosen):
                if track.reads % 2:
                    views[index] = views[index, :, ::-1]
            for (track, _), row in zip(chosen, classify(self.model, views, flip=False), strict=True):
                track.read(row, seconds)
        return self._tracks.faces(self.unsure_below)


def look(frame: np.ndarray, detector: Detector, model: Model, unsure_below: float = UNSURE) -> list[Face]:
    """The faces of a single BGR picture, the largest first, numbered from 1.

    Slower than ``Watcher``: it also finds small and tilted faces, and averages both views of each.
    """
    boxes = detector.find(frame)
    scores = classify(model, crops(frame, boxes, model.crop_margin))
    return numbered(boxes, scores, unsure_below)


def look_at_face(frame: np.ndarray, model: Model, unsure_below: float = UNSURE) -> list[Face]:
    """The one face that a picture is already, as FER-2013's are: its largest square in the middle is classified."""
    boxes = [middle(frame)]
    return numbered(boxes, classify(model, crops(frame, boxes, 1.0)), unsure_below)
