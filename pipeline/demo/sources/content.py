"""What a file is, by its first bytes: names lie, and some files have no ending."""

import re
from pathlib import Path
from typing import Literal

# ``unread``: a picture in a form of which OpenCV and FFmpeg read a part, as a tile or a thumbnail, or nothing
Kind = Literal["picture", "video", "unread", "else"]
PICTURE_ENDINGS = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff", ".jp2")
VIDEO_ENDINGS = (".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm", ".mpg", ".mpeg", ".mjpg", ".mjpeg", ".y4m", ".wmv",
                 ".flv", ".ogv", ".ts", ".mts", ".m2ts", ".3gp", ".h264", ".hevc")
READ = "JPEG, PNG, WebP, AVIF, GIF, BMP, TIFF, JPEG 2000 or PNM"
# Raw motion JPEG begins as a picture does; here alone the name decides
MOTION_JPEG = (".mjpg", ".mjpeg")
# Bytes that show it
HEAD = 64
_JPEG = b"\xff\xd8\xff"
_PICTURES = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF.{4}WEBP|II\*\x00|MM\x00\*|\x00\x00\x00\x0cjP  "
                       rb"|\xff\x4f\xff\x51|P[1-6]\s|BM.{4}\x00{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\x00", re.S)
_VIDEOS = re.compile(rb"\x1aE\xdf\xa3|RIFF.{4}AVI |OggS|FLV\x01|0&\xb2u\x8ef\xcf\x11|YUV4MPEG2|\x00\x00\x01[\xb3\xba]"
                     rb"|.{4}(moov|mdat|wide|free|skip|pnot)", re.S)
_UNREAD = (
    ("OpenEXR", re.compile(rb"v/1\x01")),
    ("Radiance HDR", re.compile(rb"#\?R(ADIANCE|GBE)")),
    ("JPEG XL", re.compile(rb"\xff\x0a|\x00\x00\x00\x0cJXL ")),
    ("Photoshop", re.compile(rb"8BP[SB]")),
    ("a camera's raw file", re.compile(rb"II\*\x00.{4}CR|FUJIFILMCCD-RAW|II(U\x00|RO|RS)|MMOR|\x00MRM|FOVb", re.S)),
)
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_AVIF = {b"avif", b"avis"}


def kind_of(path: Path) -> Kind:
    """What a file is: ``picture``, ``video``, ``unread`` or something else.

    One that is broken, or cannot be opened, is what its ending says: whoever reads it says what is wrong.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except OSError:
        head = b""
    suffix = path.suffix.lower()
    if unread(head):
        return "unread"
    if is_picture(head):
        return "video" if head.startswith(_JPEG) and suffix in MOTION_JPEG else "picture"
    if _VIDEOS.match(head) or _brands(head) or suffix in VIDEO_ENDINGS:
        return "video"
    return "picture" if suffix in PICTURE_ENDINGS else "else"


def is_picture(head: bytes) -> bool:
    """Whether these first bytes are those of a picture in a form that is read."""
    return _PICTURES.match(head) is not None or bool(_brands(head) & _AVIF)


def unread(head: bytes) -> str:
    """The name of the form, where these first bytes are those of a picture that is not read, as ``HEIC``; or empty."""
    brands = _brands(head)
    if brands & _HEIC and not brands & _AVIF:
        return "HEIC"
    if b"crx " in brands:
        return "a camera's raw file"
    return next((name for name, pattern in _UNREAD if pattern.match(head)), "")


def _brands(head: bytes) -> set[bytes]:
    """The brands of a file of ISO's base media format, to which MP4, HEIC and AVIF belong; of others none."""
    if head[4:8] != b"ftyp":
        return set()
    box = head[8 : int.from_bytes(head[:4], "big")]
    return {box[:4], *(box[start : start + 4] for start in range(8, len(box), 4))}
