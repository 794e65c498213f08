"""The folder edition: train/CLASS/FILE and test/CLASS/FILE, 48x48 pictures whose names usually carry the split."""

import hashlib
import io
import os
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.download.class_names import SPELLINGS
from pipeline.download.packing import AGAIN, Entry
from pipeline.faces.faces import EMOTIONS, SIZE, Faces
from pipeline.system.damage import DAMAGE
from pipeline.system.failure import Failure

PICTURE_LIMIT = 2**20  # bytes; FER-2013's largest one has 2,483
LARGE_PICTURE_LIMIT = 2**26  # bytes, of a picture that is resized
PIXEL_LIMIT = 120_000_000  # of a picture, as the largest phones take
CHUNK = 256
NAMED = re.compile(r"(Training|PublicTest|PrivateTest)_[^.]+\.\w+")


def read_pictures(entries: list[Entry], where: Path, validation_share: float) -> Faces:
    """Decode the pictures and read class and split off their names.

    Args:
        entries: Files called train/CLASS/FILE or test/CLASS/FILE, sorted by name.
        where: What a Failure names.
        validation_share: The share of every class in train that becomes PublicTest where names carry no split.

    Returns:
        The faces in the entries' order; the manifest says where the splits come from and holds the contents' digest.
    """
    labels = np.array([_label(entry, where) for entry in entries], "int64")
    ids, splits, splits_from = _splits(entries, labels, where, validation_share)
    ids, notes = _unique(ids, labels)
    if splits_from != "file names":
        notes.append(f"the file names carry no split: PublicTest is {validation_share:.0%} of every class in train, "
                     "PrivateTest is test")
    decoded = decode(entries, where)
    return Faces(decoded.images, ids, splits, labels, {"splits_from": splits_from, "notes": notes,
                                                       "contents_sha256": contents_digest(entries, decoded.hashes)})


def contents_digest(entries: list[Entry], hashes: list[str]) -> str:
    """sha256 over one line ``SHA256  NAME`` for every file, sorted by name: the same for every packing.

    ``find train test -type f | LC_ALL=C sort | xargs sha256sum | sha256sum`` says the same.
    """
    lines = sorted((entry.name.encode(), sha256) for entry, sha256 in zip(entries, hashes, strict=True))
    return hashlib.sha256(b"".join(b"%s  %s\n" % (sha256.encode(), name) for name, sha256 in lines)).hexdigest()


def _label(entry: Entry, where: Path) -> int:
    name = entry.name.split("/")[1]
    if name.casefold() not in SPELLINGS:
        raise Failure(f"{where}: {entry.name}: there is no class {name!r}; the classes are {', '.join(EMOTIONS)}")
    return EMOTIONS.index(SPELLINGS[name.casefold()])


def _splits(entries: list[Entry], labels: np.ndarray, where: Path,
            share: float) -> tuple[np.ndarray, np.ndarray, str]:
    """Ids, splits, and where the splits come from."""
    files = [entry.name.split("/") for entry in entries]
    matches = [NAMED.fullmatch(file) for _, _, file in files]
    if not any(matches):
        ids = np.array([entry.name.rsplit(".", 1)[0] for entry in entries])
        return ids, _stratified(ids, np.array([folder for folder, _, _ in files]), labels, share), \
            "stratified validation split"
    splits = []
    for entry, (folder, _, _), match in zip(entries, files, matches, strict=True):
        if match is None:
            raise Failure(f"{where}: {entry.name}: carries no split, unlike other files; expected a name such as "
                          "Training_123.jpg, PublicTest_123.jpg or PrivateTest_123.jpg")
        if (match[1] == "Training") != (folder == "train"):
            raise Failure(f"{where}: {entry.name}: name and folder contradict each other; move it, or {AGAIN}")
        splits.append(match[1])
    return np.array([file.rsplit(".", 1)[0] for _, _, file in files]), np.array(splits), "file names"


def _unique(ids: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Add the class to a name that is in two class folders, as two names of the real data set do."""
    names, index, counts = np.unique(ids, return_inverse=True, return_counts=True)
    repeated = counts[index] > 1
    with_class = np.array([f"{name}.{EMOTIONS[label]}" for name, label in zip(ids, labels, strict=True)])
    note = f"in several class folders, hence with the class in the id: {', '.join(names[counts > 1])}"
    return np.where(repeated, with_class, ids), [note] if repeated.any() else []


def _stratified(ids: np.ndarray, folders: np.ndarray, labels: np.ndarray, share: float) -> np.ndarray:
    """Move a share of every class from train to PublicTest: the ids with the smallest hashes, on every machine."""
    splits = np.where(folders == "train", "Training", "PrivateTest").astype("<U11")
    for label in np.unique(labels):
        rows = np.flatnonzero((folders == "train") & (labels == label))
        by_hash = sorted(rows, key=lambda row: hashlib.sha256(str(ids[row]).encode()).digest())
        splits[by_hash[:round(len(rows) * share)]] = "PublicTest"
    return splits


@dataclass(frozen=True)
class Decoded:
    """Pictures as uint8 ``(N, 48, 48)``, the sha256 of every file, and its height and width before resizing."""

    images: np.ndarray
    hashes: list[str]
    shapes: list[tuple[int, int]]


def decode(entries: list[Entry], where: Path, resize: bool = False) -> Decoded:
    """Read the pictures, gray; in threads, since cv2 and zlib release Python's lock.

    Args:
        resize: pictures of other sizes than 48x48, by area where they shrink; without it they raise a Failure.
    """
    from PIL import Image
    from tqdm import tqdm

    images = np.empty((len(entries), SIZE, SIZE), np.uint8)
    hashes = [""] * len(entries)
    shapes = [(0, 0)] * len(entries)

    def decode(rows: range) -> int:
        for row in rows:
            images[row], hashes[row], shapes[row] = _picture(entries[row], where, resize)
        return len(rows)

    pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1))
    try:
        warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # Pillow has a bound of its own
        chunks = [range(len(entries))[start:start + CHUNK] for start in range(0, len(entries), CHUNK)]
        with tqdm(total=len(entries), desc=f"reading {where.name}", unit=" faces", leave=False, disable=None) as bar:
            for count in pool.map(decode, chunks):
                bar.update(count)
    finally:
        pool.shutdown(cancel_futures=True)
    return Decoded(images, hashes, shapes)


def _picture(entry: Entry, where: Path, resize: bool) -> tuple[np.ndarray, str, tuple[int, int]]:
    import cv2

    if entry.size > (LARGE_PICTURE_LIMIT if resize else PICTURE_LIMIT):
        of_size = "of a face" if resize else f"of {SIZE}x{SIZE}"
        raise Failure(f"{where}: {entry.name}: {entry.size} bytes for a picture {of_size}; {AGAIN}")
    try:
        content = entry.read()
    except DAMAGE as error:
        raise Failure(f"{where}: {entry.name}: damaged ({error}); {AGAIN}") from error
    if (pixels := _pixels_of(content)) > PIXEL_LIMIT:
        raise Failure(f"{where}: {entry.name}: {pixels:,} pixels, at most {PIXEL_LIMIT:,} are read; make it "
                      "smaller or remove it")
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE) if pixels else None
    except cv2.error:  # a format that this OpenCV refuses
        image = None
    if image is None:
        raise Failure(f"{where}: {entry.name}: not a picture, or a damaged one; replace or remove it")
    height, width = image.shape
    if resize and (height, width) != (SIZE, SIZE):
        way = cv2.INTER_AREA if min(height, width) >= SIZE else cv2.INTER_LINEAR
        image = cv2.resize(image, (SIZE, SIZE), interpolation=way)
    if image.shape != (SIZE, SIZE):
        raise Failure(f"{where}: {entry.name}: {image.shape[1]}x{image.shape[0]} pixels, expected {SIZE}x{SIZE}; "
                      "replace or remove it")
    return image, hashlib.sha256(content).hexdigest(), (height, width)


def _pixels_of(content: bytes) -> int:
    """How many pixels a picture has by its header: a small file can unpack to gigabytes. 0 where it is none."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as header:
            return header.width * header.height
    except Image.DecompressionBombError:
        return PIXEL_LIMIT + 1
    except Exception:  # a broken file makes Pillow's readers raise nearly anything
        return 0
