"""A data set of one's own, data/external/NAME/ or NAME.zip, as a table of faces in three splits."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np

from pipeline.download.class_names import classes_of
from pipeline.download.labelled import EXPECTED, from_folders
from pipeline.download.packing import check_left_out, kind_of, open_entries
from pipeline.download.pictures import Decoded, contents_digest, decode
from pipeline.download.tables import from_tables, tables_among
from pipeline.faces.faces import SIZE, SPLITS, Faces
from pipeline.system.failure import Failure

# Folders above a picture, some of them below its class
DEPTH = 8
# What people call the splits, for the notes
FOLDERS = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}


def read_named(path: Path, share: float, seed: int) -> Faces:
    """Read a data set in any of the layouts of data/external/README.md.

    Args:
        path: the folder or zip.
        share: of every class in train that becomes PublicTest, and PrivateTest, where these have no folder.
        seed: of this choice.

    Returns:
        Faces sorted by split and id. The manifest says edition, source, classes, class_set, splits_from,
        contents_sha256 and notes.

    Raises:
        Failure: what was expected, and what came, in which file.
    """
    kind = kind_of(path)
    if kind not in ("folder", "zip"):
        raise Failure(f"{path}: expected a folder or a zip; {EXPECTED}")
    with open_entries(path, DEPTH) as entries:
        tables, others = tables_among(entries)
        try:
            labelled, notes = from_tables(tables, entries, path) if tables else (from_folders(entries, path), [])
        except Failure as failure:
            raise Failure(f"{failure}; {others[0]}" if others else str(failure)) from failure
        decoded = decode([item.entry for item in labelled], path, resize=True)
        notes += check_left_out(path, [item.entry for item in labelled])
    classes = classes_of((item.label for item in labelled), path)
    labels = np.array([classes.names.index(classes.of[item.label]) for item in labelled], "int64")
    # A copy that balance makes is called ORIGINAL#K
    ids = np.array([item.entry.name.replace("#", "%23") for item in labelled])
    splits, cut_notes = cut(np.array([item.split for item in labelled]), labels, decoded.images, share, seed, path)
    notes += [*classes.notes, *cut_notes, *_sizes(decoded)]
    training = labels[splits == "Training"]
    missing = [name for label, name in enumerate(classes.names) if not (training == label).any()]
    if missing:
        raise Failure(f"{path}: no pictures of {' and '.join(missing)} in train; add some, or remove the class")
    faces = Faces(decoded.images, ids, splits, labels, {
        "edition": ("csv" if tables else "folder") + (" (zip)" if kind == "zip" else ""), "source": path.name,
        "splits_from": ("table" if tables else "folders") + (f", in part cut by seed {seed}" if cut_notes else ""),
        "notes": notes, "classes": list(classes.names), "class_set": str(len(classes.names)),
        **({} if classes.are_emotions else {"own_classes": True}),
        "contents_sha256": contents_digest([item.entry for item in labelled], decoded.hashes)})
    rank = np.array([SPLITS.index(split) for split in splits])
    return faces.take(np.lexsort((ids, rank)))


def cut(splits: np.ndarray, labels: np.ndarray, images: np.ndarray, share: float, seed: int,
        where: Path) -> tuple[np.ndarray, list[str]]:
    """The splits of all pictures, and a note for each that had to be cut from train.

    Which pictures are taken depends on the seed and on their pixels, so that it is the same on every machine, and exact
    duplicates come into one split.

    Args:
        splits: of each picture, empty for all where there are none.
    """
    splits = np.where(splits == "", "Training", splits).astype("<U11")
    if not (splits == "Training").any():
        names = " and ".join(sorted(FOLDERS[name] for name in set(splits.tolist())))
        raise Failure(f"{where}: nothing to train on, found {names} alone; {EXPECTED}")
    missing = [split for split in SPLITS[1:] if not (splits == split).any()]
    order = np.array([hashlib.sha256(b"%d " % seed + image.tobytes()).hexdigest() for image in images])
    of_train = {label: np.flatnonzero((splits == "Training") & (labels == label)) for label in np.unique(labels)}
    for rows in of_train.values():
        # In the order of their hashes, where exact duplicates stand together
        rows = rows[np.argsort(order[rows], kind="stable")]
        count, begin = max(1, round(share * len(rows))), 0
        for split in missing:
            end = begin + count
            while 0 < end < len(rows) and order[rows[end]] == order[rows[end - 1]]:
                end += 1
            if end < len(rows):  # at least one picture stays for training
                splits[rows[begin:end]] = split
                begin = end
    for split in missing:
        if not (splits == split).any():
            raise Failure(f"{where}: too few pictures to cut {split} from train; add pictures, or a folder "
                          f"{FOLDERS[split]}")
    return splits, [f"there is no {FOLDERS[split]}: {split} is {share:.0%} of every class in train, cut by seed {seed} "
                    "(download.split_seed)" for split in missing]


def _sizes(decoded: Decoded) -> list[str]:
    """What was done to pictures of other sizes."""
    others = Counter(shape for shape in decoded.shapes if shape != (SIZE, SIZE))
    if not others:
        return []
    (height, width), most = others.most_common(1)[0]
    notes = [f"{others.total():,} pictures resized to {SIZE}x{SIZE}, most of them ({most:,}) from {width}x{height}"]
    if distorted := sum(count for (high, wide), count in others.items() if max(high, wide) > 1.1 * min(high, wide)):
        notes.append(f"{distorted:,} of them were not square and are stretched: crop them to faces for better results")
    return notes
