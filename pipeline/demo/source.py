"""Where the frames come from: a webcam, a picture, a folder of pictures, a video file or a stream."""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from pipeline.failure import Failure

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
PICTURES_PER_SECOND = 2.0
CAMERA_FPS = 30.0
CAMERA_SIZE = (640, 480)
# So many reads of a camera may fail in a row before it counts as gone
CAMERA_PATIENCE = 10
# FFmpeg plays a text file as a video of a terminal
TERMINAL = int.from_bytes(b"ansi", "little")
OPEN_MILLISECONDS = 10_000


@dataclass
class Source:
    """Frames uint8 BGR ``(H, W, 3)`` with their times in seconds; use it in a ``with`` so that a camera is freed.

    Attributes:
        name: what a message calls it.
        fps: frames a second at which it plays.
        length: number of frames, None where it is not known.
        kind: ``camera``, ``stream``, ``video``, ``folder`` or ``picture``.
        skipped: pictures of a folder that could not be read so far.
    """

    name: str
    kind: str
    fps: float
    length: int | None = None
    skipped: list[str] = field(default_factory=list)
    _capture: "cv2.VideoCapture | None" = None
    _files: list[Path] = field(default_factory=list)

    @property
    def live(self) -> bool:
        """Whether frames come in their own time and never end by themselves."""
        return self.kind in ("camera", "stream")

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the camera or the file; iteration then ends."""
        if self._capture is not None:
            self._capture.release()

    def __iter__(self) -> Iterator[tuple[np.ndarray, float]]:
        frames = self._captured() if self._capture is not None else self._pictures()
        empty = True
        for item in frames:
            empty = False
            yield item
        if empty and self.live:
            raise Failure(f"{self.name}: it opens but sends no picture; is another program using it?")
        if empty:
            raise Failure(f"{self.name}: no picture in it can be read; is it complete?")

    def _captured(self) -> Iterator[tuple[np.ndarray, float]]:
        assert self._capture is not None
        start, place, failed = time.monotonic(), 0, 0
        while failed < (CAMERA_PATIENCE if self.kind == "camera" else 1) and self._capture.isOpened():
            ok, frame = self._capture.read()
            if not ok:
                failed += 1
                time.sleep(0.02)
                continue
            failed = 0
            yield frame, (time.monotonic() - start if self.live else place / self.fps)
            place += 1

    def _pictures(self) -> Iterator[tuple[np.ndarray, float]]:
        for place, path in enumerate(self._files):
            try:
                yield read_picture(path), place / self.fps
            except Failure:
                if self.kind == "picture":
                    raise
                self.skipped.append(path.name)


def open_source(text: str) -> Source:
    """Open ``0`` (a webcam's index), a picture, a video file, a folder of pictures, or a URL (http, https, rtsp).

    Raises Failure when there is no such thing or it cannot be read.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # we say it ourselves, in one line
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    if text.isdecimal():
        return _camera(int(text))
    if re.match(r"[a-z]+://", text):
        return _stream(text)
    path = Path(text)
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.suffix.lower() in PICTURES and not f.name.startswith("."))
        if not files:
            raise Failure(f"{text}: no pictures in this folder ({', '.join(PICTURES)})")
        return Source(text, "folder", PICTURES_PER_SECOND, len(files), _files=files)
    if not path.is_file():
        raise Failure(f"{text}: no such file or folder; a source is a webcam's number, a picture, a video, a folder "
                      "of pictures or a URL")
    if path.suffix.lower() != ".gif" and cv2.haveImageReader(str(path)):
        return Source(text, "picture", PICTURES_PER_SECOND, 1, _files=[path])
    return _video(text, path)


def read_picture(path: Path) -> np.ndarray:
    """A picture as BGR, turned as its EXIF data says. Raises Failure when it is none.

    Decoded from memory because ``cv2.imread`` knows no accents in Windows paths.
    """
    try:
        frame = cv2.imdecode(np.fromfile(path, "uint8"), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):  # empty, not ours to read, or larger than OpenCV's limit
        frame = None
    if frame is None:
        raise Failure(f"{path}: not a picture that can be read; is it complete?")
    return frame


def _camera(index: int) -> Source:
    capture = cv2.VideoCapture(index)
    if not capture.isOpened():
        raise Failure(f"camera {index}: none there, or another program is using it; name a picture, a video or a "
                      "folder instead: ferpipe demo FILE")
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, CAMERA_SIZE[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, CAMERA_SIZE[1])
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest frame, not the oldest
    return Source(f"camera {index}", "camera", _rate(capture, CAMERA_FPS), _capture=capture)


def _stream(url: str) -> Source:
    patience = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_MILLISECONDS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, OPEN_MILLISECONDS]
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, patience)
    # A password in the address stays out of messages and videos
    name = re.sub(r"//[^/@]*@", "//", url)
    if not capture.isOpened():
        raise Failure(f"{name}: no video stream there; does the address open in a video player?")
    return Source(name, "stream", _rate(capture, CAMERA_FPS), _capture=capture)


def _video(text: str, path: Path) -> Source:
    # FFmpeg by name: OpenCV's picture-sequence reader would take clip01.mp4 for a pattern
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened() or int(capture.get(cv2.CAP_PROP_FOURCC)) == TERMINAL:
        capture.release()
        raise Failure(f"{text}: neither a picture nor a video that can be read; is it complete?")
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    # Raw MJPEG reports nonsense
    length = count if 0 < count < 10_000_000 else None
    kind = "picture" if path.suffix.lower() == ".gif" and length == 1 else "video"
    return Source(text, kind, _rate(capture, 25.0), length, _capture=capture)


def _rate(capture: cv2.VideoCapture, default: float) -> float:
    fps = capture.get(cv2.CAP_PROP_FPS)
    return fps if 1 <= fps <= 240 else default
