"""A data set's labels in a CSV: a column with a path (or with pixels), one with the class, maybe one with the split."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.download.labelled import Labelled, pictures_among
from pipeline.download.packing import AGAIN, Entry
from pipeline.download.splits import split_of
from pipeline.system.damage import DAMAGE
from pipeline.system.failure import Failure

PATHS = ("path", "filepath", "imagepath", "imgpath", "file", "filename", "image", "imagename", "imagefile", "img",
         "name", "pth", "pixels")
LABELS = ("label", "labels", "emotion", "class", "classname", "expression", "category", "target", "emotionlabel")
SPLITS = ("split", "usage", "subset", "set", "partition", "phase")
DELIMITERS = ",;\t|"
ROWS_LIMIT = 5_000_000
LINE_LIMIT = 2**20  # characters; a cell has at most 131,072, as the pixels of a picture of 190 x 190 take


class Table(NamedTuple):
    """A CSV that has a path or pixels and a label, and the index of each column; ``split`` is -1 where it has none."""

    entry: Entry
    header: tuple[str, ...]
    delimiter: str
    path: int
    label: int
    split: int

    @property
    def of_split(self) -> str:
        """The split that the file's own name says, as in train_labels.csv; empty if none."""
        return split_of(Path(self.entry.name).stem)


def tables_among(entries: list[Entry]) -> tuple[list[Table], list[str]]:
    """The CSVs that label pictures, and what the header of every other one is, for a Failure."""
    tables, others = [], []
    for entry in sorted(entries, key=lambda entry: entry.name):
        if not entry.name.casefold().endswith((".csv", ".tsv")):
            continue
        try:
            with entry.open() as stream:
                first = stream.readline(2**16).decode("utf-8-sig", "replace").strip("\r\n")
        except DAMAGE as error:
            raise Failure(f"{entry.name}: damaged ({error}); {AGAIN}") from error
        delimiter = max(DELIMITERS, key=first.count)
        header = tuple(cell.strip(' "') for cell in first.split(delimiter))
        plain = [cell.casefold().replace("_", "").replace(" ", "").replace("-", "") for cell in header]
        path, label, split = (next((plain.index(name) for name in names if name in plain), -1)
                              for names in (PATHS, LABELS, SPLITS))
        if path >= 0 and label >= 0:
            tables.append(Table(entry, header, delimiter, path, label, split))
        else:
            others.append(f"{entry.name} has the columns {', '.join(header)[:100]}")
    return tables, others


def from_tables(tables: list[Table], entries: list[Entry], where: Path) -> tuple[list[Labelled], list[str]]:
    """Every listed picture with its class and split, and what a person should know.

    Raises Failure for a row that is not as it should be, and for several tables that do not say which split they have.
    """
    if len(tables) > 1 and not all(table.of_split and table.split < 0 for table in tables):
        raise Failure(f"{where}: several tables with labels ({', '.join(table.entry.name for table in tables)}); keep "
                      "one, or call them train.csv, val.csv and test.csv")
    files = _Files(pictures_among(entries), where)
    labelled: dict[str, Labelled] = {}
    for table in tables:
        for row, cells in _rows(table, where):
            entry = (_pixels(cells[table.path], f"{Path(table.entry.name).stem}_{len(labelled):06d}.pgm", row)
                     if table.header[table.path].casefold() == "pixels" else files.find(cells[table.path], table, row))
            if entry.name in labelled:
                raise Failure(f"{row}: {entry.name} is in the table twice; remove one of the rows")
            labelled[entry.name] = Labelled(entry, _split(table, cells, entry, row), cells[table.label])
    names = ", ".join(table.entry.name for table in tables)
    if not labelled:
        raise Failure(f"{where}: {names}: no rows; expected a picture and its label in each")
    without = [item.entry.name for item in labelled.values() if not item.split]
    if without and len(without) < len(labelled):
        raise Failure(f"{where}: {names}: {without[0]} has no split, unlike others; complete the column, or leave it "
                      "out")
    notes = [f"labels from {names}; the names of folders do not count as classes"]
    if left := len(files.entries.keys() - labelled.keys()):
        notes.append(f"{left:,} pictures without a row there are left out")
    return list(labelled.values()), notes


class _Files:
    """The pictures by what may be left of their path: tables hold paths of other machines, and bare file names."""

    def __init__(self, pictures: list[Entry], where: Path):
        self.where = where
        self.entries = {entry.name: entry for entry in pictures}
        self._by_end: dict[str, list[Entry]] = {}
        for entry in pictures:
            parts = entry.name.split("/")
            for start in range(len(parts)):
                self._by_end.setdefault("/".join(parts[start:]), []).append(entry)

    def find(self, path: str, table: Table, row: str) -> Entry:
        parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        folder = table.entry.name.rpartition("/")[0]
        for name in ("/".join((folder, *parts)).lstrip("/"), "/".join(parts)):
            if name in self.entries:
                return self.entries[name]
        for start in range(len(parts)):
            ends = self._by_end.get("/".join(parts[start:]), [])
            # Of pictures of one name in two splits' folders a table of one split means its own
            mine = [entry for entry in ends if table.of_split in map(split_of, entry.name.split("/")[:-1])]
            ends = mine if table.of_split and mine else ends
            if len(ends) == 1:
                return ends[0]
            if ends:
                raise Failure(f"{row}: {path[:80]!r} may be {ends[0].name} or {ends[1].name}; complete the path")
        raise Failure(f"{row}: there is no picture {path[:80]!r} in {self.where}; correct the path or remove the row")


def _rows(table: Table, where: Path) -> Iterator[tuple[str, list[str]]]:
    """Every row below the header, and how a Failure names it."""
    name = f"{where}: {table.entry.name}"
    try:
        with table.entry.open() as stream, io.TextIOWrapper(stream, "utf-8-sig", "replace", newline="") as text:
            reader = csv.reader(_lines(text, name), delimiter=table.delimiter, skipinitialspace=True)
            next(reader, None)
            for number, cells in enumerate(reader):
                if number > ROWS_LIMIT:
                    raise Failure(f"{name}: more than {ROWS_LIMIT:,} rows; split it, or remove what is no row")
                if not any(cell.strip() for cell in cells):
                    continue
                row = f"{name}: line {reader.line_num}"
                if len(cells) != len(table.header):
                    raise Failure(f"{row}: {len(cells)} columns, expected {len(table.header)}; correct or remove the "
                                  "row")
                if not cells[table.label].strip():
                    raise Failure(f"{row}: no label; fill it in or remove the row")
                yield row, [cell.strip() for cell in cells]
    except DAMAGE as error:
        raise Failure(f"{name}: cannot be read ({error}); correct it or copy it again") from error


def _lines(text: io.TextIOBase, name: str) -> Iterator[str]:
    """The lines, none of which fills the memory."""
    while line := text.readline(LINE_LIMIT):
        if len(line) == LINE_LIMIT:
            raise Failure(f"{name}: a line of more than {LINE_LIMIT:,} characters; expected a row for each picture")
        yield line


def _split(table: Table, cells: list[str], entry: Entry, row: str) -> str:
    """The split of a row: by its column, else by the table's name, else by the picture's folder; empty if none."""
    if table.split < 0:
        return table.of_split or next(filter(None, map(split_of, entry.name.split("/")[:-1])), "")
    split = split_of(cells[table.split])
    if cells[table.split] and not split:
        raise Failure(f"{row}: {table.header[table.split]} {cells[table.split][:20]!r}, expected train, val or test; "
                      "correct or remove the row")
    return split


def _pixels(text: str, name: str, row: str) -> Entry:
    """A square picture out of its pixels, as a PGM file."""
    import numpy as np

    try:
        pixels = np.array(text.split(), np.int64)
    except ValueError:
        raise Failure(f"{row}: pixels that are no whole numbers ({text[:20]!r}); correct or remove the row") from None
    side = round(len(pixels) ** 0.5)
    if not side or side * side != len(pixels) or pixels.min() < 0 or pixels.max() > 255:
        raise Failure(f"{row}: {len(pixels)} pixels, expected those of a square picture, each 0 to 255; correct or "
                      "remove the row")
    content = b"P5 %d %d 255\n" % (side, side) + pixels.astype(np.uint8).tobytes()
    return Entry(name, len(content), lambda: io.BytesIO(content))
