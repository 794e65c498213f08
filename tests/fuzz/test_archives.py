"""Data sets in every packing, damaged: a table of faces, or one line."""

import gzip
import io
import tarfile
import zipfile

import cv2
import numpy as np
from damage import damaged, readable
from hypothesis import given
from hypothesis import strategies as st

from pipeline.download.external import look_into
from pipeline.download.named import read_named
from pipeline.download.read import read_edition
from pipeline.faces.faces import EMOTIONS, SPLITS, Faces
from pipeline.faces.votes import COLUMNS, with_votes
from pipeline.system.failure import Failure

RANDOM = np.random.default_rng(0)
IMAGES = [(split, label, RANDOM.integers(0, 256, (48, 48), np.uint8)) for split in SPLITS for label in range(7)]
PICTURES = {f"{'train' if split == 'Training' else 'test'}/{EMOTIONS[label]}/{split}_{number}.png":
            cv2.imencode(".png", image // 64 * 64)[1].tobytes() for number, (split, label, image) in enumerate(IMAGES)}
CSV = "\n".join(["emotion,pixels,Usage", *(f"{label},{' '.join(map(str, image.ravel()))},{split}"
                                           for split, label, image in IMAGES)]).encode() + b"\n"


def zip_of(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def tar_of(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def list_of_names(whole: bytes) -> st.SearchStrategy[bytes]:
    """A zip whose list of names at the end is damaged, where accidents are rare otherwise."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        start = archive.start_dir
    return damaged(whole[start:]).map(lambda end: whole[:start] + end)


def check(path, content: bytes) -> None:
    path.write_bytes(content)
    readable(lambda: look_into(path.parent))
    faces = readable(lambda: read_edition(path, 0.1))
    if faces is not None:
        assert faces.images.shape == (len(faces), 48, 48) and len(set(faces.ids.tolist())) == len(faces)
        assert set(faces.splits.tolist()) == set(SPLITS) and set(faces.labels.tolist()) <= set(range(7))
        assert faces.digest()


SMALL = zip_of(PICTURES, zipfile.ZIP_STORED)


@given(list_of_names(SMALL) | damaged(SMALL) | damaged(zip_of(PICTURES, zipfile.ZIP_LZMA)) |
       damaged(zip_of(PICTURES, zipfile.ZIP_BZIP2)))
def test_a_zip_of_pictures(tmp_path_factory, content):
    check(tmp_path_factory.mktemp("external") / "archive.zip", content)


@given(damaged(CSV) | damaged(CSV[:9300], most=8))
def test_a_csv(tmp_path_factory, content):
    check(tmp_path_factory.mktemp("external") / "fer2013.csv", content)


@given(damaged(gzip.compress(CSV)) | damaged(CSV).map(gzip.compress))
def test_a_gzip(tmp_path_factory, content):
    check(tmp_path_factory.mktemp("external") / "fer2013.csv.gz", content)


TAR = tar_of({"fer2013/" + "long" * 40 + "/README": b"x" * 700, "fer2013/fer2013.csv": CSV})


@given(damaged(TAR[:5000]).map(lambda start: gzip.compress(start + TAR[5000:])) | damaged(gzip.compress(TAR)))
def test_a_tar(tmp_path_factory, content):
    check(tmp_path_factory.mktemp("external") / "fer2013.tar.gz", content)


TABLE = "path,label,split\n" + "".join(
    f"{number}.png,{EMOTIONS[label]},{('train', 'val', 'test')[SPLITS.index(split)]}\n"
    for number, (split, label, _) in enumerate(IMAGES))
BARE = {f"{number}.png": content for number, content in enumerate(PICTURES.values())}


@given(damaged(TABLE.encode(), most=5), st.booleans())
def test_a_table_of_labels(tmp_path_factory, table, packed):
    folder = tmp_path_factory.mktemp("external")
    if packed:
        path = folder / "mine.zip"
        path.write_bytes(zip_of({"labels.csv": table, **BARE}))
    else:
        path = folder / "mine"
        path.mkdir()
        for name, content in {"labels.csv": table, **BARE}.items():
            (path / name).write_bytes(content)
    faces = readable(lambda: read_named(path, 0.1, 0))
    if faces is not None:
        assert len(faces) == len(faces.images) and len(faces.classes) >= 2
        assert 0 <= faces.labels.min() <= faces.labels.max() < len(faces.classes)


names = st.text(st.sampled_from("abtrain/valest\\.# \u00e4\u202e\x00\n"), min_size=1, max_size=30).filter(
    lambda name: not name.startswith("\x00"))  # zipfile writes none without a name


@given(st.dictionaries(names, st.sampled_from(list(PICTURES.values())[:3]), min_size=1, max_size=12))
def test_pictures_of_any_name_in_a_zip(tmp_path_factory, files):
    path = tmp_path_factory.mktemp("external") / "mine.zip"
    path.write_bytes(zip_of(files))
    readable(lambda: read_named(path, 0.1, 0))
    readable(lambda: look_into(path.parent))
    assert {child.name for child in path.parent.iterdir()} == {"mine.zip"}, "nothing is unpacked"


VOTES = "\n".join([",".join(("Image name", *COLUMNS)), *(f"{number}.png,{','.join('5' * 10)}" for number in range(21))])
FACES = Faces(np.stack([image for *_, image in IMAGES]), np.array([f"x_{number}" for number in range(21)]),
              np.array([split for split, *_ in IMAGES]), np.array([label for _, label, _ in IMAGES]),
              {"splits_from": "Usage", "source": "toy", "dataset": "fer2013"})


@given(damaged(VOTES.encode(), most=4))
def test_votes(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("external") / "fer2013new.csv"
    path.write_bytes(content)
    faces = readable(lambda: with_votes(FACES, path))
    assert faces is None or faces.votes.shape == (21, 10)


@given(st.sampled_from(("images.npy", "faces.csv", "manifest.json", "votes.npy")), st.data())
def test_a_folder_of_faces(tmp_path_factory, name, data):
    folder = tmp_path_factory.mktemp("data") / "faces"
    Faces(FACES.images[:3], FACES.ids[:3], FACES.splits[:3], FACES.labels[:3], dict(FACES.manifest),
          votes=np.ones((3, 10), "uint8")).save(folder)
    whole = (folder / name).read_bytes()
    # of an array, what is before its numbers
    start = data.draw(damaged(whole[:200]))
    (folder / name).write_bytes(start + whole[200:])
    faces = readable(lambda: Faces.load(folder))
    if faces is not None:
        assert len(faces) == 3 and faces.images.shape == (3, 48, 48)


def test_what_is_whole_is_read(tmp_path):
    for name, content in (("archive.zip", SMALL), ("fer2013.csv", CSV), ("fer2013.csv.gz", gzip.compress(CSV)),
                          ("fer2013.tar.gz", gzip.compress(TAR))):
        (tmp_path / name).write_bytes(content)
        assert len(read_edition(tmp_path / name, 0.1)) == 21
    (tmp_path / "mine.zip").write_bytes(zip_of({"labels.csv": TABLE.encode(), **BARE}))
    assert len(read_named(tmp_path / "mine.zip", 0.1, 0)) == 21
    path = tmp_path / "fer2013new.csv"
    path.write_text(VOTES)
    assert with_votes(FACES, path).votes.sum() == 21 * 50
    path.write_text(VOTES.replace(",5,", ",300,", 1))
    try:
        with_votes(FACES, path)
    except Failure as failure:
        assert "line 2: a vote that is no whole number from 0 to 255" in str(failure)
    else:
        raise AssertionError("300 is no vote")
