"""Opens a source by its name on the command line: a number, a path, a URL."""

import stat
from pathlib import Path

import cv2

from pipeline.demo.sources import content
from pipeline.demo.sources.pictures import animation, is_animated
from pipeline.demo.sources.source import PICTURES_PER_SECOND, Files, Source, frame_count, frame_rate, quiet
from pipeline.system.address import is_address, shown
from pipeline.system.failure import Failure

# The codec by which FFmpeg plays any text file, as a video of a terminal
TERMINAL = int.from_bytes(b"ansi", "little")
# Seconds for which the demo tries to reconnect to a lost camera or stream
RECONNECT = 300.0


def open_source(text: str, reconnect: float = RECONNECT) -> Source:
    """Open ``0`` (a webcam's index), a device (``/dev/video2``, ``/dev/v4l/by-id/...``), a picture, a video file, a
    folder of pictures, or a URL (http, https, rtsp).

    What a file is, its content says. An animated picture is a video.

    Args:
        reconnect: seconds for which to try to reconnect to a lost camera or stream; 0: not at all.

    Raises Failure when it does not exist or cannot be read.
    """
    quiet()
    if text.isdecimal() or is_address(text):
        from pipeline.demo.sources.live import open_camera, open_stream

        return open_camera(int(text), reconnect) if text.isdecimal() else open_stream(text, reconnect)
    path = Path(text)
    if path.is_dir():
        return _folder(text, path)
    if _is_device(path):
        from pipeline.demo.sources.live import open_camera

        return open_camera(path, reconnect)
    if not path.is_file():
        raise Failure(f"{shown(text)}: no such file or folder; a source is a webcam's number or device, a picture, a "
                      "video, a folder of pictures or a URL")
    if content.kind_of(path) in ("picture", "unread"):
        if not is_animated(path):
            return Files(text, "picture", PICTURES_PER_SECOND, 1, _files=[path])
        moving = animation(path)
        return Files(text, "video", moving.fps, len(moving.times), _files=[path], _animation=moving)
    return _video(text, path)


def _is_device(path: Path) -> bool:
    """Whether a path names a camera: a device, or one that is not there now, as a camera that is unplugged."""
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except OSError:
        return path.as_posix().startswith(("/dev/video", "/dev/v4l/"))


def _folder(text: str, folder: Path) -> Source:
    """The pictures of a folder; its other files, but for hidden ones, are ``skipped``."""
    files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    pictures = [file for file in files if content.kind_of(file) in ("picture", "unread")]
    if not pictures:
        raise Failure(f"{text}: no pictures in this folder ({content.READ})")
    skipped = [file.name for file in files if file not in pictures]
    return Files(text, "folder", PICTURES_PER_SECOND, len(pictures), skipped, _files=pictures)


def _video(text: str, path: Path) -> Source:
    # FFmpeg by name: OpenCV's picture-sequence reader would take clip01.mp4 for a pattern
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened() or int(capture.get(cv2.CAP_PROP_FOURCC)) == TERMINAL:
        capture.release()
        raise Failure(f"{text}: neither a picture nor a video that can be read; is it complete?")
    return Files(text, "video", frame_rate(capture, 25.0), frame_count(capture), _capture=capture)
