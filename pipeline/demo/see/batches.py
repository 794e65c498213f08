"""The faces of many frames classified in one batch, which is faster than frame by frame."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.demo.see.boxes import Box
from pipeline.demo.see.classifier import Model, classify
from pipeline.demo.see.crop import crops

# A batch is full when it has this many faces, frames, or bytes of frames that are kept for drawing
FACES, FRAMES, BYTES = 64, 64, 64_000_000


class Detected(NamedTuple):
    """A frame whose faces are detected and not yet classified.

    Attributes:
        seconds: its time in a video; 0 for a picture.
        crops: uint8 ``(N, 48, 48)``, one for each of the N boxes.
        frame: the BGR frame, when it will be drawn; else None, to free its memory.
    """

    file: Path
    seconds: float
    boxes: list[Box]
    crops: np.ndarray
    frame: np.ndarray | None


def detected(file: Path, seconds: float, frame: np.ndarray, boxes: list[Box], margin: float, keep: bool) -> Detected:
    """A frame, BGR ``(H, W, 3)`` or gray ``(H, W)``, with its boxes' crops by the bundle's crop margin; ``keep``: with
    the frame itself."""
    return Detected(file, seconds, boxes, crops(frame, boxes, margin), frame if keep else None)


def classified(items: Iterable[Detected], model: Model) -> Iterator[tuple[Detected, np.ndarray]]:
    """The frames in their order with the scores ``(N, C)`` of their N faces, classified in batches."""
    batch: list[Detected] = []
    for item in items:
        batch.append(item)
        size = sum(waiting.frame.nbytes for waiting in batch if waiting.frame is not None)
        if sum(len(waiting.crops) for waiting in batch) >= FACES or len(batch) >= FRAMES or size >= BYTES:
            yield from _classify(batch, model)
            batch = []
    yield from _classify(batch, model)


def _classify(batch: list[Detected], model: Model) -> Iterator[tuple[Detected, np.ndarray]]:
    if batch:
        scores = classify(model, np.concatenate([item.crops for item in batch]))
        ends = np.cumsum([len(item.crops) for item in batch])[:-1]
        yield from zip(batch, np.split(scores, ends), strict=True)
