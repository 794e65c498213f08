"""One pass of BlazeFace (Bazarevsky et al. 2019, arXiv 1907.05047) over a square view of a picture."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.bundle.bundle import onnx_session
from pipeline.demo.see.blazeface.view import View, pixels

FOLDER = Path(__file__).parent
# Answers for one face overlap by more than this, or one lies inside the other by more than this share of its area
OVERLAP, INSIDE = 0.3, 0.7


class Seen(NamedTuple):
    """A face as a network sees it, in pixels of the picture.

    Attributes:
        score: 0 to 1.
        x, y: the centre of its square box.
        roll: of the line through the eyes, degrees clockwise, -180 to 180.
    """

    score: float
    x: float
    y: float
    side: float
    roll: float


@dataclass(frozen=True)
class Kind:
    """What differs between the two networks.

    Attributes:
        size: side of the input in pixels.
        grids: cells along a side and anchors in each cell, for each grid of anchors in the order of the output.
        scale, lift: this network's box has to grow by the one, and rise by the other times its side, to be the box
            that ``full`` draws of the same face. Measured on 108 faces of photographs.
    """

    file: str
    size: int
    grids: tuple[tuple[int, int], ...]
    scale: float = 1.0
    lift: float = 0.0


# Faces from about a twentieth of the view's side on, and near ones, from about a fifth on
FULL = Kind("full.onnx", 192, ((48, 1),))
SHORT = Kind("short.onnx", 128, ((16, 2), (8, 6)), scale=1.045, lift=0.048)


class Network:
    """One of the two networks. Calls from several threads are safe."""

    def __init__(self, kind: Kind):
        self.kind = kind
        self._session = onnx_session(FOLDER / kind.file)
        self._input = self._session.get_inputs()[0].name
        self._anchors = anchors(kind)

    def find(self, frame: np.ndarray, view: View, threshold: float) -> list[Seen]:
        """The faces in a view of a BGR or gray frame whose score is at least ``threshold``, the surest first."""
        size = self.kind.size
        image = pixels(frame, view, size).astype("float32") / 127.5 - 1
        regressors, logits = (output[0] for output in self._session.run(None, {self._input: image[None]}))
        rows = decoded(logits[:, 0], regressors, self._anchors, threshold)
        if not len(rows):
            return []
        return [self._in_frame(row, view) for row in merged(rows)]

    def _in_frame(self, row: np.ndarray, view: View) -> Seen:
        """From a row of ``decoded``, in pixels of the input, to pixels of the frame, with the box that FULL draws."""
        score, x, y, side, across, down = row.tolist()
        tilt = np.arctan2(down, across)
        # Up along the face: the direction from its mouth to its eyes
        x, y = x + self.kind.lift * side * np.sin(tilt), y - self.kind.lift * side * np.cos(tilt)
        scale, turn = view.side / self.kind.size, np.radians(view.roll)
        x, y = (x - self.kind.size / 2) * scale, (y - self.kind.size / 2) * scale
        roll = (np.degrees(tilt) + view.roll + 180) % 360 - 180
        return Seen(score, float(view.x + x * np.cos(turn) - y * np.sin(turn)),
                    float(view.y + x * np.sin(turn) + y * np.cos(turn)), side * self.kind.scale * scale, float(roll))


@cache
def network(kind: Kind) -> Network:
    """The network of a kind, opened once in a process."""
    return Network(kind)


def anchors(kind: Kind) -> np.ndarray:
    """The anchors' centres ``(N, 2)`` in pixels of the input: the cells' centres in reading order, grid by grid."""
    grids = []
    for cells, each in kind.grids:
        centres = (np.arange(cells) + 0.5) * kind.size / cells
        across, down = np.meshgrid(centres, centres)
        grids.append(np.repeat(np.stack([across.ravel(), down.ravel()], axis=1), each, axis=0))
    return np.concatenate(grids)


def decoded(logits: np.ndarray, regressors: np.ndarray, anchors: np.ndarray, threshold: float) -> np.ndarray:
    """The answers with a score of at least ``threshold``: rows of score, centre (x, y), side, and the vector (x, y)
    from the eye on the left to the one on the right, in pixels of the input.

    Args:
        logits: ``(N,)``, one for each anchor.
        regressors: ``(N, 16)`` in pixels of the input: the box's centre relative to the anchor, its width and height,
            then six points relative to the anchor, of which the first two are the eyes.
        anchors: ``(N, 2)``.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits.astype("float64"), -100, 100)))
    likely = np.flatnonzero(scores >= threshold)
    values = regressors[likely].astype("float64")
    centres, sides = values[:, :2] + anchors[likely], values[:, 2:4].mean(axis=1)
    return np.column_stack([scores[likely], centres, sides, values[:, 6:8] - values[:, 4:6]])


def merged(rows: np.ndarray) -> np.ndarray:
    """One row for each face, the surest first: the mean of its answers weighted by their scores, with the best score.

    BlazeFace's authors average overlapping answers rather than take the best one, which calms a video's boxes.
    """
    rows = rows[np.argsort(-rows[:, 0], kind="stable")]
    faces = []
    while len(rows):
        same = same_face(rows[0, 1:4], rows[:, 1:4])
        same[0] = True  # also when its side is not positive
        group = rows[same]
        face = group[:, 0] @ group / group[:, 0].sum()
        face[0] = group[0, 0]
        faces.append(face)
        rows = rows[~same]
    return np.array(faces)


def same_face(square: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Which of the squares ``(N, 3)`` (centre x, y, side) are the same face as one square ``(3,)``: bool ``(N,)``."""
    side, sides = max(square[2], 0.0), np.maximum(squares[:, 2], 0.0)
    reach = (side + sides)[:, None] / 2 - np.abs(squares[:, :2] - square[:2])
    both = np.prod(np.clip(reach, 0, np.minimum(side, sides)[:, None]), axis=1)
    smaller = np.maximum(np.minimum(side, sides) ** 2, 1e-9)
    return (both > OVERLAP * (side**2 + sides**2 - both)) | (both > INSIDE * smaller)
