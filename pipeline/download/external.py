"""data/external/, where a person puts FER-2013: which editions are in it, and adding one."""

import hashlib
import shutil
from pathlib import Path

from pipeline.download.packing import ENDINGS, Entry, faces_among, kind_of, open_entries
from pipeline.download.text import csv_columns, csv_lines, open_csv
from pipeline.system.atomic import atomic_file, atomic_folder
from pipeline.system.failure import Failure

EXTERNAL = Path("data/external")
# The FER+ votes, which may be beside the edition: see pipeline.faces.votes
VOTES_FILES = ("fer2013new.csv", "ferplus_votes.csv")


def editions_in(folder: Path) -> list[Path]:
    """What looks like an edition by its name, sorted; ``folder`` itself when train/ and test/ are directly in it."""
    if not folder.is_dir():
        return []
    editions = []
    for child in folder.iterdir():
        if child.name.startswith(".") or child.name in VOTES_FILES:
            continue
        if child.is_dir():
            editions.append(folder if child.name.casefold() in ("train", "test") else child)
        elif child.name.casefold().endswith(ENDINGS):
            editions.append(child)
    return sorted(set(editions))


def find_external(folder: Path = EXTERNAL) -> Path | None:
    """The edition that ``source: auto`` takes: the first by name, or None."""
    return next(iter(editions_in(folder)), None)


def find_votes(folder: Path) -> Path | None:
    """The FER+ votes' file, or None."""
    return next((folder / name for name in VOTES_FILES if (folder / name).is_file()), None)


def add_edition(path: Path, external: Path = EXTERNAL) -> Path:
    """Copy the zip, CSV or folder that a person names into data/external/, whole or not at all.

    Returns:
        Its path in data/external/; what is in there already is not copied again.

    Raises:
        Failure: ``path`` does not exist or does not look like an edition, or another edition is in data/external/.
    """
    path = path.expanduser()
    files = _look(path)
    others = editions_in(external)
    for other in others:
        if not _same(path, files, other):
            raise Failure(f"{other}: another edition of FER-2013 than {path}; remove one of the two, then run again")
    if others:
        return others[0]
    target = external / path.resolve().name.lstrip(".")
    if path.is_dir():
        if external.resolve().is_relative_to(path.resolve()):
            raise Failure(f"{path}: holds {external} itself; name the folder that holds train/ and test/")
        with atomic_folder(target) as new:
            for entry in files:
                (new / entry.name).parent.mkdir(parents=True, exist_ok=True)
                (new / entry.name).write_bytes(entry.read())
    else:
        with atomic_file(target) as new:
            shutil.copyfile(path, new)
    return target


def _look(path: Path) -> list[Entry]:
    """A cheap look whether it is an edition: a folder's or zip's faces by their names, a CSV by its header."""
    kind = kind_of(path)
    if kind != "folder" and not path.name.casefold().endswith(ENDINGS):
        raise Failure(f"{path}: unknown kind of file; expected a folder or {', '.join(ENDINGS)}")
    if kind in ("folder", "zip"):
        with open_entries(path) as entries:
            return faces_among(entries, path)[1]
    with open_csv(path) as stream:
        csv_columns(next(csv_lines(stream, path), b""), path)
    return []


def _same(path: Path, files: list[Entry], other: Path) -> bool:
    """The same bytes; of a folder, the same faces under the same names."""
    if path.samefile(other):
        return True
    if path.is_dir() != other.is_dir():
        return False
    if not path.is_dir():
        return path.stat().st_size == other.stat().st_size and _sha256(path) == _sha256(other)
    try:
        with open_entries(other) as entries:
            others = faces_among(entries, other)[1]
    except Failure:
        return False
    return [file[:2] for file in files] == [file[:2] for file in others] and all(
        file.read() == other.read() for file, other in zip(files, others, strict=True))


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
