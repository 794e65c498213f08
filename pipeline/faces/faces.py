"""The one data type: face images with their splits and labels, in one array and one table; numpy alone."""

import csv
import hashlib
import json
import re
import reprlib
import tokenize
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import UnionType
from typing import cast, get_args, get_origin, get_type_hints, is_typeddict

import numpy as np

from pipeline.faces.fer2013 import EMOTIONS
from pipeline.faces.manifest import Counts, Manifest
from pipeline.system import plain_json
from pipeline.system.atomic import atomic_folder, put_back
from pipeline.system.failure import Failure

SIZE = 48
SPLITS = ("Training", "PublicTest", "PrivateTest")

# By key, which ends the registered model's name: the class names, and the class of each of FER-2013's seven labels;
# None where the FER+ votes decide, whatever the label says
CLASS_SETS: dict[str, tuple[tuple[str, ...], tuple[int, ...] | None]] = {
    "7": (EMOTIONS, (0, 1, 2, 3, 4, 5, 6)),
    # Padova's six classes: disgust merged into angry
    "6": (("angry", "fear", "happy", "sad", "surprise", "neutral"), (0, 0, 1, 2, 3, 4, 5)),
    # FER+'s eight classes: what most of its annotators saw (Barsoum et al. 2016, arXiv 1608.01041)
    "8": ((*EMOTIONS, "contempt"), None),
}
# Which column of the votes is which of those eight classes
VOTE_COLUMNS = (4, 5, 6, 1, 3, 2, 0, 7)


def check_class_set(class_set: str, manifest: Manifest) -> None:
    """Raise Failure where faces with classes of their own cannot be had in this class set."""
    if manifest.get("own_classes") and class_set not in ("7", manifest["class_set"]):
        raise Failure(f"{manifest['dataset']}: its classes are {', '.join(manifest['classes'])}, of which class set "
                      f"{class_set} cannot be made; say classes=7, which takes another data set's as they are")


@dataclass(frozen=True)
class Faces:
    """N faces.

    Attributes:
        images: uint8 ``(N, 48, 48)``.
        ids: N names, unique among the originals; a copy made by balance is called ``ORIGINAL#K``.
        splits: N of ``Training``, ``PublicTest``, ``PrivateTest``.
        labels: int64 ``(N,)``, indices into ``classes``.
        manifest: where they come from and what was done with them.
        votes: uint8 ``(N, 10)``, how many annotators of FER+ voted for each column of ``votes.COLUMNS``; None without
            FER+. Not part of the digest.
        teacher: float32 ``(N, C)``, the teachers' probabilities; None where the recipe has no teachers. Not part of the
            digest.
    """

    images: np.ndarray
    ids: np.ndarray
    splits: np.ndarray
    labels: np.ndarray
    manifest: Manifest = field(default_factory=Manifest)
    votes: np.ndarray | None = None
    teacher: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes' names, in the order of the labels."""
        return tuple(self.manifest.get("classes", EMOTIONS))

    def take(self, rows: np.ndarray) -> "Faces":
        """The faces of these rows (indices or a boolean mask), in that order."""
        return replace(self, images=self.images[rows], ids=self.ids[rows], splits=self.splits[rows],
                       labels=self.labels[rows], votes=None if self.votes is None else self.votes[rows],
                       teacher=None if self.teacher is None else self.teacher[rows])

    def split(self, *names: str) -> "Faces":
        """The faces of these splits, in their order in the table."""
        return self.take(np.isin(self.splits, names))

    def counts(self) -> Counts:
        """How many faces each class has in each split."""
        return {
            split: {name: int(((self.splits == split) & (self.labels == label)).sum())
                    for label, name in enumerate(self.classes)}
            for split in SPLITS
        }

    def digest(self) -> str:
        """sha256 over ids, splits, labels and pixels, however they are stored."""
        sha = hashlib.sha256()
        for row in zip(self.ids, self.splits, self.labels, strict=True):
            sha.update("\t".join(map(str, row)).encode() + b"\n")
        sha.update(np.ascontiguousarray(self.images).tobytes())
        return sha.hexdigest()

    def with_classes(self, class_set: str) -> "Faces":
        """All splits relabelled from the seven emotions to a class set.

        With "8", only the faces remain whose votes have an absolute majority, after single votes are dropped, as in
        FER+'s own program (github.com/microsoft/FERPlus, src/ferplus.py). Raises Failure where there are no votes.
        Faces with classes of their own keep them: "7", what recipes are made for, means all of them. Raises Failure for
        a class set that merges or adds emotions.
        """
        if self.manifest.get("own_classes"):
            check_class_set(class_set, self.manifest)
            return self
        names, mapping = CLASS_SETS[class_set]
        manifest: Manifest = {**self.manifest, "classes": list(names), "class_set": class_set}
        if mapping is not None:
            return replace(self, labels=np.asarray(mapping, "int64")[self.labels], manifest=manifest)
        if self.votes is None:
            dataset = self.manifest.get("dataset", "fer2013")
            remedy = ("put fer2013new.csv into data/external/ and run `dvc repro balance`" if dataset == "fer2013" else
                      f"they are for FER-2013, and this is {dataset}: leave `classes` unset in params.yaml")
            raise Failure(f"class set {class_set} needs the FER+ votes, and these faces have none; {remedy}")
        counted = np.where(self.votes > 1, self.votes, 0).astype("int64")
        of_class = counted[:, VOTE_COLUMNS]
        majority = 2 * of_class.max(axis=1) > counted.sum(axis=1)
        return replace(self, labels=of_class.argmax(axis=1), manifest=manifest).take(majority)

    def save(self, folder: Path) -> None:
        """Write images.npy, faces.csv and manifest.json (with digest and counts), all or nothing."""
        manifest: Manifest = {**self.manifest, "classes": list(self.classes), "digest": self.digest(),
                              "counts": self.counts()}
        with atomic_folder(folder) as new:
            images = np.ascontiguousarray(self.images)
            with open(new / "images.npy", "wb") as file:
                # As np.save does, whose own error does not say that the disk is full
                np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(images))
                file.write(images.data)
            with open(new / "faces.csv", "w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(("id", "split", "label"))
                writer.writerows(zip(self.ids, self.splits, self.labels.tolist(), strict=True))
            for name, column in (("votes", self.votes), ("teacher", self.teacher)):
                if column is not None:
                    np.save(new / f"{name}.npy", column)
            (new / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Faces":
        """Read what ``save`` wrote. Raises Failure when something is missing or does not fit together."""
        put_back(folder)
        try:
            images = _array(folder / "images.npy")
            with open(folder / "faces.csv", newline="", encoding="utf-8") as file:
                header, *rows = csv.reader(file)
            if header != ["id", "split", "label"]:
                raise ValueError(f"faces.csv: expected the columns id, split, label, found {reprlib.repr(header)}")
            if not rows or images.shape[:1] != (len(rows),):
                raise ValueError(f"{images.shape[0] if images.ndim else 'no'} images, {len(rows)} rows")
            ids, splits, labels = (np.array(column) for column in zip(*rows, strict=True))
            optional = {name: _array(folder / f"{name}.npy") for name in ("votes", "teacher")
                        if (folder / f"{name}.npy").exists()}
            manifest = read_manifest(folder / "manifest.json")
            faces = cls(images, ids, splits, labels.astype("int64"), manifest, **optional)
            faces._check()
            return faces
        except (OSError, ValueError, EOFError, OverflowError, RecursionError, csv.Error) as error:
            raise Failure(f"{folder}: no readable faces ({error}); run the stage that makes them again") from error

    def _check(self) -> None:
        """Raise ValueError where the columns do not go together, or hold what no stage writes."""
        rows, classes = len(self), len(self.classes)
        expected = {"images": (self.images, "uint8", (rows, SIZE, SIZE)), "votes": (self.votes, "uint8", (rows, 10)),
                    "teacher": (self.teacher, "float32", (rows, classes))}
        for name, (column, dtype, shape) in expected.items():
            if column is not None and (column.dtype != dtype or column.shape != shape):
                raise ValueError(f"{name}: expected {dtype} {shape}, found {column.dtype} {column.shape}")
        if self.teacher is not None and not np.isfinite(self.teacher).all():
            raise ValueError("teacher: expected probabilities, found some that are no numbers")
        if odd := set(self.splits.tolist()) - set(SPLITS):
            raise ValueError(f"expected the splits {', '.join(SPLITS)}, found {reprlib.repr(odd.pop())}")
        if not 0 <= self.labels.min() <= self.labels.max() < classes:
            raise ValueError(f"expected labels from 0 to {classes - 1}, found {self.labels.min()} to "
                             f"{self.labels.max()}")


def is_class_name(name: object) -> bool:
    """Whether a class may be called this: a few words or numbers, which fit into a table, a CSV and a path."""
    return isinstance(name, str) and re.fullmatch(r"(?!\.*$)[\w .+-]{1,255}", name) is not None


def _array(path: Path) -> np.ndarray:
    """The array in an .npy file; one that says that it is larger than the file takes no memory."""
    try:
        return np.array(np.lib.format.open_memmap(path, mode="r"), order="C")
    except (ValueError, SyntaxError, tokenize.TokenError) as error:  # NumPy reads odd headers as Python's source
        raise ValueError(f"{path.name}: {str(error).splitlines()[0]}") from error


def read_manifest(path: Path) -> Manifest:
    """The manifest in a JSON file. Raises ValueError where a key has another type than ``Manifest`` says."""
    manifest = plain_json.parse(path.read_text(encoding="utf-8"))
    if not isinstance(manifest, dict):
        raise ValueError(f"{path.name}: expected an object, found {reprlib.repr(manifest)}")
    for name, hint in get_type_hints(Manifest).items():
        kinds = tuple(dict if is_typeddict(kind) else get_origin(kind) or kind
                      for kind in (get_args(hint) if isinstance(hint, UnionType) else [hint]))
        if name in manifest and not isinstance(manifest[name], kinds):
            raise ValueError(f"{path.name}: {name}: expected {hint}, found {reprlib.repr(manifest[name])}")
    classes = tuple(manifest.get("classes", EMOTIONS))
    if not all(map(is_class_name, classes)) or len(set(classes)) != len(classes):
        raise ValueError(f"{path.name}: expected classes with names that differ, found {reprlib.repr(classes)}")
    weights = manifest.get("class_weights")
    if weights is not None and (len(weights) != len(classes) or not all(isinstance(weight, float | int) and weight >= 0
                                                                       for weight in weights)):
        raise ValueError(f"{path.name}: class_weights: expected {len(classes)} numbers, found {reprlib.repr(weights)}")
    for name in ("dataset", "protocol", "class_set"):
        if not re.fullmatch(r"[\w.-]*", manifest.get(name, "")):
            raise ValueError(f"{path.name}: {name}: expected a name, found {reprlib.repr(manifest[name])}")
    for name in ("votes", "teacher"):
        if name in manifest and not isinstance(manifest[name].get("sha256"), str):
            raise ValueError(f"{path.name}: {name}: expected its sha256")
    return cast(Manifest, manifest)
