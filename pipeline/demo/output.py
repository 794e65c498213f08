"""The annotated video or picture as a file, whole or not at all."""

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

# What OpenCV's own FFmpeg can write; H.264 is not among it
CODECS = {".webm": "VP80", ".mp4": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
# What plays it
PLAYERS = {"VP80": "VP8, plays in browsers and in VLC",
           "mp4v": "MPEG-4 part 2, plays in VLC and most players, not in browsers: those take .webm",
           "MJPG": "Motion JPEG, large, plays in VLC and most players, not in browsers: those take .webm"}
PICTURES = (".png", ".jpg", ".jpeg")
# So many frames may wait for the encoder
WAITING = 4


class Output(Protocol):
    """Takes annotated frames; ``finish`` puts the file in place, ``discard`` leaves nothing behind."""

    def add(self, frame: Annotated) -> None: ...

    def finish(self) -> None: ...

    def discard(self) -> None: ...


def open_output(path: Path, fps: float) -> Output:
    """A video or, by the name's ending, a picture. Raises Failure when the ending is neither or the place is taken."""
    suffix = path.suffix.lower()
    if suffix not in (*CODECS, *PICTURES):
        raise Failure(f"{path}: the name must end in one of {', '.join((*CODECS, *PICTURES))}")
    if path.is_dir():
        raise Failure(f"{path}: is a folder; name a file in it")
    return PictureOutput(path) if suffix in PICTURES else VideoOutput(path, fps)


def players(path: Path) -> str:
    """In words: what plays a video of this name; "" for a picture."""
    codec = CODECS.get(path.suffix.lower())
    return PLAYERS[codec] if codec else ""


class PictureOutput:
    """Of all frames, the one whose main face is surest."""

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
    """A video of all frames in the first one's size, under a temporary name until it is finished.

    The encoder works beside the caller: VP8 takes as long as all the rest.
    """

    def __init__(self, path: Path, fps: float):
        self.path, self.fps, self.frames = path, fps, 0
        # The ending decides the format, so the temporary name keeps it
        self._new = path.with_name(f".{path.stem}.{os.getpid()}.new{path.suffix}")
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._encoder = ThreadPoolExecutor(1)
        self._waiting: deque[Future] = deque()

    def add(self, frame: Annotated) -> None:
        if self._writer is None:
            self._size = frame.picture.shape[1], frame.picture.shape[0]
            self._writer = self._open()
        # A camera's frames come unevenly: each is repeated or dropped so that the video keeps the time
        for _ in range(round(frame.seconds * self.fps) + 1 - self.frames):
            self._waiting.append(self._encoder.submit(self._writer.write, fit(frame.picture, self._size)))
            self.frames += 1
        while len(self._waiting) > WAITING:
            self._waiting.popleft().result()

    def _open(self) -> cv2.VideoWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._new.touch()  # says what is wrong with the place, which the writer does not
        codec = CODECS[self.path.suffix.lower()]
        with silent():  # OpenCV tells at every .webm that its tag is another one
            writer = cv2.VideoWriter(str(self._new), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), self.fps,
                                     self._size)
        if not writer.isOpened():
            self.discard()
            raise Failure(f"{self.path}: this OpenCV cannot write {codec} video; try a name ending in .avi")
        return writer

    def finish(self) -> None:
        """Close the video and give it its name. Raises Failure when it does not play, as on a full disk."""
        self._encoder.shutdown()
        if self._writer is None:
            return
        self._writer.release()
        try:
            written = cv2.VideoCapture(str(self._new), cv2.CAP_FFMPEG)
            complete = written.isOpened() and written.read()[0]
            # Some containers do not know how many frames they hold
            complete = complete and not 0 < written.get(cv2.CAP_PROP_FRAME_COUNT) < self.frames
            written.release()
            if not complete:
                raise Failure(f"{self.path}: the video could not be written completely; is the disk full?")
            self._new.replace(self.path)
        finally:
            self._new.unlink(missing_ok=True)

    def discard(self) -> None:
        self._encoder.shutdown(cancel_futures=True)
        if self._writer is not None:
            self._writer.release()
        self._new.unlink(missing_ok=True)


def fit(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture scaled into ``(width, height)`` without distortion, on black."""
    height, width = picture.shape[:2]
    if (width, height) == size:
        return picture
    scale = min(size[0] / width, size[1] / height)
    small = cv2.resize(picture, (max(1, round(width * scale)), max(1, round(height * scale))),
                       interpolation=cv2.INTER_AREA)
    whole = np.zeros((size[1], size[0], 3), "uint8")
    top, left = (size[1] - small.shape[0]) // 2, (size[0] - small.shape[1]) // 2
    whole[top : top + small.shape[0], left : left + small.shape[1]] = small
    return whole
