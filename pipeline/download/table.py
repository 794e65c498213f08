"""The CSV edition: one face a row, with the columns emotion (0 to 6), pixels (2,304 numbers) and Usage (the split)."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipeline.download.text import csv_columns
from pipeline.faces.faces import EMOTIONS, SIZE, SPLITS, Faces
from pipeline.system.failure import Failure

PIXELS = SIZE * SIZE
LABELS = {str(label): label for label in range(len(EMOTIONS))}


def read_csv(lines: Iterable[bytes], where: Path) -> Faces:
    """Parse the lines of fer2013.csv or icml_face_data.csv.

    Returns:
        The faces in the file's order. An id is the split and the row counted from 0 (``Training_000123``), the number
        that FER+ uses; the folder edition has other ids for the same faces. The manifest holds the text's sha256.

    Raises:
        Failure: A row that is not as it should be, with its line in the file (the header is line 1).
    """
    from tqdm import tqdm

    source = iter(lines)
    header = next(source, b"")
    sha = hashlib.sha256(header)
    column = csv_columns(header, where)
    width = header.count(b",") + 1
    images: list[np.ndarray] = []
    ids: list[str] = []
    splits: list[str] = []
    labels: list[int] = []
    rows = tqdm(source, desc=f"reading {where.name}", unit=" rows", leave=False, disable=None)
    for number, line in enumerate(rows, 2):
        sha.update(line)
        # No field holds a comma, and csv.reader takes fifteen times as long on fields of 9,000 characters
        cells = [cell.strip(' "') for cell in line.decode("ascii", "replace").rstrip("\r\n").split(",")]
        if cells == [""]:
            continue
        row = f"{where}: line {number}"
        if len(cells) != width:
            raise Failure(f"{row}: {len(cells)} columns, expected {width}; correct or remove the row")
        label, split = cells[column["emotion"]], cells[column["usage"]]
        if label not in LABELS:
            raise Failure(f"{row}: label {label[:20]!r}, expected 0 to {len(LABELS) - 1}; correct or remove the row")
        if split not in SPLITS:
            raise Failure(f"{row}: Usage {split[:20]!r}, expected {', '.join(SPLITS)}; correct or remove the row")
        images.append(_pixels(cells[column["pixels"]], row))
        ids.append(f"{split}_{len(ids):06d}")
        splits.append(split)
        labels.append(LABELS[label])
    return Faces(np.array(images, np.uint8).reshape(-1, SIZE, SIZE), np.array(ids), np.array(splits),
                 np.array(labels, "int64"), {"splits_from": "Usage", "notes": [], "contents_sha256": sha.hexdigest()})


def _pixels(text: str, row: str) -> np.ndarray:
    """A row's pixels, uint8 ``(2304,)``; ``row`` is how a Failure names it."""
    try:
        pixels = np.fromstring(text, dtype=np.int64, sep=" ")
    except ValueError:
        odd = next((value for value in text.split() if not value.isdecimal()), text[:20])
        raise Failure(f"{row}: pixel {odd[:20]!r} is not a whole number; correct or remove the row") from None
    if len(pixels) != PIXELS:
        raise Failure(f"{row}: {len(pixels)} pixels, expected {PIXELS}; correct or remove the row")
    if pixels.min() < 0 or pixels.max() > 255:
        odd = pixels[(pixels < 0) | (pixels > 255)][0]
        raise Failure(f"{row}: a pixel of {odd}, expected 0 to 255; correct or remove the row")
    return pixels.astype(np.uint8)
