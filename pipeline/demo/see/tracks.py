"""Tracking: the same face keeps its number from frame to frame, and its label does not flicker. Needs NumPy alone.

One ``Tracks`` belongs to one stream. Its clock is the time of the frames, not that of the computer, so a file gives the
same result at any speed of processing.

Scores and boxes are smoothed exponentially with a half-life in seconds rather than a weight per frame: after ``t``
seconds the old value counts ``0.5 ** (t / half_life)``, so smoothing is equal at 10 and at 60 frames a second.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.demo.see.boxes import UNSURE, Box, Face

# Scores: half-life of the old value in seconds
HALF_LIFE = 0.2
# The label changes when another class leads by this much, since two equally probable classes would alternate otherwise
LEAD = 0.1
# Seconds from a sudden, complete change of the scores (old class 1 -> 0, new class 0 -> 1) to the change of the label.
# After t seconds the old class has h = 0.5 ** (t / HALF_LIFE) and the new one 1 - h; solve (1 - h) - h = LEAD for t
LATENCY = HALF_LIFE * float(np.log2(2 / (1 - LEAD)))
# Boxes: half-life in seconds, short because faces move, but enough to calm boxes that jitter by a few pixels
BOX_HALF_LIFE = 0.04
# Seconds for which a face that the detector misses is kept where it was
HOLD = 0.25
# The same face: its centre moves by less than MOVE of its width from frame to frame, its width changes by less than
# the factor GROW
MOVE, GROW = 0.7, 1.7


class Track:
    """One face over time.

    Attributes:
        seen: time of the last frame in which it was detected, in seconds.
        times: number of frames in which it was detected.
        reads: number of times it was classified, ``last_read`` the time of the last one.
        scores: smoothed probabilities ``(C,)``; None before the first ``read``.
        label: index of the class that is shown.
    """

    def __init__(self, number: int, box: Box, seconds: float):
        self.id, self.seen, self.times = number, seconds, 1
        self.reads, self.last_read = 0, float("-inf")
        self.scores: np.ndarray | None = None
        self.label = 0
        self._rectangle = np.array([box.x, box.y, box.width, box.height], "float64")
        self._angle = box.angle

    @property
    def box(self) -> Box:
        x, y, width, height = (round(value) for value in self._rectangle.tolist())
        return Box(x, y, width, height, self._angle)

    def move(self, box: Box, seconds: float) -> None:
        """Add a detection of the face."""
        new = np.array([box.x, box.y, box.width, box.height], "float64")
        self._rectangle += _weight(seconds - self.seen, BOX_HALF_LIFE) * (new - self._rectangle)
        self._angle, self.seen, self.times = box.angle, seconds, self.times + 1

    def read(self, scores: np.ndarray, seconds: float) -> None:
        """Add a classification: probabilities ``(C,)``. Frames may be left out, as the weight depends on time."""
        scores = np.asarray(scores, "float32")
        if self.scores is None:
            self.scores, self.label = scores, int(scores.argmax())
        else:
            weight = _weight(seconds - self.last_read, HALF_LIFE)
            self.scores = ((1 - weight) * self.scores + weight * scores).astype("float32")
        best = int(self.scores.argmax())
        if self.scores[best] - self.scores[self.label] >= LEAD:
            self.label = best
        self.reads, self.last_read = self.reads + 1, seconds

    def face(self, now: float, unsure_below: float = UNSURE) -> Face:
        """The face at this time in seconds. Only after the first ``read``."""
        assert self.scores is not None
        return Face(self.box, self.scores, self.id, self.label, unsure_below, held=self.seen < now)


class Tracks:
    """The faces of one stream.

    A track continues with the nearest box of about its size. A face that was detected at least twice is kept for
    ``HOLD`` seconds where it was when the detector misses it; a face that appears later gets a new number.
    """

    def __init__(self) -> None:
        self._tracks: list[Track] = []
        self._count = 0
        self._now = float("-inf")

    def follow(self, boxes: Sequence[Box], seconds: float) -> list[Track]:
        """The track of every box, in the boxes' order. ``seconds``: the frame's time, never less than before."""
        # Tracks of the previous frame are candidates even when it is longer ago than HOLD, as at one frame a second
        oldest = min(seconds - HOLD, self._now)
        self._tracks = [track for track in self._tracks if track.seen >= oldest]
        self._now = seconds
        # Greedy matching: the closest pair of track and box first, each in one pair at most
        pairs = [(distance, box_index, track_index) for track_index, track in enumerate(self._tracks)
                 for box_index, box in enumerate(boxes) if (distance := _distance(track.box, box)) is not None]
        matches: dict[int, Track] = {}
        matched_tracks: set[int] = set()
        for _, box_index, track_index in sorted(pairs):
            if box_index not in matches and track_index not in matched_tracks:
                matches[box_index] = self._tracks[track_index]
                matched_tracks.add(track_index)
        for box_index, box in enumerate(boxes):
            if box_index in matches:
                matches[box_index].move(box, seconds)
            else:
                self._count += 1
                matches[box_index] = Track(self._count, box, seconds)
                self._tracks.append(matches[box_index])
        return [matches[box_index] for box_index in range(len(boxes))]

    def faces(self, unsure_below: float = UNSURE) -> list[Face]:
        """The faces of the last frame, the largest first, with those that the detector has just missed (``held``)."""
        current = [track.face(self._now, unsure_below) for track in self._tracks if track.scores is not None
                   and (track.seen >= self._now or (track.times > 1 and self._now - track.seen <= HOLD))]
        return sorted(current, key=lambda face: (-face.box.area, face.id))

    def update(self, boxes: Sequence[Box], scores: np.ndarray, seconds: float,
               unsure_below: float = UNSURE) -> list[Face]:
        """``follow``, ``read`` and ``faces`` in one call, for N boxes with their probabilities ``(N, C)``."""
        for track, row in zip(self.follow(boxes, seconds), scores, strict=True):
            track.read(row, seconds)
        return self.faces(unsure_below)


def _weight(seconds: float, half_life: float) -> float:
    """The weight of a new value, ``seconds`` after the old one; one half for a second value at the same time."""
    return 1 - 0.5 ** (seconds / half_life) if seconds > 0 else 0.5


def _distance(track: Box, box: Box) -> float | None:
    """Distance of the centres in widths of the larger box; None when the two cannot be the same face."""
    larger, smaller = max(track.width, box.width, 1), max(min(track.width, box.width), 1)
    (x, y), (new_x, new_y) = track.centre, box.centre
    distance = float(np.hypot(new_x - x, new_y - y)) / larger
    return distance if distance <= MOVE and larger / smaller <= GROW else None
