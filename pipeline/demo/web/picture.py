"""Decodes a client's picture, or says in one sentence why not."""

import numpy as np

from pipeline.demo.sources.pictures import decode, size_of
from pipeline.system.failure import Failure

SHORT = "the picture"


class Refused(Exception):
    """A picture or request that is refused, with an HTTP status and a sentence for the person."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


def unpack(data: bytes, most_pixels: int, halving: bool = False) -> tuple[np.ndarray, int]:
    """A JPEG, PNG or WebP as BGR ``(H, W, 3)``, rotated as its EXIF data says, and 1.

    Args:
        halving: a JPEG with up to four times as many pixels is read at half its width and height, which is quick, and
            2 is returned.

    Raises Refused for a broken or too large picture (more than ``most_pixels``, by its header) and for every other
    format, which is never passed to a decoder.
    """
    if not (data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or (data[:4], data[8:12]) == (b"RIFF", b"WEBP")):
        raise Refused(415, "not a JPEG, PNG or WebP picture")
    try:
        width, height = size_of(data, SHORT)
        halved = halving and width * height > most_pixels and data.startswith(b"\xff\xd8\xff")
        return decode(data, SHORT, most_pixels, halved), 1 + halved
    except Failure as failure:
        sentence = str(failure).removeprefix(f"{SHORT}: ")
        raise Refused(413 if "pixels" in sentence else 415, sentence) from None
