"""How an edition of FER-2013 is packed: folder, zip, CSV, gzip or tar.gz; read without unpacking it to the disk."""

import gzip
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from pipeline.download.splits import NAME_IT, split_of
from pipeline.system.damage import DAMAGE
from pipeline.system.failure import Failure

ENDINGS = (".zip", ".csv", ".csv.gz", ".tar.gz", ".tgz")
CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")
# Folders above a picture: archive/fer2013/train/CLASS at most
EDITION_DEPTH = 3
AGAIN = "copy or download it again"


class Entry(NamedTuple):
    """One file of an edition: its name below the edition's top (with ``/``), its size in bytes, and its bytes.

    Attributes:
        offset: where it begins in a zip; -1 elsewhere.
    """

    name: str
    size: int
    open: Callable[[], IO[bytes]]
    offset: int = -1

    def read(self) -> bytes:
        with self.open() as stream:
            return stream.read()


def kind_of(path: Path) -> str:
    """``folder``, ``zip``, ``gzip``, ``tar.gz`` or ``csv``, by the first bytes rather than by the name."""
    if path.is_dir():
        return "folder"
    if path.exists() and not path.is_file():
        # nobody may ever write into a pipe, and a device may have no end
        raise Failure(f"{path}: neither a file nor a folder, but a pipe or a device; name a zip, a CSV or a folder")
    try:
        with open(path, "rb") as file:
            start = file.read(2)
        if start == b"\x1f\x8b":
            with gzip.open(path) as unpacked:
                return "tar.gz" if unpacked.read(512)[257:262] == b"ustar" else "gzip"
    except FileNotFoundError:
        raise Failure(f"{path}: does not exist; name a zip, a CSV or a folder of FER-2013") from None
    except DAMAGE as error:
        raise Failure(f"{path}: cannot be read ({error}); {AGAIN}") from error
    if start == b"PK":
        return "zip"
    if path.suffix.lower() == ".zip" or not start:
        raise Failure(f"{path}: {'not a zip file' if start else 'an empty file'}; {AGAIN}")
    return "csv"


@contextmanager
def open_entries(path: Path, depth: int = EDITION_DEPTH) -> Iterator[list[Entry]]:
    """The files of a zip or a folder, without links, hidden files and, in a folder, those below ``depth`` others."""
    if path.is_dir():
        yield list(_folder(path, depth))
        return
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGE as error:
        raise Failure(f"{path}: a damaged or truncated zip ({error}); {AGAIN}") from error
    with archive:
        yield list(_zip(archive, path))


def faces_among(entries: list[Entry], where: Path) -> tuple[str, list[Entry]]:
    """``("pictures", train/CLASS/FILE and test/CLASS/FILE)`` or ``("csv", [the one CSV])``, else a Failure.

    Either may be below one more folder, which is cut off the pictures' names.
    """
    pictures, tops = [], set()
    for entry in entries:
        parts = entry.name.split("/")
        if len(parts) in (3, 4) and parts[-3].casefold() in ("train", "test"):
            tops.add("/".join(parts[:-3]))
            pictures.append(entry._replace(name="/".join((parts[-3].casefold(), *parts[-2:]))))
        elif len(parts) in (2, 3) and parts[-2].casefold() in ("train", "test"):
            raise Failure(f"{where}: {entry.name}: is in no class folder; expected train/CLASS/FILE, test/CLASS/FILE")
        elif len(parts) in (3, 4) and split_of(parts[-3]) == "PublicTest":
            raise Failure(f"{where}: {entry.name}: FER-2013 has no folder {parts[-3]!r}, so these are other splits; "
                          f"{NAME_IT}")
    if len(tops) > 1:
        raise Failure(f"{where}: faces in several folders ({', '.join(sorted(top or '.' for top in tops))}); keep one")
    if pictures:
        return "pictures", sorted(pictures, key=lambda entry: entry.name)
    tables = {entry.name.rsplit("/", 1)[-1].casefold(): entry for entry in entries
              if entry.name.casefold().endswith(".csv") and entry.name.count("/") <= 1}
    known = [tables[name] for name in CSV_NAMES if name in tables] or list(tables.values())
    if known and (len(tables) == 1 or known[0].name.rsplit("/", 1)[-1].casefold() in CSV_NAMES):
        return "csv", known[:1]
    what = "several CSVs" if tables else "no faces of FER-2013 in it"
    raise Failure(f"{where}: {what}; expected train/CLASS/FILE and test/CLASS/FILE, or {' or '.join(CSV_NAMES)}")


def check_left_out(path: Path, taken: list[Entry]) -> list[str]:
    """What a person should know about the files of a zip that are no faces.

    A single damaged byte in a zip's list of files may make another file of a picture, or a link, or swallow what comes
    after it. The name stands before the file too, and the list's length at the archive's end. Raises Failure where
    these differ.
    """
    if path.is_dir():
        return []
    offsets = {entry.offset for entry in taken}
    links = []
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        file.seek(-22 - len(archive.comment), os.SEEK_END)
        end = file.read(12)
        listed, expected = len(archive.infolist()), int.from_bytes(end[10:], "little")
        # of more files than the number can say it has the largest, or its last bits
        if end.startswith(b"PK\5\6") and expected not in (0xFFFF, listed % 2**16):
            raise Failure(f"{path}: a damaged list of files, of {expected:,} there are {listed:,}; {AGAIN}")
        for info in archive.infolist():
            if info.header_offset in offsets:
                continue
            try:
                archive.open(info).close()
            except zipfile.BadZipFile as error:
                raise Failure(f"{path}: {info.filename!r}: a damaged name or file ({error}); {AGAIN}") from error
            except DAMAGE:  # encrypted, or packed in an odd way: it is not read anyway
                pass
            if stat.S_ISLNK(info.external_attr >> 16):
                links.append(info.filename)
    return [f"left out: {len(links):,} links in the zip, such as {links[0]}"] if links else []


def safe_name(name: str, where: Path) -> str:
    """The name with forward slashes and without ``./``; Failure when it is absolute or climbs out of the archive."""
    name = name.replace("\\", "/")
    if name.startswith("/") or re.match("[A-Za-z]:", name) or ".." in name.split("/"):
        raise Failure(f"{where}: {name}: a path that leads out of the archive; do not trust this file, get another")
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def hidden(name: str) -> bool:
    """Whether a path is a file that operating systems add by themselves (``__MACOSX/``, ``._x.csv``), or hidden."""
    return any(part.startswith((".", "__MACOSX")) or part in ("Thumbs.db", "desktop.ini") for part in name.split("/"))


def _zip(archive: zipfile.ZipFile, path: Path) -> Iterator[Entry]:
    for info in archive.infolist():
        name = safe_name(info.filename, path)
        if not name.strip("/"):
            if not info.filename:
                raise Failure(f"{path}: a file without a name; {AGAIN}")
            continue  # the folder itself
        if not (info.is_dir() or stat.S_ISLNK(info.external_attr >> 16) or hidden(name)):
            yield Entry(name, info.file_size, partial(archive.open, info), info.header_offset)


def _folder(folder: Path, depth: int, above: str = "") -> Iterator[Entry]:
    with os.scandir(folder) as children:
        for child in children:
            if hidden(child.name) or child.is_symlink():
                continue
            if child.is_file():
                yield Entry(above + child.name, child.stat().st_size, partial(_open, child.path))
            elif child.is_dir() and above.count("/") < depth:
                yield from _folder(Path(child.path), depth, f"{above}{child.name}/")


def _open(path: str) -> IO[bytes]:
    return open(path, "rb")
