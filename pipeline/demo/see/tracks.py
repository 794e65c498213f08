"""Faces over time: the same face keeps its number, and its label does not flicker. NumPy alone.

One ``Tracks`` belongs to one stream. Its clock is the seconds that it is told, so that a file gives the same result at
any speed.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.demo.see.boxes import UNSURE, Box, Face

# Seconds after which half of a sudden change shows
HALF_LIFE = 0.2
# The label changes when another class leads by so much: two equal ones would take turns otherwise
LEAD = 0.1
# Seconds from a sudden, complete change of the scores to the change of the label; follows from the two
LATENCY = HALF_LIFE * float(np.log2(2 / (1 - LEAD)))
# A box's half-life: the detector's squares jump by a few pixels
BOX_HALF_LIFE = 0.04
# Seconds that a face stays where it was after it was last seen: a detector misses some in between
HOLD = 0.25
# From frame to frame a face moves by less than so many of its widths, and its width changes by less than this factor
MOVE, GROW = 0.7, 1.7


class Track:
    """One face; ``times`` found and ``reads`` count what happened to it."""

    def __init__(self, number: int, box: Box, seconds: float):
        self.id, self.seen, self.times = number, seconds, 1
        self.reads, self.last_read = 0, float("-inf")
        self.scores: np.ndarray | None = None
        self.label = 0
        self._place = np.array([box.x, box.y, box.width, box.height], "float64")
        self._angle = box.angle

    @property
    def box(self) -> Box:
        x, y, width, height = (round(value) for value in self._place.tolist())
        return Box(x, y, width, height, self._angle)

    def move(self, box: Box, seconds: float) -> None:
        """The face was found here."""
        new = np.array([box.x, box.y, box.width, box.height], "float64")
        self._place += _weight(seconds - self.seen, BOX_HALF_LIFE) * (new - self._place)
        self._angle, self.seen, self.times = box.angle, seconds, self.times + 1

    def read(self, scores: np.ndarray, seconds: float) -> None:
        """The face was classified: probabilities ``(C,)``. Not every frame needs it; the time in between counts."""
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
        """The answer. Only after the first ``read``."""
        assert self.scores is not None
        return Face(self.box, self.scores, self.id, self.label, unsure_below, held=self.seen < now)


class Tracks:
    """The faces of one stream.

    A face is followed by the nearest box of about its size. One that was found at least twice stays for ``HOLD``
    seconds where it was when the detector misses it; after that, whoever comes gets a new number.
    """

    def __init__(self) -> None:
        self._tracks: list[Track] = []
        self._count = 0
        self._now = float("-inf")

    def follow(self, boxes: Sequence[Box], seconds: float) -> list[Track]:
        """The track of every box, in the boxes' order. ``seconds``: the frame's time, never less than before."""
        # At one frame a second, too, the frame before is not forgotten
        oldest = min(seconds - HOLD, self._now)
        self._tracks = [track for track in self._tracks if track.seen >= oldest]
        self._now = seconds
        pairs = [(distance, which, place) for place, track in enumerate(self._tracks)
                 for which, box in enumerate(boxes) if (distance := _distance(track.box, box)) is not None]
        found: dict[int, Track] = {}
        taken: set[int] = set()
        for _, which, place in sorted(pairs):
            if which not in found and place not in taken:
                found[which] = self._tracks[place]
                taken.add(place)
        for which, box in enumerate(boxes):
            if which in found:
                found[which].move(box, seconds)
            else:
                self._count += 1
                found[which] = Track(self._count, box, seconds)
                self._tracks.append(found[which])
        return [found[which] for which in range(len(boxes))]

    def faces(self, unsure_below: float = UNSURE) -> list[Face]:
        """Every face that counts as there now, the largest first; those just missed by the detector too."""
        there = [track.face(self._now, unsure_below) for track in self._tracks if track.scores is not None
                 and (track.seen >= self._now or (track.times > 1 and self._now - track.seen <= HOLD))]
        return sorted(there, key=lambda face: (-face.box.area, face.id))

    def update(self, boxes: Sequence[Box], scores: np.ndarray, seconds: float,
               unsure_below: float = UNSURE) -> list[Face]:
        """``follow``, ``read`` and ``faces`` at once: boxes with their probabilities ``(N, C)`` at a frame's time."""
        for track, row in zip(self.follow(boxes, seconds), scores, strict=True):
            track.read(row, seconds)
        return self.faces(unsure_below)


def _weight(seconds: float, half_life: float) -> float:
    """How much a new value counts after so many seconds; a second one at the same time counts half."""
    return 1 - 0.5 ** (seconds / half_life) if seconds > 0 else 0.5


def _distance(track: Box, box: Box) -> float | None:
    """Between the centres in widths of the larger one; None when it cannot be the same face."""
    larger, smaller = max(track.width, box.width, 1), max(min(track.width, box.width), 1)
    (x, y), (new_x, new_y) = track.centre, box.centre
    distance = float(np.hypot(new_x - x, new_y - y)) / larger
    return distance if distance <= MOVE and larger / smaller <= GROW else None
