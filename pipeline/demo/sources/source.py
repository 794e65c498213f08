"""The interface of all sources of frames, and those that are files: pictures, folders of pictures, videos."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

import cv2
import numpy as np

from pipeline.demo.sources.pictures import Animation, frames_of, read_picture
from pipeline.system.failure import Failure

PICTURES_PER_SECOND = 2.0
# A video ends early after this many frames in a row that cannot be decoded
BROKEN = 100
# Seconds between two frames; a time stamp that leaps further is taken for damage
LEAP = 600.0


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
    """A ``Source`` of files: pictures, an animated one, or a video.

    A video's frames have the time stamps of its container, which need not be evenly spaced.

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
    _animation: Animation | None = None

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
        for item in self._items():
            empty = False
            yield item
        if empty:
            raise Failure(f"{self.name}: no picture in it can be read; is it complete?")

    def _items(self) -> Iterator[tuple[np.ndarray, float]]:
        if self._capture is not None:
            return self._captured()
        if self._animation is not None:
            return zip(frames_of(self._files[0]), self._animation.times, strict=False)
        return self._pictures()

    def _captured(self) -> Iterator[tuple[np.ndarray, float]]:
        capture = self._capture
        assert capture is not None
        index = broken = 0
        clock, colours = Clock(self.fps), Colours()
        # OpenCV reports a broken frame and the end alike; only a known length tells them apart
        while broken < BROKEN and capture.isOpened() and (not broken or index < (self.length or 0)):
            ok, frame = capture.read()
            broken = 0 if ok else broken + 1
            if ok:
                yield colours.bgr(frame), clock.time(index, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
            index += 1

    def _pictures(self) -> Iterator[tuple[np.ndarray, float]]:
        for index, path in enumerate(self._files):
            try:
                yield read_picture(path), index / self.fps
            except Failure:
                if self.kind == "picture":
                    raise
                self.skipped.append(path.name)


class Clock:
    """The times of a video's frames: its time stamps from the first one on, and its rate where they are no use."""

    def __init__(self, fps: float):
        self._fps = fps
        # Index and time of the frame before, and its time stamp
        self._index, self._last = 0, 0.0
        self._stamp: float | None = None

    def time(self, index: int, stamp: float) -> float:
        """The time in seconds of the frame with this index and time stamp; later than that of the frame before."""
        previous, self._stamp = self._stamp, stamp if np.isfinite(stamp) else None
        if previous is None or self._stamp is None or not 0 < self._stamp - previous <= LEAP:
            # Raw video has no time stamps, broken ones leap or go back
            self._last += (index - self._index) / self._fps
        else:
            self._last += self._stamp - previous
        self._index = index
        return self._last


class Colours:
    """Makes every frame of a source uint8 BGR ``(H, W, 3)``; some give gray, BGRA, YUYV, or 10 to 16 bits."""

    _CODES: ClassVar[dict[int, int]] = {1: cv2.COLOR_GRAY2BGR, 2: cv2.COLOR_YUV2BGR_YUY2, 4: cv2.COLOR_BGRA2BGR}

    def __init__(self) -> None:
        # The most bits in use so far, an even number: sensors of 10 and 12 bits leave the upper ones empty
        self._bits = 8

    def bgr(self, frame: np.ndarray) -> np.ndarray:
        """The frame in BGR. Raises Failure for any other form."""
        channels = 1 if frame.ndim == 2 else frame.shape[2]
        if frame.dtype not in (np.uint8, np.uint16) or channels not in (*self._CODES, 3):
            raise Failure("expected frames in gray, BGR, BGRA or YUYV of 8 or 16 bits, got "
                          f"{frame.dtype} {frame.shape}")
        if frame.dtype == np.uint16:
            bits = int(frame.max(initial=0)).bit_length()
            self._bits = max(self._bits, bits + bits % 2)
            frame = (frame >> (self._bits - 8)).astype("uint8")
        return frame if channels == 3 else cv2.cvtColor(frame, self._CODES[channels])


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
