"""Faces come back from the disk as they went there, or one line says why not."""

import io
import itertools
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.faces.faces import SPLITS, Faces
from pipeline.system.failure import Failure

ROOT = Path(__file__).parents[2]


def toy(n: int = 6) -> Faces:
    images = np.random.default_rng(0).integers(0, 256, (n, 48, 48), "uint8")
    return Faces(images, np.array([f"f{place}" for place in range(n)]), np.resize(SPLITS, n), np.arange(n) % 7,
                 {"dataset": "sample"})


@pytest.fixture
def folder(tmp_path) -> Path:
    toy().save(tmp_path / "faces")
    return tmp_path / "faces"


@pytest.mark.parametrize("view", [lambda images: images, lambda images: images[:, :, ::-1]], ids=["whole", "mirrored"])
def test_faces_come_back_as_they_went_and_numpy_reads_them_too(tmp_path, view):
    faces = toy()
    faces = Faces(view(faces.images), faces.ids, faces.splits, faces.labels, faces.manifest)
    faces.save(tmp_path / "faces")
    found = Faces.load(tmp_path / "faces")
    assert found.digest() == faces.digest() == found.manifest["digest"]
    np.save(tmp_path / "numpy.npy", np.ascontiguousarray(faces.images))
    assert (tmp_path / "faces/images.npy").read_bytes() == (tmp_path / "numpy.npy").read_bytes()


def test_no_faces_at_all_are_one_line(tmp_path):
    toy(0).save(tmp_path / "none")
    with pytest.raises(Failure, match=r"none: no readable faces \(0 images, 0 rows\); run the stage"):
        Faces.load(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("images.npy", lambda data: b""),
        ("images.npy", lambda data: data[:-1]),
        ("faces.csv", lambda data: data + b"f6,Training,1\n"),
        ("faces.csv", lambda data: data[:-2] + b"\n"),
        ("faces.csv", lambda data: data[:-4]),
        ("manifest.json", lambda data: data[:-4]),
    ],
    ids=["empty array", "short array", "one row more", "no label", "no column", "short manifest"],
)
def test_a_broken_file_is_one_line(folder, name, change):
    (folder / name).write_bytes(change((folder / name).read_bytes()))
    with pytest.raises(Failure, match="no readable faces"):
        Faces.load(folder)


def npy(array, **options) -> bytes:
    content = io.BytesIO()
    np.save(content, array, **options)
    return content.getvalue()


def header(*shape) -> bytes:
    """An .npy file that says it holds an array of this shape, and has no more than that."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return content.getvalue()


def archive(array) -> bytes:
    content = io.BytesIO()
    np.savez(content, images=array)
    return content.getvalue()


IMAGES = np.zeros((6, 48, 48), "uint8")
TABLE = b"id,split,label\n"
ROWS = b"".join(b"f%d,Training,%d\n" % (row, row) for row in range(6))


@pytest.mark.parametrize(("name", "content"), [
    *(("images.npy", content) for content in (
        b"PK\3\4" + bytes(99), archive(IMAGES), b"x" * 999, npy(np.array([{}] * 6), allow_pickle=True),
        header(10**12, 48, 48), header(6, 10**6, 10**6), header(-1, 48, 48), npy(IMAGES / 2), npy(IMAGES[:5]),
        npy(IMAGES.reshape(6, -1)), npy(IMAGES[..., None]), npy(np.zeros((6, 64, 64), "uint8")), npy(np.uint8(3)),
        npy(np.array(["x"] * 6)))),
    *(("faces.csv", content) for content in (
        b"", TABLE, ROWS, b"a,b,c\n" + ROWS, TABLE + ROWS.replace(b",5", b",99"), TABLE + ROWS.replace(b",5", b",-1"),
        TABLE + ROWS.replace(b",5", b"," + b"9" * 40), TABLE + ROWS.replace(b",5", b",1.5"),
        TABLE + ROWS.replace(b"Training", b"Test"), TABLE + ROWS.replace(b"f5", b"x" * 200_000),
        TABLE + ROWS.replace(b"f5", b"\xff"), TABLE + ROWS.replace(b",5", b",5,5"))),
    *(("manifest.json", content) for content in (
        b"", b"[]", b"null", b"[" * 99_999, b'{"seed": ' + b"1" * 5000 + b"}", b'{"classes": null}',
        b'{"classes": "angry"}', b'{"classes": ["angry"]}', b'{"classes": [1, 2, 3, 4, 5, 6, 7]}',
        b'{"classes": ["a", "a", "b", "c", "d", "e", "f"]}', b'{"classes": ["../a", "g", "b", "c", "d", "e", "f"]}',
        b'{"class_set": "../7"}', b'{"digest": 3}', b'{"counts": []}', b'{"dataset": "../x"}', b'{"protocol": "a/b"}',
        b'{"class_weights": "x"}', b'{"class_weights": [1.0]}', b'{"votes": 3}', b'{"votes": {}}', b'{"teacher": []}')),
    *(("votes.npy", npy(votes)) for votes in (np.zeros((6, 3), "uint8"), np.zeros((5, 10), "uint8"), np.ones((6, 10)))),
    *(("teacher.npy", npy(answers)) for answers in (
        np.zeros((6, 3), "float32"), np.zeros((5, 7), "float32"), np.full((6, 7), np.nan, "float32"),
        np.array([["x"] * 7] * 6))),
], ids=itertools.count())
def test_what_no_stage_writes_is_one_line(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(Failure, match="no readable faces") as caught:
        Faces.load(folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.skipif(sys.platform == "win32", reason="no limit to set")
def test_a_full_disk_is_one_line_with_its_reason_and_the_faces_before_stay(folder):
    program = (
        "import resource; from pathlib import Path; from pipeline.system import failure\n"
        "from pipeline.faces.faces import Faces\n"
        "faces = Faces.load(Path('faces')); faces = faces.take(list(range(6)) * 10)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "failure.run(lambda: faces.save(Path('faces')), 'download')\n"
    )
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    done = subprocess.run([sys.executable, "-c", program], cwd=folder.parent, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stderr) == (
        1, "download: cannot write faces: File too large; free some space or make it writable, then run again\n")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert [child.name for child in folder.parent.iterdir()] == ["faces"]


def test_the_eight_classes_are_what_most_people_saw():
    # columns: neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, NF
    votes = {"agreed": (1, 8, 0, 0, 1, 0, 0, 0, 0, 0), "half": (5, 5, 0, 0, 0, 0, 0, 0, 0, 0),
             "contempt": (0, 0, 0, 0, 2, 0, 0, 6, 2, 0), "no face": (0, 0, 0, 0, 0, 0, 0, 0, 0, 10),
             "single votes do not count": (1, 0, 1, 1, 1, 1, 3, 1, 1, 0), "nobody": (0,) * 10}
    count = len(votes)
    some = Faces(np.arange(count * 48 * 48, dtype="uint8").reshape(count, 48, 48), np.array(list(votes)),
                 np.array(["Training"] * count), np.zeros(count, "int64"), {}, np.array(list(votes.values()), "uint8"))
    found = some.with_classes("8")
    assert dict(zip(found.ids.tolist(), (found.classes[label] for label in found.labels), strict=True)) == {
        "agreed": "happy", "contempt": "contempt", "single votes do not count": "fear"}
    assert len(found.classes) == 8 and len(found.votes) == 3
    with pytest.raises(Failure, match=r"needs the FER\+ votes, and these faces have none; put"):
        replace(some, votes=None).with_classes("8")


def own(*classes: str) -> Faces:
    faces = toy()
    return replace(faces, labels=faces.labels % len(classes), manifest={
        "dataset": "my-moods", "classes": list(classes), "class_set": str(len(classes)), "own_classes": True})


@pytest.mark.parametrize("class_set", ["7", "2"])
def test_classes_of_another_data_set_stay_as_they_are(class_set):
    faces = own("bored", "tired")
    assert faces.with_classes(class_set) is faces and set(faces.counts()["Training"]) == {"bored", "tired"}


@pytest.mark.parametrize("class_set", ["6", "8"])
def test_class_sets_of_the_emotions_cannot_be_made_of_others(class_set):
    with pytest.raises(Failure, match=f"classes are bored, tired, of which class set {class_set} cannot be made; say "
                                      "classes=7") as caught:
        own("bored", "tired").with_classes(class_set)
    assert "\n" not in str(caught.value)


def test_seven_emotions_of_another_data_set_can_be_six_but_not_the_eight_of_fer_plus():
    faces = replace(toy(), manifest={"dataset": "my-moods"})
    assert len(faces.with_classes("6").classes) == 6
    with pytest.raises(Failure, match=r"needs the FER\+ votes.* for FER-2013, and this is my-moods: leave `classes`"):
        faces.with_classes("8")
