"""Where the faces are: the detector's interface, and BlazeFace behind it."""

import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Protocol

import numpy as np

from pipeline.demo.see.blazeface.network import FULL, SHORT, Seen, network, same_face
from pipeline.demo.see.blazeface.view import View, whole
from pipeline.demo.see.boxes import Box
from pipeline.system import processor

# Scores from which an answer is a face in a stream; a candidate in a picture; a face in a picture, averaged over the
# candidate and a second look at it; and a face without a second look. Measured on photographs
LIVE, CANDIDATE, PICTURE, SURE = 0.55, 0.5, 0.6, 0.8
# Roll in degrees from which a crop is turned upright (FER-2013's faces have less, and were not turned), and from which
# a face is looked at once more, upright: the network puts the roll too low
UPRIGHT, ROLLED = 15.0, 30.0
# A second look shows a face and this many times its side; near enough for the network SHORT
CLOSE, CLOSER = 4.0, 2.5
# Overlapping squares of a picture: their sides as shares of its shorter side, their least side in pixels, their
# overlap. A face that is too large for this overlap is large enough for the larger squares
SQUARES, LEAST, OVERLAP = (1.0, 0.5), 96, 0.16
QUARTERS = (90.0, -90.0, 180.0)
# BlazeFace's box as a share of ours, and how far its centre lies below ours, in its sides: ours is the square that
# OpenCV's Haar cascade draws, because FER-2013 was cropped along that one. Measured on photographs' faces
SHARE, LIFT = 0.98, 0.06


class Detector(Protocol):
    """What the demo needs of a detector. Frames are uint8 BGR ``(H, W, 3)`` or gray ``(H, W)``; a box is the square
    that OpenCV's Haar cascade draws round a frontal face, in pixels of the frame. Calls come from several threads."""

    def find(self, frame: np.ndarray) -> list[Box]:
        """All faces of a single picture, small ones and those of any roll too, the largest first."""

    def follow(self, frame: np.ndarray, known: Sequence[Box], quarter: int | None = None) -> list[Box]:
        """The faces of a stream's next frame, the largest first.

        Args:
            known: the faces of the frame before it.
            quarter: if there is no face, also look for one that is turned by ``QUARTERS[quarter]``.
        """


class BlazeFace:
    """BlazeFace: the full-range network on the whole frame, and the short-range one for heads that are tilted far.

    In a single picture also on overlapping squares, after which faces that are doubtful or tilted are looked at once
    more, from near.
    """

    def find(self, frame: np.ndarray) -> list[Box]:
        faces = self._in_picture(frame, 0.0)
        if not faces:
            faces = max((self._in_picture(frame, roll) for roll in QUARTERS),
                        key=lambda turned: sum(face.score for face in turned))
        return _boxes(faces)

    def follow(self, frame: np.ndarray, known: Sequence[Box], quarter: int | None = None) -> list[Box]:
        view = whole(frame)
        faces = network(FULL).find(frame, view, LIVE)
        if not faces and not known and quarter is not None:
            faces = network(FULL).find(frame, view._replace(roll=QUARTERS[quarter]), LIVE)
        near = [self._again(frame, face) if abs(face.roll) >= ROLLED else face for face in faces]
        near += [self._again(frame, _seen(box)) for box in known if abs(box.angle) >= ROLLED]
        return _boxes(face for face in near if face is not None)

    def _in_picture(self, frame: np.ndarray, roll: float) -> list[Seen]:
        """The faces of a picture that are turned by about ``roll``, a quarter turn, each seen by two passes."""
        height, width = frame.shape[:2]
        candidates = network(FULL).find(frame, whole(frame)._replace(roll=roll), CANDIDATE)
        views = list(squares(width, height))
        for view, seen in zip(views, self._looks(frame, [view._replace(roll=roll) for view in views], CANDIDATE),
                              strict=True):
            candidates += [face for face in seen if not _cut(face, view, width, height)]
        faces: list[Seen] = []
        doubtful: list[Seen] = []
        for face in distinct(candidates):
            (faces if face.score >= SURE and abs(face.roll) < UPRIGHT else doubtful).append(face)
        near = [View(face.x, face.y, CLOSE * face.side, face.roll if abs(face.roll) >= UPRIGHT else 0.0)
                for face in doubtful]
        for face, seen in zip(doubtful, self._looks(frame, near, CANDIDATE / 2), strict=True):
            again = _centred(seen, face)
            if again is not None and (face.score + again.score) / 2 >= PICTURE:
                faces.append(again)
        return distinct(faces)

    def _looks(self, frame: np.ndarray, views: Sequence[View], threshold: float) -> Iterator[list[Seen]]:
        """What the full-range network sees in each view; a view for each core at a time."""
        return _pool().map(lambda view: network(FULL).find(frame, view, threshold), views)

    def _again(self, frame: np.ndarray, face: Seen) -> Seen | None:
        """A face as the short-range network sees it upright; None where it sees none."""
        view = View(face.x, face.y, CLOSER * face.side, face.roll)
        return _centred(network(SHORT).find(frame, view, LIVE), face)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(processor.cores(), thread_name_prefix="look")


def squares(width: int, height: int) -> Iterator[View]:
    """The overlapping squares that cover a picture, apart from one that is all of it."""
    for share in SQUARES:
        side = max(round(share * min(width, height)), LEAST)
        if side < max(width, height):
            yield from (View(x, y, side) for y in _centres(height, side) for x in _centres(width, side))


def _centres(length: int, side: int) -> list[float]:
    """The centres of evenly spaced, overlapping pieces of ``side`` along a ``length``."""
    if side >= length:
        return [length / 2]
    pieces = math.ceil((length - side) / (side * (1 - OVERLAP))) + 1
    return [side / 2 + index * (length - side) / (pieces - 1) for index in range(pieces)]


def _cut(face: Seen, view: View, width: int, height: int) -> bool:
    """Whether the view's edge cuts the face inside the picture; then the next view shows all of it."""
    half, reach = view.side / 2, face.side / 2
    return ((face.x - reach < view.x - half > 0) or (face.x + reach > view.x + half < width)
            or (face.y - reach < view.y - half > 0) or (face.y + reach > view.y + half < height))


def _centred(seen: Sequence[Seen], face: Seen) -> Seen | None:
    """The one that is nearest to a face, unless it is another face."""
    def distance(other: Seen) -> float:
        return math.hypot(other.x - face.x, other.y - face.y)

    nearest = min(seen, key=distance, default=None)
    return nearest if nearest is not None and distance(nearest) <= face.side / 2 else None


def distinct(faces: Iterable[Seen]) -> list[Seen]:
    """Each face once, as its surest answer: of those that overlap, or lie one inside the other, the others go."""
    kept: list[Seen] = []
    for face in sorted(faces, key=lambda face: -face.score):
        others = np.array([other[1:4] for other in kept]).reshape(-1, 3)
        if not same_face(np.array(face[1:4]), others).any():
            kept.append(face)
    return kept


def _boxes(faces: Iterable[Seen]) -> list[Box]:
    boxes = [_box(face) for face in distinct(faces)]
    return sorted(boxes, key=lambda box: (-box.area, box.x, box.y))


def _box(face: Seen) -> Box:
    side, tilt = face.side / SHARE, math.radians(face.roll)
    x, y = face.x + LIFT * face.side * math.sin(tilt), face.y - LIFT * face.side * math.cos(tilt)
    angle = round(face.roll, 1) if abs(face.roll) >= UPRIGHT else 0.0
    return Box(round(x - side / 2), round(y - side / 2), round(side), round(side), angle)


def _seen(box: Box) -> Seen:
    """The face that ``_box`` made the box of."""
    side, tilt = box.width * SHARE, math.radians(box.angle)
    x, y = box.centre
    return Seen(1.0, x - LIFT * side * math.sin(tilt), y + LIFT * side * math.cos(tilt), side, box.angle)
