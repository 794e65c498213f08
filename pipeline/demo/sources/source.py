"""The interface of all sources of frames, and those that are files: pictures, folders of pictures, videos."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from pipeline.demo.sources.pictures import read_picture
from pipeline.system.failure import Failure

PICTURES_PER_SECOND = 2.0
# A video ends early after this many frames in a row that cannot be decoded
BROKEN = 100


class Source(Protocol):
    """Iterates over ``(frame, seconds)``: uint8 BGR ``(H, W, 3)`` and its time. Use it in a ``with`` to free it.

    Attributes:
        name: what a message calls it.
        kind: ``camera``, ``stream``, ``video``, ``folder`` or ``picture``.
        fps: nominal frames a second.
        length: number of frames, None where it is not known.
        live: whether frames arrive in real time. Then a frame may be None: nothing new yet, time to handle the keys.
        note: a message for the person, as that a stream is lost and when it is tried again; else None.
        skipped: names of the pictures that could not be read so far.
    """

    name: str
    kind: str
    fps: float
    length: int | None
    note: str | None
    skipped: list[str]

    @property
    def live(self) -> bool: ...

    def __enter__(self) -> "Source": ...

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None: ...

    def __iter__(self) -> Iterator[tuple[np.ndarray | None, float]]: ...


@dataclass
class Files:
    """A ``Source`` of files: pictures, or a video.

    Raises Failure while iterating when a single picture, or all of the files, cannot be read.
    """

    name: str
    kind: str
    fps: float
    length: int | None = None
    skipped: list[str] = field(default_factory=list)
    note: str | None = None
    live: bool = False
    _capture: "cv2.VideoCapture | None" = None
    _files: list[Path] = field(default_factory=list)

    def __enter__(self) -> "Files":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the file; iteration then ends."""
        if self._capture is not None:
            self._capture.release()

    def __iter__(self) -> Iterator[tuple[np.ndarray | None, float]]:
        empty = True
        for item in self._captured() if self._capture is not None else self._pictures():
            empty = False
            yield item
        if empty:
            raise Failure(f"{self.name}: no picture in it can be read; is it complete?")

    def _captured(self) -> Iterator[tuple[np.ndarray, float]]:
        assert self._capture is not None
        index = broken = 0
        # OpenCV reports a broken frame and the end alike; only a known length tells them apart
        while broken < BROKEN and self._capture.isOpened() and (not broken or index < (self.length or 0)):
            ok, frame = self._capture.read()
            broken = 0 if ok else broken + 1
            if ok:
                yield frame, index / self.fps
            index += 1

    def _pictures(self) -> Iterator[tuple[np.ndarray, float]]:
        for index, path in enumerate(self._files):
            try:
                yield read_picture(path), index / self.fps
            except Failure:
                if self.kind == "picture":
                    raise
                self.skipped.append(path.name)


def quiet() -> None:
    """Silence OpenCV and FFmpeg; the demo reports what is wrong itself, in one line."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def frame_rate(capture: cv2.VideoCapture, default: float) -> float:
    """Frames a second as the file or camera reports them; ``default`` where that is implausible."""
    fps = capture.get(cv2.CAP_PROP_FPS)
    return fps if 1 <= fps <= 240 else default


def frame_count(capture: cv2.VideoCapture) -> int | None:
    """Number of frames; None where it is unknown: a stream, or raw MJPEG, which reports nonsense."""
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    return count if 0 < count < 10_000_000 else None
