"""Copies: images that show the same photograph as another one, exact (equal in every pixel) or near (cropped, sized,
mirrored or encoded differently).

Exact ones are read off the pixels wherever they are needed. Near ones take half a minute to find (validate.near), so
that validate keeps them in data/DATASET/copies.json, by the faces' ids.
"""

import json
import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.faces.faces import Faces
from pipeline.system import plain_json, project
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure

FORMAT = 1
# In the folder of a data set
FILE = "copies.json"


class Pairs(NamedTuple):
    """P pairs of images, as rows of one table.

    Attributes:
        first, second: int ``(P,)``.
        correlation: float ``(P,)``, from 0 to 1.
        mirrored: bool ``(P,)``, whether one is the other's mirror image.
    """

    first: np.ndarray
    second: np.ndarray
    correlation: np.ndarray
    mirrored: np.ndarray

    def best(self) -> "Pairs":
        """Each two images once, plain or mirrored, whichever correlates more."""
        pairs = Pairs(self.first.astype("int64"), self.second.astype("int64"), self.correlation,
                      self.mirrored.astype(bool))
        order = np.lexsort((-pairs.correlation, pairs.second, pairs.first))
        first, second = pairs.first[order], pairs.second[order]
        new = np.append(True, (np.diff(first) != 0) | (np.diff(second) != 0))[: len(order)]
        return Pairs(*(column[order[new]] for column in pairs))


@dataclass(frozen=True)
class Copies:
    """The near copies in a table of faces.

    Attributes:
        digest: of the table.
        first, second: the ids of each pair, ``(P,)``, in the table's order; an image with exact duplicates is in pairs
            with all of them.
        correlation, mirrored: see ``Pairs``.
    """

    digest: str
    first: np.ndarray
    second: np.ndarray
    correlation: np.ndarray
    mirrored: np.ndarray

    @classmethod
    def of(cls, faces: Faces, pairs: Pairs, codes: np.ndarray) -> "Copies":
        """The copies among faces whose pairs are given by codes, the same for exact duplicates: int ``(N,)``."""
        order = np.argsort(codes, kind="stable")
        starts = np.searchsorted(codes[order], np.arange(codes.max(initial=-1) + 2))
        rows = [order[starts[code] : starts[code + 1]] for code in range(len(starts) - 1)]
        firsts, seconds, numbers = [np.empty(0, int)], [np.empty(0, int)], [np.empty(0, int)]
        for number, (a, b) in enumerate(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)):
            # every duplicate of the first with every one of the second
            firsts.append(np.repeat(rows[a], len(rows[b])))
            seconds.append(np.tile(rows[b], len(rows[a])))
            numbers.append(np.full(len(firsts[-1]), number))
        both = np.sort([np.concatenate(firsts), np.concatenate(seconds)], axis=0)
        order = np.lexsort(both[::-1])
        index = np.concatenate(numbers)[order]
        first, second = faces.ids[both[:, order]]
        return cls(faces.manifest.get("digest") or faces.digest(), first, second, pairs.correlation[index],
                   pairs.mirrored[index])

    def __len__(self) -> int:
        return len(self.first)

    def pairs(self, faces: Faces) -> Pairs:
        """The pairs as rows of these faces, which may be some of the table's only: a pair needs both."""
        row_of = {name: row for row, name in enumerate(faces.ids.tolist())}
        first, second = (np.array([row_of.get(name, -1) for name in names.tolist()], int)
                         for names in (self.first, self.second))
        there = (first >= 0) & (second >= 0)
        return Pairs(first[there], second[there], self.correlation[there], self.mirrored[there])

    def save(self, path: Path) -> None:
        """Write the JSON file."""
        pairs = [[first, second, round(correlation, 4), mirrored] for first, second, correlation, mirrored in
                 zip(self.first.tolist(), self.second.tolist(), self.correlation.tolist(), self.mirrored.tolist(),
                     strict=True)]
        with atomic_file(path) as new, open(new, "w", encoding="utf-8") as file:
            head = json.dumps({"format": FORMAT, "digest": self.digest})[:-1]
            file.write(head + ', "near": [\n' + ",\n".join(map(json.dumps, pairs)) + "\n]}\n")


def load(path: Path, faces: Faces) -> Copies | None:
    """The near copies of these faces as ``Copies.save`` left them; None where they have not been looked for yet, in
    these very faces. Raises Failure for another kind of file."""
    if not path.exists():
        return None
    try:
        content = plain_json.parse(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"expected format {FORMAT}, found {reprlib.repr(content)}")
        columns = list(zip(*content["near"], strict=True)) or [(), (), (), ()]
        first, second = (np.array(names, str) for names in columns[:2])
        correlation, mirrored = np.array(columns[2], float), np.array(columns[3], bool)
        digest = content["digest"]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise Failure(f"{path}: no list of near copies ({error}); run `dvc repro -f validate`") from error
    return Copies(digest, first, second, correlation, mirrored) if digest == faces.manifest.get("digest") else None


def at_hand(faces: Faces) -> Copies | None:
    """``load``, from where validate leaves the list of these faces' data set."""
    return load(project.root() / "data" / faces.manifest.get("dataset", "") / FILE, faces)


def exact(faces: Faces, among: np.ndarray) -> np.ndarray:
    """bool ``(N,)``: whether each image is equal in every pixel to one of those that ``among``, bool ``(N,)``, names;
    those themselves included."""
    pixels = {image.tobytes() for image in faces.images[among]}
    return np.array([image.tobytes() in pixels for image in faces.images], bool)


def near(faces: Faces, copies: Copies, among: np.ndarray) -> np.ndarray:
    """bool ``(N,)``: whether each image is a near copy of one of those that ``among``, bool ``(N,)``, names."""
    pairs = copies.pairs(faces)
    has = np.zeros(len(faces), bool)
    has[pairs.first[among[pairs.second]]] = True
    has[pairs.second[among[pairs.first]]] = True
    return has


def free(faces: Faces, copies: Copies) -> np.ndarray:
    """bool ``(N,)``: the test images without any copy, exact or near, in Training."""
    training = faces.splits == "Training"
    return ~training & ~exact(faces, training) & ~near(faces, copies, training)
