"""Decodes a picture: bounded in size, rotated as its EXIF data says, whole or refused in one line."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from pipeline.demo.sources import content
from pipeline.system.failure import Failure

if TYPE_CHECKING:
    from PIL import Image

# A small file can unpack to gigabytes: 120 million pixels, as the largest phones take, are 360 MB
MOST_PIXELS = 120_000_000
# Pillow's names of the forms that ``content.is_picture`` knows
_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "JPEG2000", "PPM")
_ANIMATED = ("PNG", "WEBP", "AVIF", "GIF")
# TIFF's tag NewSubfileType, of which bit 0 is a smaller version of another page; a camera's raw file begins with one
_SUBFILE, _SMALLER = 254, 1


class Animation(NamedTuple):
    """An animated picture: how many frames, and the time of each in seconds."""

    times: list[float]
    fps: float


def read_picture(path: Path) -> np.ndarray:
    """A file's picture as uint8 BGR ``(H, W, 3)``.

    Raises Failure when it cannot be read, and for an animation, of which this would be a part.
    """
    if is_animated(path):
        raise Failure(f"{path}: an animation; read it as a video")
    try:
        with open(path, "rb") as file:
            head = file.read(content.HEAD)
            # A video of gigabytes is not read for nothing
            data = head + file.read() if content.is_picture(head) else head
    except OSError as error:
        raise Failure(f"{path}: cannot be read ({error.strerror})") from error
    return decode(data, str(path))


def decode(data: bytes, name: str, most_pixels: int = MOST_PIXELS, halved: bool = False) -> np.ndarray:
    """The picture in these bytes as uint8 BGR ``(H, W, 3)``, rotated as its EXIF data says; the first of an animation.

    Args:
        name: how messages call it.
        most_pixels: larger ones are refused from their header, before they are decoded.
        halved: at half its width and height, if it is a JPEG; then ``most_pixels`` are those of the result.

    Raises Failure when it is no picture, too large, of a form of which only a part would be read, or damaged beyond
    repair.
    """
    with _opened(io.BytesIO(data), name) as header:
        shape, form = header.size, header.format
        # MPO is a JPEG with further pictures behind it
        halved = halved and form in ("JPEG", "MPO")
        if shape[0] * shape[1] > most_pixels * (4 if halved else 1):
            raise _too_large(name, most_pixels)
        if form == "TIFF":
            _check_pages(header, name)
        if form == "AVIF":  # OpenCV does not rotate it
            return _with_pillow(header, name)
    # Decoded from memory because ``cv2.imread`` cannot open Windows paths with accents
    try:
        frame = cv2.imdecode(np.frombuffer(data, "uint8"), cv2.IMREAD_REDUCED_COLOR_2 if halved else cv2.IMREAD_COLOR)
    except cv2.error:
        frame = None
    if frame is None:
        raise _broken(name)
    return frame


def size_of(data: bytes, name: str) -> tuple[int, int]:
    """Width and height by the header, before the EXIF rotation. Raises Failure where it cannot be read."""
    with _opened(io.BytesIO(data), name) as header:
        return header.size


def is_animated(path: Path) -> bool:
    """Whether a picture has several frames. Raises Failure where it cannot be read."""
    with _opened_file(path) as header:
        return _frames(header, str(path)) > 1


def animation(path: Path) -> Animation:
    """The times of an animated picture's frames. Raises Failure where none can be read.

    A frame of less than 20 ms lasts 100 ms, as in every browser.
    """
    times, now = [], 0.0
    for _, milliseconds in _animated(path):
        times.append(now)
        now += (milliseconds if milliseconds >= 20 else 100.0) / 1000
    if not times:
        raise _broken(str(path))
    shortest = min(later - time for time, later in zip(times, [*times[1:], now], strict=True))
    return Animation(times, min(50.0, 1 / shortest))


def frames_of(path: Path) -> Iterator[np.ndarray]:
    """The frames of an animated picture as uint8 BGR ``(H, W, 3)``; they end at the first that is broken."""
    return (frame for frame, _ in _animated(path))


def _animated(path: Path) -> Iterator[tuple[np.ndarray, float]]:
    """The frames of an animated picture, each with its duration in milliseconds."""
    with _opened_file(path) as header:
        for index in range(_frames(header, str(path))):
            try:
                header.seek(index)
                frame = _with_pillow(header, str(path))
                # WebP and AVIF tell it only after the frame is read
                milliseconds = float(header.info.get("duration") or 0)
            except Exception:
                return
            yield frame, milliseconds


@contextmanager
def _opened(file: IO[bytes], name: str) -> "Iterator[Image.Image]":
    """The picture with its header read. Raises Failure where it is none that is read, or far too large."""
    from PIL import Image

    head = file.read(content.HEAD)
    file.seek(0)
    if form := content.unread(head):
        raise Failure(f"{name}: {form}, which is not read; save it as JPEG or PNG")
    if not content.is_picture(head):
        raise _broken(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns at a bound of its own
            header = Image.open(file, formats=_FORMATS)
    except Image.DecompressionBombError:
        raise _too_large(name, MOST_PIXELS) from None
    except Exception:  # a broken file makes Pillow's readers raise nearly anything
        # What Pillow cannot read is not passed on to OpenCV
        raise _broken(name) from None
    with header:
        yield header


@contextmanager
def _opened_file(path: Path) -> "Iterator[Image.Image]":
    try:
        file = open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise Failure(f"{path}: cannot be read ({error.strerror})") from error
    with file, _opened(file, str(path)) as header:
        yield header


def _frames(header: "Image.Image", name: str) -> int:
    """How many frames an animated picture has; 1 for any other."""
    if header.width * header.height > MOST_PIXELS:
        raise _too_large(name, MOST_PIXELS)
    try:
        return int(getattr(header, "n_frames", 1)) if header.format in _ANIMATED else 1
    except Exception:
        raise _broken(name) from None


def _check_pages(header: "Image.Image", name: str) -> None:
    """Raise Failure for a TIFF of which the first page is not all: one with several pages, or a camera's raw file."""
    try:
        pages = []
        for index in range(header.n_frames):  # type: ignore[attr-defined]
            header.seek(index)
            pages.append(header.tag_v2.get(_SUBFILE, 0) & _SMALLER)  # type: ignore[attr-defined]
        header.seek(0)
    except Exception:
        raise _broken(name) from None
    if pages[0]:
        raise Failure(f"{name}: a camera's raw file, which is not read; save it as JPEG or PNG")
    if pages.count(0) > 1:
        raise Failure(f"{name}: a TIFF with {pages.count(0)} pages; save each as a picture of its own")


def _with_pillow(header: "Image.Image", name: str) -> np.ndarray:
    from PIL import ImageOps

    try:
        upright = ImageOps.exif_transpose(header).convert("RGB")
        return cv2.cvtColor(np.asarray(upright), cv2.COLOR_RGB2BGR)
    except Exception:
        raise _broken(name) from None


def _broken(name: str) -> Failure:
    return Failure(f"{name}: not a picture that can be read; is it complete?")


def _too_large(name: str, most_pixels: int) -> Failure:
    return Failure(f"{name}: more than {most_pixels // 1_000_000} million pixels; make it smaller")
