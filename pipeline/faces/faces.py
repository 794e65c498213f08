"""The one data type: face images with their splits and labels, in one array and one table; numpy alone."""

import csv
import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from pipeline.system.atomic import atomic_folder
from pipeline.system.failure import Failure

SIZE = 48
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
SPLITS = ("Training", "PublicTest", "PrivateTest")

# A class set maps the seven labels of FER-2013 to others; its key ends the registered model's name.
CLASS_SETS: dict[str, tuple[tuple[str, ...], tuple[int, ...] | None]] = {
    "7": (EMOTIONS, (0, 1, 2, 3, 4, 5, 6)),
    # Padova's six classes: disgust merged into angry
    "6": (("angry", "fear", "happy", "sad", "surprise", "neutral"), (0, 0, 1, 2, 3, 4, 5)),
    # FER+'s eight classes: what most of its people saw, whatever the label says (Barsoum et al. 2016, arXiv 1608.01041)
    "8": ((*EMOTIONS, "contempt"), None),
}
# The places of those eight among the votes
IN_THE_VOTES = (4, 5, 6, 1, 3, 2, 0, 7)


@dataclass(frozen=True)
class Faces:
    """N faces.

    Attributes:
        images: uint8 ``(N, 48, 48)``.
        ids: N names, unique among the originals; a copy made by balance is called ``ORIGINAL#K``.
        splits: N of ``Training``, ``PublicTest``, ``PrivateTest``.
        labels: int64 ``(N,)``, places in ``classes``.
        manifest: where they come from: dataset, edition, digest, counts, classes, class_set, protocol, notes.
        votes: uint8 ``(N, 10)``, the FER+ votes where there are some; no part of the digest.
        teacher: float32 ``(N, C)``, probabilities where a recipe learns from them; likewise.
    """

    images: np.ndarray
    ids: np.ndarray
    splits: np.ndarray
    labels: np.ndarray
    manifest: dict = field(default_factory=dict)
    votes: np.ndarray | None = None
    teacher: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.manifest.get("classes", EMOTIONS))

    def take(self, rows: np.ndarray) -> "Faces":
        """The faces at these places (integers or a boolean mask), in that order."""
        return replace(self, images=self.images[rows], ids=self.ids[rows], splits=self.splits[rows],
                       labels=self.labels[rows], votes=None if self.votes is None else self.votes[rows],
                       teacher=None if self.teacher is None else self.teacher[rows])

    def split(self, *names: str) -> "Faces":
        """The faces of these splits, in their order in the table."""
        return self.take(np.isin(self.splits, names))

    def counts(self) -> dict[str, dict[str, int]]:
        """How many faces each class has in each split."""
        return {
            split: {name: int(((self.splits == split) & (self.labels == place)).sum())
                    for place, name in enumerate(self.classes)}
            for split in SPLITS
        }

    def digest(self) -> str:
        """sha256 over ids, splits, labels and pixels, whatever the files look like."""
        sha = hashlib.sha256()
        for row in zip(self.ids, self.splits, self.labels, strict=True):
            sha.update("\t".join(map(str, row)).encode() + b"\n")
        sha.update(np.ascontiguousarray(self.images).tobytes())
        return sha.hexdigest()

    def with_classes(self, class_set: str) -> "Faces":
        """All splits relabelled from the seven emotions to a class set.

        Of "8" those faces are left that more than half of the votes agree on, single votes left out, as FER+'s own
        program counts (github.com/microsoft/FERPlus, src/ferplus.py). Raises Failure where there are no votes.
        """
        names, mapping = CLASS_SETS[class_set]
        about = {**self.manifest, "classes": list(names), "class_set": class_set}
        if mapping is not None:
            return replace(self, labels=np.asarray(mapping, "int64")[self.labels], manifest=about)
        if self.votes is None:
            raise Failure(f"class set {class_set} is FER+'s, and there are no votes; put fer2013new.csv into "
                          "data/external/ and run `dvc repro balance`")
        counted = np.where(self.votes > 1, self.votes, 0).astype("int64")
        seen = counted[:, IN_THE_VOTES]
        agreed = 2 * seen.max(axis=1) > counted.sum(axis=1)
        return replace(self, labels=seen.argmax(axis=1), manifest=about).take(agreed)

    def save(self, folder: Path) -> None:
        """Write images.npy, faces.csv and manifest.json (with digest and counts), all or nothing."""
        manifest = {**self.manifest, "classes": list(self.classes), "digest": self.digest(), "counts": self.counts()}
        with atomic_folder(folder) as new:
            images = np.ascontiguousarray(self.images)
            with open(new / "images.npy", "wb") as file:
                # As np.save does, whose own way to write says nothing of a full disk
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
        try:
            images = np.load(folder / "images.npy", allow_pickle=False)
            with open(folder / "faces.csv", newline="", encoding="utf-8") as file:
                rows = list(csv.reader(file))[1:]
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            if not rows or len(rows) != len(images):
                raise ValueError(f"{len(images)} images, {len(rows)} rows")
            ids, splits, labels = (np.array(column) for column in zip(*rows, strict=True))
            more = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("votes", "teacher")
                    if (folder / f"{name}.npy").exists()}
            return cls(images, ids, splits, labels.astype("int64"), manifest, **more)
        except (OSError, ValueError, EOFError) as error:
            raise Failure(f"{folder}: no readable faces ({error}); run the stage that makes them again") from error
