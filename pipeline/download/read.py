"""Every edition of FER-2013 as the same table: faces sorted by split and id, in whatever file they came."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.download.packing import check_left_out, faces_among, kind_of, open_entries
from pipeline.download.pictures import read_pictures
from pipeline.download.table import read_csv
from pipeline.download.text import csv_lines, open_csv
from pipeline.faces.faces import EMOTIONS, SPLITS, Faces
from pipeline.faces.manifest import Manifest
from pipeline.system.failure import Failure

PACKED = {"folder": "", "csv": "", "zip": " (zip)", "gzip": " (gzip)", "tar.gz": " (tar.gz)"}


def read_edition(path: Path, validation_share: float) -> Faces:
    """Read the faces out of a folder, a zip, a CSV or a packed CSV.

    Args:
        path: Any edition of FER-2013, see data/README.md.
        validation_share: For a folder edition without splits in its file names.

    Returns:
        Faces sorted by split (Training, PublicTest, PrivateTest) and id. The manifest says edition, source (the file's
        name), splits_from, contents_sha256 (the same for every packing) and notes.

    Raises:
        Failure: What is wrong, in which file and where in it.
    """
    kind = kind_of(path)
    content = "csv"
    if kind in ("folder", "zip"):
        with open_entries(path) as entries:
            content, chosen = faces_among(entries, path)
            if content == "pictures":
                faces = read_pictures(chosen, path, validation_share)
                faces.manifest["notes"] += check_left_out(path, chosen)
    if content == "csv":
        with open_csv(path) as stream:
            faces = read_csv(csv_lines(stream, path), path)
    _check(faces, path)
    name = "folder" if content == "pictures" else "csv"
    manifest: Manifest = {"edition": name + PACKED[kind], "source": path.resolve().name, **faces.manifest}
    rank = np.array([SPLITS.index(split) for split in faces.splits])
    return replace(faces.take(np.lexsort((faces.ids, rank))), manifest=manifest)


def _check(faces: Faces, where: Path) -> None:
    """Raise Failure for a table that no later stage could work with."""
    ids, counts = np.unique(faces.ids, return_counts=True)
    if (counts > 1).any():
        raise Failure(f"{where}: {ids[counts > 1][0]} occurs {counts.max()} times; remove all but one")
    for split in SPLITS:
        if not (faces.splits == split).any():
            raise Failure(f"{where}: no faces of {split}; the file is not complete, copy or download it again")
    training = faces.labels[faces.splits == "Training"]
    missing = [name for label, name in enumerate(EMOTIONS) if not (training == label).any()]
    if missing:
        raise Failure(f"{where}: no {' and no '.join(missing)} in Training; all seven classes are needed")
