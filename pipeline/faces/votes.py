"""The FER+ votes: what ten people each saw in every image of FER-2013 (Barsoum et al. 2016, arXiv 1608.01041)."""

import csv
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.faces.faces import Faces
from pipeline.system.failure import Failure

# As the file of github.com/microsoft/FERPlus names and orders them
COLUMNS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
EMOTIONS = 8
# ``ids``: the names in Kaggle's folder, without .jpg, in the order of the CSV edition's rows. Which row stands for
# which of the 177 images that FER+ calls no face is arbitrary; two names that stand in two of the folder's classes
# each have no votes
KAGGLE = Path(__file__).parent / "kaggle_rows.npz"


def with_votes(faces: Faces, path: Path) -> Faces:
    """The faces with the votes in this file, uint8 ``(N, 10)`` in the order of COLUMNS; zeros for faces not in it.

    The original file (fer2013new.csv) goes by the row in the CSV edition, whose ids tell it; for the ids of Kaggle's
    folder KAGGLE does. A file with a column ``image`` goes by the ids.

    Raises:
        Failure: It is another kind of file, or fits less than half of the faces.
    """
    lines = csv.DictReader(path.read_text(encoding="utf-8-sig", errors="replace").splitlines())
    names = lines.fieldnames or []
    if not set(COLUMNS) <= set(names):
        raise Failure(f"{path}: not the votes of FER+; expected the columns {', '.join(COLUMNS)}")
    by_row = "image" not in names
    found: dict[str | int, list[int]] = {}
    for number, line in enumerate(lines):
        try:
            found[number if by_row else line["image"]] = [int(line[name]) for name in COLUMNS]
        except (TypeError, ValueError) as error:
            raise Failure(f"{path}: row {number}: a vote that is no whole number; copy the file again") from error
    keys = _rows(faces, path) if by_row else faces.ids.tolist()
    votes = np.array([found.get(key, [0] * len(COLUMNS)) for key in keys], "uint8").reshape(-1, len(COLUMNS))
    known = int(votes.any(axis=1).sum())
    if known < len(faces) / 2:
        raise Failure(f"{path}: fits only {known:,} of {len(faces):,} faces; it belongs to other images, take it away")
    about = {"source": path.name, "sha256": digest(faces.ids, votes), "faces": known}
    return replace(faces, votes=votes, manifest={**faces.manifest, "votes": about})


def _rows(faces: Faces, path: Path) -> list[int]:
    """Each face's row in the CSV edition, from 0; -1 where it is not known."""
    names = faces.ids.tolist()
    if faces.manifest.get("splits_from") == "Usage":
        return [int(name.rsplit("_", 1)[1]) for name in names]
    with np.load(KAGGLE, allow_pickle=False) as kaggle:
        row_of = {name.decode(): row for row, name in enumerate(kaggle["ids"].tolist())}
    numbers = [row_of.get(name, -1) for name in names]
    if numbers.count(-1) > len(numbers) / 2:
        raise Failure(f"{path}: counts the rows of FER-2013's CSV edition, but the faces of {faces.manifest['source']} "
                      "have other names than Kaggle's; use that edition or Kaggle's folder, or take the votes away")
    return numbers


def digest(ids: np.ndarray, votes: np.ndarray) -> str:
    """sha256 over the faces and what was seen in each, whatever file that came in."""
    sha = hashlib.sha256("\n".join(ids.tolist()).encode())
    sha.update(np.ascontiguousarray(votes).tobytes())
    return sha.hexdigest()


def shares(votes: np.ndarray) -> np.ndarray:
    """float32 ``(N, 8)``: each emotion's share of a face's votes; zeros where nobody saw one."""
    counts = votes[:, :EMOTIONS].astype("float32")
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
