"""Opens a source by its name on the command line: a number, a path, a URL."""

import re
from pathlib import Path

import cv2

from pipeline.demo.sources.pictures import ENDINGS
from pipeline.demo.sources.source import PICTURES_PER_SECOND, Files, Source, frame_count, frame_rate, quiet
from pipeline.system.failure import Failure

# The codec by which FFmpeg plays any text file, as a video of a terminal
TERMINAL = int.from_bytes(b"ansi", "little")
# Seconds for which the demo tries to reconnect to a lost camera or stream
RECONNECT = 300.0


def open_source(text: str, reconnect: float = RECONNECT) -> Source:
    """Open ``0`` (a webcam's index), a picture, a video file, a folder of pictures, or a URL (http, https, rtsp).

    Args:
        reconnect: seconds for which to try to reconnect to a lost camera or stream; 0: not at all.

    Raises Failure when it does not exist or cannot be read.
    """
    quiet()
    if text.isdecimal() or re.match(r"[a-z]+://", text):
        from pipeline.demo.sources.live import open_camera, open_stream

        return open_camera(int(text), reconnect) if text.isdecimal() else open_stream(text, reconnect)
    path = Path(text)
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.suffix.lower() in ENDINGS and not f.name.startswith("."))
        if not files:
            raise Failure(f"{text}: no pictures in this folder ({', '.join(ENDINGS)})")
        return Files(text, "folder", PICTURES_PER_SECOND, len(files), _files=files)
    if not path.is_file():
        raise Failure(f"{text}: no such file or folder; a source is a webcam's number, a picture, a video, a folder "
                      "of pictures or a URL")
    if path.suffix.lower() != ".gif" and cv2.haveImageReader(str(path)):
        return Files(text, "picture", PICTURES_PER_SECOND, 1, _files=[path])
    return _video(text, path)


def _video(text: str, path: Path) -> Source:
    # FFmpeg by name: OpenCV's picture-sequence reader would take clip01.mp4 for a pattern
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened() or int(capture.get(cv2.CAP_PROP_FOURCC)) == TERMINAL:
        capture.release()
        raise Failure(f"{text}: neither a picture nor a video that can be read; is it complete?")
    length = frame_count(capture)
    kind = "picture" if path.suffix.lower() == ".gif" and length == 1 else "video"
    return Files(text, kind, frame_rate(capture, 25.0), length, _capture=capture)
