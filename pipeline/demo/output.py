"""Writes the annotated video or picture to a file, completely or not at all."""

import shutil
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import cv2

from pipeline.demo.show.annotate import Annotated
from pipeline.demo.show.fitting import Size, at_most, fit
from pipeline.system.atomic import atomic_file, temporary_name, to_disk
from pipeline.system.failure import Failure
from pipeline.system.quiet import silent

# What the FFmpeg inside OpenCV can write; H.264 is not among them
CODECS = {".webm": "VP80", ".mp4": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
# Which programs play each codec
PLAYERS = {"VP80": "VP8, plays in browsers and in VLC",
           "mp4v": "MPEG-4 part 2, plays in VLC and most players, not in browsers: those take .webm",
           "MJPG": "Motion JPEG, large, plays in VLC and most players, not in browsers: those take .webm"}
PICTURES = (".png", ".jpg", ".jpeg")
# VP8 takes 30 ms for a picture of this size and grows with its area; larger ones are scaled down, so that it keeps up
LARGEST_VP8: Size = (1284, 720)
# A disk with fewer free bytes may have been full while a video was written
FULL = 64_000_000
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

    A .webm is at most ``LARGEST_VP8``. The encoder runs in a thread, since VP8 takes as long as everything else
    together.
    """

    def __init__(self, path: Path, fps: float):
        self.path, self.fps, self.frames = path, fps, 0
        self._codec = CODECS[path.suffix.lower()]
        # The file is opened with the first frame
        self._temporary: Path | None = None
        self._writer: cv2.VideoWriter | None = None
        self._size: Size = (0, 0)
        self._encoder = ThreadPoolExecutor(1)
        self._waiting: deque[Future] = deque()

    def add(self, frame: Annotated) -> None:
        if self._writer is None:
            self._size = self._video_size(frame.picture.shape[1], frame.picture.shape[0])
            self._writer = self._open()
        picture, size, write = frame.picture, self._size, self._writer.write
        # A camera's frames arrive at uneven times, a video has a constant rate: repeat or drop frames to keep the time
        for _ in range(round(frame.seconds * self.fps) + 1 - self.frames):
            self._waiting.append(self._encoder.submit(lambda: write(fit(picture, size))))
            self.frames += 1
        while len(self._waiting) > QUEUE:
            self._waiting.popleft().result()

    def _video_size(self, width: int, height: int) -> Size:
        """The video's size for pictures of this size; both sides are even, as codecs need it."""
        if self._codec != "VP80":
            return width, height
        width, height = at_most((width, height), LARGEST_VP8)
        return width + width % 2, height + height % 2

    def _open(self) -> cv2.VideoWriter:
        # The suffix decides the format, so the temporary name has it too
        self._temporary = temporary_name(self.path)
        self._temporary.touch()  # raises OSError with the reason when it cannot be written; VideoWriter gives none
        with silent():  # OpenCV prints a warning about the codec's tag for every .webm
            writer = cv2.VideoWriter(str(self._temporary), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*self._codec),
                                     self.fps, self._size)
        if not writer.isOpened():
            self.discard()
            raise Failure(f"{self.path}: this OpenCV cannot write {self._codec} video; try a name ending in .avi")
        return writer

    def finish(self) -> None:
        """Close the video and move it to its path. Raises Failure when it is incomplete, as on a full disk."""
        self._encoder.shutdown()
        if self._writer is None:
            return
        assert self._temporary is not None
        self._writer.release()
        try:
            written = cv2.VideoCapture(str(self._temporary), cv2.CAP_FFMPEG)
            complete = written.isOpened() and written.read()[0]
            # Some containers do not know how many frames they hold
            complete = complete and not 0 < written.get(cv2.CAP_PROP_FRAME_COUNT) < self.frames
            # OpenCV does not say when the disk is full, and such a file's head may be in order: count what is there
            if complete and shutil.disk_usage(self._temporary.parent).free < FULL:
                complete = 1 + sum(1 for _ in iter(written.grab, False)) >= self.frames
            written.release()
            if not complete:
                raise Failure(f"{self.path}: the video could not be written completely; is the disk full?")
            to_disk(self._temporary)
            self._temporary.replace(self.path)
        finally:
            self._temporary.unlink(missing_ok=True)

    def discard(self) -> None:
        self._encoder.shutdown(cancel_futures=True)
        if self._writer is not None:
            self._writer.release()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)
