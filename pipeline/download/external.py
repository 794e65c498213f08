"""data/external/, where a person puts FER-2013 and other data sets: what is in it, and adding FER-2013 to it."""

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.download.class_names import SPELLINGS
from pipeline.download.labelled import EXPECTED, came, pictures_among
from pipeline.download.packing import CSV_NAMES, ENDINGS, Entry, faces_among, hidden, kind_of, open_entries
from pipeline.download.splits import NAME_IT, split_of
from pipeline.download.tables import tables_among
from pipeline.download.text import csv_columns, csv_lines, csv_size, open_csv
from pipeline.faces import datasets, fer2013
from pipeline.system.atomic import atomic_file, atomic_folder
from pipeline.system.failure import Failure, did_you_mean

EXTERNAL = Path("data/external")
# The FER+ votes, which may be beside the edition: see pipeline.faces.votes
VOTES_FILES = ("fer2013new.csv", "ferplus_votes.csv")
# Characters of a pixel in a CSV, with the blank behind it: "0 " to "255 "
PIXEL_CHARACTERS = (2, 4)
PIXELS = 48 * 48


@dataclass
class Contents:
    """What data/external/ holds, by a cheap look at names, headers and sizes.

    Attributes:
        editions: of FER-2013, sorted; the folder itself when train/ and test/ are directly in it.
        named: other data sets by their name, the folder's or the zip's.
        unnamed: other data that has no name which a data set may have, and what it seems to be.
        unreadable: what looks like data and holds no faces, and why.
    """

    editions: list[Path] = field(default_factory=list)
    named: dict[str, Path] = field(default_factory=dict)
    unnamed: dict[Path, str] = field(default_factory=dict)
    unreadable: dict[Path, str] = field(default_factory=dict)

    def check_names(self) -> None:
        """Raise Failure, which asks for its name, where there is no FER-2013 but other data without one."""
        if self.editions:
            return
        for path, what in self.unnamed.items():
            raise Failure(f"{path}: not FER-2013, which has {fer2013.IMAGES:,} images, but {what}; {NAME_IT}")
        for path, why in self.unreadable.items():
            raise Failure(f"{path}: cannot be read: {why}; expected an edition of FER-2013, or a data set under its "
                          f"name ({EXTERNAL.as_posix()}/README.md)")


def look_into(folder: Path = EXTERNAL) -> Contents:
    """What the folder holds."""
    contents = Contents()
    parts = {part for child in folder.iterdir() if (part := _part_of(child))} if folder.is_dir() else set()
    for path in sorted(parts):
        try:
            what = other_than_fer2013(path)
        except _NoFaces as failure:
            contents.unreadable[path] = str(failure)
            continue
        except Failure:
            what = ""  # damaged: reading it says where
        name = path.name.removesuffix(".zip")
        if not what:
            contents.editions.append(path)
        elif path != folder and (path.is_dir() or path.suffix == ".zip") and _may_be_called(name):
            contents.named[name] = path
        else:
            contents.unnamed[path] = what
    return contents


def editions_in(folder: Path) -> list[Path]:
    """The editions of FER-2013 in data/external/."""
    return look_into(folder).editions


def find_external(folder: Path = EXTERNAL) -> Path | None:
    """The edition that ``source: auto`` takes: the first by name, or None."""
    return next(iter(editions_in(folder)), None)


def find_named(name: str, folder: Path = EXTERNAL) -> Path:
    """The folder or zip of a data set. Raises Failure that names those that there are."""
    paths = [path for path in (folder / name, folder / f"{name}.zip") if path.exists()]
    if len(paths) > 1:
        raise Failure(f"{paths[0]}: there is also {paths[1].name}; remove one of the two")
    if paths:
        return paths[0]
    known = sorted({*look_into(folder).named, *datasets.BUILT_IN})
    raise Failure(f"{folder / name}: missing, and no {name}.zip there{did_you_mean(name, known)}; put the data set "
                  f"there ({EXTERNAL.as_posix()}/README.md says how), or say one of {', '.join(known)}")


def find_votes(folder: Path) -> Path | None:
    """The FER+ votes' file, or None."""
    return next((folder / name for name in VOTES_FILES if (folder / name).is_file()), None)


class _NoFaces(Failure):
    """Neither an edition of FER-2013 nor another data set."""


def other_than_fer2013(path: Path) -> str:
    """What this is if it is not FER-2013, in words; empty where it may be FER-2013.

    Decided by how many images it has, which takes a list of names or the size of a CSV. A part of FER-2013 has to be
    named after it, such as fer2013_sample.csv. Raises Failure for what is
    damaged, and ``_NoFaces`` for what is neither.
    """
    if kind_of(path) in ("folder", "zip"):
        with open_entries(path) as entries:
            pictures = [entry.name.split("/") for entry in pictures_among(entries)]
            tables, others = tables_among(entries)
            csvs = [entry.name for entry in entries if entry.name.casefold().endswith(".csv")]
        edition = [parts[-1] for parts in pictures if len(parts) > 2 and parts[-3].casefold() in ("train", "test")]
        validation = next((name for parts in pictures for name in parts[:-1] if split_of(name) == "PublicTest"), None)
        whole = fer2013.near(len(edition))
        part = fer2013.may_be(len(edition), path.name) and all(map(fer2013.named_like_its_pictures, edition))
        if (whole or part) and not validation:
            return ""
        if any(len(parts) > 1 for parts in pictures) or (pictures and tables):
            folder = f", with a folder {validation} that FER-2013 has not" if validation else ""
            return f"{len(pictures):,} pictures{folder}"
        if pictures or not csvs:
            raise _NoFaces(others[0] if others else f"{came(entries)}, {EXPECTED}")
        if tables and not any(Path(name).name.casefold() in CSV_NAMES for name in csvs):
            return f"the tables {', '.join(table.entry.name for table in tables)}" if len(tables) > 1 else _table(path)
    return _table(path)


def _table(path: Path) -> str:
    """The same for a CSV or a file that holds one."""
    with open_csv(path) as stream:
        header = next(csv_lines(stream, path), b"")
    try:
        csv_columns(header, path)
    except Failure as failure:
        raise _NoFaces(str(failure).removeprefix(f"{path}: ")) from failure
    size = csv_size(path)
    least, most = (size // (PIXELS * characters) for characters in reversed(PIXEL_CHARACTERS))
    whole = least <= fer2013.IMAGES * (1 + fer2013.DAMAGE) and most >= fer2013.IMAGES * (1 - fer2013.DAMAGE)
    return "" if whole or fer2013.may_be(most, path.name) else f"a table of about {size / (PIXELS * 3.6):,.0f} faces"


def check_is_fer2013(path: Path) -> None:
    """Raise Failure, which asks for a name, where this is other data than FER-2013."""
    if what := other_than_fer2013(path):
        raise Failure(f"{path}: not FER-2013, which has {fer2013.IMAGES:,} images, but {what}; {NAME_IT}")


def add_edition(path: Path, external: Path = EXTERNAL) -> Path:
    """Copy the zip, CSV or folder that a person names into data/external/, whole or not at all.

    Returns:
        Its path in data/external/; what is in there already is not copied again.

    Raises:
        Failure: ``path`` does not exist or is not FER-2013, or another edition is in data/external/.
    """
    path = path.expanduser()
    files = _look(path)
    check_is_fer2013(path)
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


def _part_of(child: Path) -> Path | None:
    """What a child of data/external/ belongs to: itself, or the folder where it is called like a split or an emotion;
    None where it is no data."""
    if hidden(child.name) or child.name in VOTES_FILES:
        return None
    if child.is_dir():
        return child.parent if split_of(child.name) or child.name.casefold() in SPELLINGS else child
    return child if child.name.casefold().endswith(ENDINGS) else None


def _may_be_called(name: str) -> bool:
    return name not in datasets.BUILT_IN and not datasets.problem(name)


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
