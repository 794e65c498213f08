"""The files that ``ferpipe predict`` is asked to read: paths, folders and globs."""

import glob
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pipeline.demo.predict.marking import is_marked
from pipeline.demo.sources import content
from pipeline.system.address import shown
from pipeline.system.failure import Failure


class Selection(NamedTuple):
    """What to read, and what the folders hold beside it.

    Attributes:
        files: each once, in order.
        others: neither pictures nor videos.
        marked: what predict itself wrote.
    """

    files: list[Path]
    others: list[Path]
    marked: list[Path]

    def notes(self) -> list[str]:
        """A line about each kind of file that is left out."""
        kinds = ((self.others, "neither pictures nor videos"), (self.marked, "written by an earlier `ferpipe predict`"))
        return [f"left out, {why}: {_named(files)}" for files, why in kinds if files]


def expand(patterns: Iterable[str], outputs: Iterable[Path] = ()) -> Selection:
    """The files that paths, folders and globs stand for. A folder's files are told apart by their content.

    Args:
        outputs: the folders that will be written to. Videos and diagrams in them whose names are those of predict's own
            are left out of folders and globs; marked pictures are wherever they are.

    Raises Failure when one of the patterns matches no picture or video.
    """
    files: dict[Path, None] = {}
    searched: dict[Path, None] = {}
    others: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.is_file():
            files[path] = None
            continue
        if path.is_dir():
            entries = sorted(file for file in path.rglob("*") if not file.name.startswith(".") and file.is_file())
            kinds = {file: content.kind_of(file) for file in entries}
            matches = [file for file in entries if kinds[file] != "else"]
            others |= {file: None for file in entries if kinds[file] == "else"}
        else:  # Windows' shells leave globs to the program
            matches = sorted(file for file in _glob(path) if file.is_file())
        if not matches:
            raise Failure(f"{shown(pattern)}: no picture or video there")
        files |= dict.fromkeys(matches)
        searched |= dict.fromkeys(matches)
    folders = {folder.resolve() for folder in outputs}
    stems = {file.stem for file in files}
    marked = {file: None for file in searched if is_marked(file) or _is_output(file, folders, stems)}
    return Selection([file for file in files if file not in marked], [*others], [*marked])


def _is_output(file: Path, folders: set[Path], stems: set[str]) -> bool:
    """Whether a file is called as predict's video or diagram of another one, and lies where these are written."""
    name = re.fullmatch(r"(.+)-(?:faces\.webm|emotions\.png)", file.name)
    if name is None or file.parent.resolve() not in folders:
        return False
    return bool({name[1], re.sub(r"-\d+$", "", name[1])} & stems)


def _glob(pattern: Path) -> list[Path]:
    """The paths that match; a name that exists as it is written, as ``trip [2019]``, is no pattern."""
    start = Path(pattern.anchor)
    bases = [start]
    *folders, last = pattern.parts[1 if pattern.anchor else 0 :] or ("",)
    for part in folders:
        if part == "**":
            bases = [inner for base in bases for inner in (base, *(base / name for name in _matches(part, base)))
                     if inner.is_dir()]
        else:
            bases = [inner for base in bases for inner in _named_so(part, base) if inner.is_dir()]
    return list(dict.fromkeys(path for base in bases for path in _named_so(last, base)))


def _named_so(part: str, base: Path) -> list[Path]:
    exact = base / part
    return [exact] if exact.exists() else [base / name for name in _matches(part, base)]


def _matches(part: str, base: Path) -> list[str]:
    return glob.glob(part, root_dir=base, recursive=True)  # noqa: PTH207


def _named(files: list[Path], most: int = 5) -> str:
    """The first names, and how many more there are."""
    names = ", ".join(map(str, files[:most]))
    return f"{names} and {len(files) - most} more" if len(files) > most else names
