"""Writes the annotated video or picture to a file, completely or not at all."""

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from pipeline.demo.show.annotate import Annotated
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure
from pipeline.system.quiet import silent

# What the FFmpeg inside OpenCV can write; H.264 is not among them
CODECS = {".webm": "VP80", ".mp4": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
# Which programs play each codec
PLAYERS = {"VP80": "VP8, plays in browsers and in VLC",
           "mp4v": "MPEG-4 part 2, plays in VLC and most players, not in browsers: those take .webm",
           "MJPG": "Motion JPEG, large, plays in VLC and most players, not in browsers: those take .webm"}
PICTURES = (".png", ".jpg", ".jpeg")
# At most this many frames wait for the encoder
QUEUE = 4


class Output(Protocol):
    """Takes annotated frames; ``finish`` puts the file at its path, ``discard`` leaves nothing behind."""

    def add(self, frame: Annotated) -> None: ...

    def finish(self) -> None: ...

    def discard(self) -> None: ...


def open_output(path: Path, fps: float) -> Output:
    """An output for a video or picture, by the suffix. Raises Failure for another suffix or a folder."""
    suffix = path.suffix.lower()
    if suffix not in (*CODECS, *PICTURES):
        raise Failure(f"{path}: the name must end in one of {', '.join((*CODECS, *PICTURES))}")
    if path.is_dir():
        raise Failure(f"{path}: is a folder; give a file in it")
    return PictureOutput(path) if suffix in PICTURES else VideoOutput(path, fps)


def players(path: Path) -> str:
    """Which programs play a video with this suffix, in words; "" for a picture."""
    codec = CODECS.get(path.suffix.lower())
    return PLAYERS[codec] if codec else ""


class PictureOutput:
    """Writes the one frame whose main face has the highest score."""

    def __init__(self, path: Path):
        self.path = path
        self._best: Annotated | None = None

    def add(self, frame: Annotated) -> None:
        if self._best is None or frame.quality > self._best.quality:
            self._best = frame

    def finish(self) -> None:
        if self._best is not None:
            _, data = cv2.imencode(self.path.suffix, self._best.picture)
            with atomic_file(self.path) as new:
                new.write_bytes(data.tobytes())

    def discard(self) -> None:
        self._best = None


class VideoOutput:
    """Writes a video of all frames in the size of the first, under a temporary name until it is finished.

    The encoder runs in a thread, since VP8 takes as long as everything else together.
    """

    def __init__(self, path: Path, fps: float):
        self.path, self.fps, self.frames = path, fps, 0
        # The suffix decides the format, so the temporary name has it too
        self._temporary = path.with_name(f".{path.stem}.{os.getpid()}.new{path.suffix}")
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._encoder = ThreadPoolExecutor(1)
        self._waiting: deque[Future] = deque()

    def add(self, frame: Annotated) -> None:
        if self._writer is None:
            self._size = frame.picture.shape[1], frame.picture.shape[0]
            self._writer = self._open()
        # A camera's frames arrive at uneven times, a video has a constant rate: repeat or drop frames to keep the time
        for _ in range(round(frame.seconds * self.fps) + 1 - self.frames):
            self._waiting.append(self._encoder.submit(self._writer.write, fit(frame.picture, self._size)))
            self.frames += 1
        while len(self._waiting) > QUEUE:
            self._waiting.popleft().result()

    def _open(self) -> cv2.VideoWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._temporary.touch()  # raises OSError with the reason when it cannot be written; VideoWriter gives none
        codec = CODECS[self.path.suffix.lower()]
        with silent():  # OpenCV prints a warning about the codec's tag for every .webm
            writer = cv2.VideoWriter(str(self._temporary), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), self.fps,
                                     self._size)
        if not writer.isOpened():
            self.discard()
            raise Failure(f"{self.path}: this OpenCV cannot write {codec} video; try a name ending in .avi")
        return writer

    def finish(self) -> None:
        """Close the video and move it to its path. Raises Failure when it is incomplete, as on a full disk."""
        self._encoder.shutdown()
        if self._writer is None:
            return
        self._writer.release()
        try:
            written = cv2.VideoCapture(str(self._temporary), cv2.CAP_FFMPEG)
            complete = written.isOpened() and written.read()[0]
            # Some containers do not know how many frames they hold
            complete = complete and not 0 < written.get(cv2.CAP_PROP_FRAME_COUNT) < self.frames
            written.release()
            if not complete:
                raise Failure(f"{self.path}: the video could not be written completely; is the disk full?")
            self._temporary.replace(self.path)
        finally:
            self._temporary.unlink(missing_ok=True)

    def discard(self) -> None:
        self._encoder.shutdown(cancel_futures=True)
        if self._writer is not None:
            self._writer.release()
        self._temporary.unlink(missing_ok=True)


def fit(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture scaled to fit ``size`` (width, height) without distortion, centred on black."""
    height, width = picture.shape[:2]
    if (width, height) == size:
        return picture
    scale = min(size[0] / width, size[1] / height)
    scaled = cv2.resize(picture, (max(1, round(width * scale)), max(1, round(height * scale))),
                        interpolation=cv2.INTER_AREA)
    whole = np.zeros((size[1], size[0], 3), "uint8")
    top, left = (size[1] - scaled.shape[0]) // 2, (size[0] - scaled.shape[1]) // 2
    whole[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return whole
