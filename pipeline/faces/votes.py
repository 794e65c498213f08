"""The FER+ votes: what ten annotators each saw in every image of FER-2013 (Barsoum et al. 2016, arXiv 1608.01041).

*Votes* are the counts, uint8 ``(N, 10)``: how many of the annotators chose each of the COLUMNS for a face.
"""

import csv
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.faces.faces import Faces
from pipeline.faces.manifest import VotesOrigin
from pipeline.system.failure import Failure

# As the file of github.com/microsoft/FERPlus names and orders them
COLUMNS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
# How many of them are emotions: the first ones
EMOTION_COLUMNS = 8
# ``ids``: the names in Kaggle's folder, without .jpg, in the order of the CSV edition's rows. FER+ calls 177 images no
# face (NF); which of their rows belongs to which of their names is arbitrary. The images of two names that
# Kaggle has in two class folders each have no votes
KAGGLE = Path(__file__).parent / "kaggle_rows.npz"


def with_votes(faces: Faces, path: Path) -> Faces:
    """The faces with the votes in this file, uint8 ``(N, 10)`` in the order of COLUMNS; zeros for faces not in it.

    The original file (fer2013new.csv) has the CSV edition's rows in their order: the ids of that edition end in the
    row's number, for those of Kaggle's folder KAGGLE knows the row. A file with a column ``image`` goes by the ids.

    Raises:
        Failure: It is another kind of file, or has votes of less than half of the faces.
    """
    table = csv.DictReader(path.read_text(encoding="utf-8-sig", errors="replace").splitlines())
    names = table.fieldnames or []
    if not set(COLUMNS) <= set(names):
        raise Failure(f"{path}: not the votes of FER+; expected the columns {', '.join(COLUMNS)}")
    by_row = "image" not in names
    votes_of: dict[str | int, list[int]] = {}
    try:
        for number, row in enumerate(table):
            votes_of[number if by_row else row["image"]] = counts = [int(row[name]) for name in COLUMNS]
            if not all(0 <= count <= 255 for count in counts):
                raise ValueError
    except (TypeError, ValueError, csv.Error) as error:
        raise Failure(f"{path}: line {table.line_num}: a vote that is no whole number from 0 to 255; copy the file "
                      "again") from error
    keys = _rows(faces, path) if by_row else faces.ids.tolist()
    votes = np.array([votes_of.get(key, [0] * len(COLUMNS)) for key in keys], "uint8").reshape(-1, len(COLUMNS))
    known = int(votes.any(axis=1).sum())
    if known < len(faces) / 2:
        raise Failure(f"{path}: has votes of only {known:,} of {len(faces):,} faces, so it belongs to other images; "
                      "remove it, or put the file of these faces there")
    origin: VotesOrigin = {"source": path.name, "sha256": digest(faces.ids, votes), "faces": known}
    return replace(faces, votes=votes, manifest={**faces.manifest, "votes": origin})


def _rows(faces: Faces, path: Path) -> list[int]:
    """Each face's row in the CSV edition, from 0; -1 where it is not known."""
    names = faces.ids.tolist()
    if faces.manifest.get("splits_from") == "Usage":
        return [int(name.rsplit("_", 1)[1]) for name in names]
    with np.load(KAGGLE, allow_pickle=False) as kaggle:
        row_of = {name.decode(): row for row, name in enumerate(kaggle["ids"].tolist())}
    rows = [row_of.get(name, -1) for name in names]
    if rows.count(-1) > len(rows) / 2:
        raise Failure(f"{path}: counts the rows of FER-2013's CSV edition, but the faces of {faces.manifest['source']} "
                      "have other names than Kaggle's; use that edition or Kaggle's folder, or remove the votes")
    return rows


def digest(ids: np.ndarray, votes: np.ndarray) -> str:
    """sha256 over the faces' ids and votes, whichever file they came from."""
    sha = hashlib.sha256("\n".join(ids.tolist()).encode())
    sha.update(np.ascontiguousarray(votes).tobytes())
    return sha.hexdigest()


def shares(votes: np.ndarray) -> np.ndarray:
    """float32 ``(N, 8)``: each emotion's share of the votes for an emotion; zeros where there are none."""
    counts = votes[:, :EMOTION_COLUMNS].astype("float32")
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
