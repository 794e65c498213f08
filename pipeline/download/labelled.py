"""A data set's pictures with their class and split as people write them down: in folders' names.

``train/CLASS/FILE`` with any of the splits' usual names (``splits.split_of``), ``CLASS/train/FILE``, or ``CLASS/FILE``
alone; below further folders on top, and with further ones below a class. ``tables`` reads labels from a CSV instead.
"""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from pipeline.download.packing import Entry
from pipeline.download.splits import split_of
from pipeline.system.failure import Failure

# What lies beside pictures; whatever else lies there has to be a picture, by its content
BESIDE = {".csv", ".tsv", ".txt", ".md", ".rst", ".json", ".xml", ".yaml", ".yml", ".html", ".pdf", ".doc", ".docx",
          ".xls", ".xlsx", ".npy", ".npz", ".mat", ".pkl", ".py", ".ipynb", ".db", ".ini", ".log", ".zip", ".gz",
          ".rar", ".7z", ".license", ".mp4", ".avi", ".mov"}
NO_ENDING = ("readme", "license", "licence")
EXPECTED = ("expected train/CLASS/FILE, val/CLASS/FILE and test/CLASS/FILE, or CLASS/FILE, or a CSV with a path and a "
            "label")


class Labelled(NamedTuple):
    """A picture, its split (empty where a seed is to decide) and its class, as it is written."""

    entry: Entry
    split: str
    label: str


def pictures_among(entries: list[Entry]) -> list[Entry]:
    """The files that have to be pictures, sorted by name."""
    return sorted((entry for entry in entries if _ending(entry) not in BESIDE and
                   entry.name.rpartition("/")[2].casefold() not in NO_ENDING), key=lambda entry: entry.name)


def from_folders(entries: list[Entry], where: Path) -> list[Labelled]:
    """Every picture with the split and class that its folders say. Raises Failure where they do not."""
    pictures = pictures_among(entries)
    if not pictures:
        raise Failure(f"{where}: no pictures in it, {came(entries)}; {EXPECTED}")
    folders = [entry.name.split("/")[:-1] for entry in pictures]
    levels = [next((level for level, name in enumerate(above) if split_of(name)), None) for above in folders]
    if not any(level is not None for level in levels):
        return _one_level(folders, pictures, where)
    in_classes = all(level and len(above) == level + 1 for level, above in zip(levels, folders, strict=True))
    if in_classes and len({above[-2] for above in folders}) > 1:  # CLASS/train/FILE
        return [Labelled(entry, split_of(above[-1]), above[-2]) for entry, above in zip(pictures, folders, strict=True)]
    level = _split_level(levels, folders, pictures, where)
    labelled = []
    for entry, above in zip(pictures, folders, strict=True):
        if len(above) < level + 2:
            raise Failure(f"{where}: {entry.name}: is in no class folder; {EXPECTED}")
        labelled.append(Labelled(entry, split_of(above[level]), above[level + 1]))
    return labelled


def came(entries: list[Entry]) -> str:
    """What came instead, for a Failure: ``found 12 .txt, 3 .mp4``."""
    endings = Counter(_ending(entry) or "without ending" for entry in entries)
    return "found " + (", ".join(f"{count:,} {ending}" for ending, count in endings.most_common(5)) or "nothing")


def _ending(entry: Entry) -> str:
    # a Path for each of FER-2013's 35,887 names would take a second
    stem, dot, ending = entry.name.rpartition("/")[2].rpartition(".")
    return (dot + ending).casefold() if stem else ""


def _split_level(levels: list[int | None], folders: list[list[str]], pictures: list[Entry], where: Path) -> int:
    """How many folders are above those of the splits. Raises Failure where that differs between pictures."""
    tops = set()
    for level, above, entry in zip(levels, folders, pictures, strict=True):
        if level is None:
            raise Failure(f"{where}: {entry.name}: is in none of the folders train, val and test, unlike other "
                          "pictures; move or remove it")
        tops.add("/".join(above[:level]))
    if len(tops) > 1:
        names = ", ".join(sorted(top or "." for top in tops))
        raise Failure(f"{where}: train, val and test lie in several folders ({names}); keep one of them")
    top = tops.pop()
    return top.count("/") + 1 if top else 0


def _one_level(folders: list[list[str]], pictures: list[Entry], where: Path) -> list[Labelled]:
    """CLASS/FILE: the first level of folders that has more than one of them has the classes."""
    level = 0
    while all(len(above) > level + 1 for above in folders) and len({above[level] for above in folders}) == 1:
        level += 1
    for entry, above in zip(pictures, folders, strict=True):
        if len(above) <= level:
            raise Failure(f"{where}: {entry.name}: is in no class folder; {EXPECTED}")
    if len({above[level] for above in folders}) == 1:
        raise Failure(f"{where}: all pictures are in one folder, {folders[0][level]}; {EXPECTED}")
    return [Labelled(entry, "", above[level]) for entry, above in zip(pictures, folders, strict=True)]
