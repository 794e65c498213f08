"""Every edition gives the same table, and whatever is wrong with one is said in one line."""

import gzip
import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import threading
import time
import types
import zipfile
from collections.abc import Iterable
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
import toy_models
from toy_files import folder

from pipeline.download import kaggle
from pipeline.download.external import add_edition, editions_in, find_external
from pipeline.download.kaggle import kaggle_cached, kaggle_reachable
from pipeline.download.read import read_edition
from pipeline.download.sources import download
from pipeline.faces import fer2013
from pipeline.faces.faces import EMOTIONS, SPLITS, Faces
from pipeline.params import params
from pipeline.system.failure import Failure

ROOT = Path(__file__).parents[2]
VARIANTS = ("Anger", "disgusted", "fearful", "Happy", "sadness", "surprised", "NEUTRAL")
PER_SPLIT = {"Training": 3, "PublicTest": 1, "PrivateTest": 1}


@pytest.fixture(autouse=True)
def toy_counts_as_fer2013(monkeypatch):
    """The toy is as large as FER-2013 here; another number of faces is other data."""
    monkeypatch.setattr(fer2013, "IMAGES", 35)


def settings(**values) -> params.Download:
    return params.Download(**{"source": "auto", "url": None, "sha256": None, "validation_share": 0.4,
                              "sample_faces": 70, "sample_seed": 1, **values})


@cache
def toy() -> list[tuple[str, int, np.ndarray]]:
    """(split, label, image) of a data set with every class in every split, no two images alike."""
    random = np.random.default_rng(0)
    return [(split, label, random.integers(0, 256, (48, 48), np.uint8))
            for split, count in PER_SPLIT.items() for label in range(7) for _ in range(count)]


def picture(image: np.ndarray) -> bytes:
    # Lossless, so that a CSV has the same pixels; readers go by the content, not by the name's ending
    return cv2.imencode(".png", image)[1].tobytes()


def pictures(names: tuple[str, ...] = EMOTIONS) -> dict[str, bytes]:
    """A folder edition: names and bytes."""
    return {f"{'train' if split == 'Training' else 'test'}/{names[label]}/{split}_{number:04d}.jpg": picture(image)
            for number, (split, label, image) in enumerate(toy())}


@cache
def csv_rows() -> tuple[str, ...]:
    return ("emotion,pixels,Usage", *(f"{label},{' '.join(map(str, image.ravel().tolist()))},{split}"
                                      for split, label, image in toy()))


def csv_bytes(rows: Iterable[str] = ()) -> bytes:
    return "\n".join(rows or csv_rows()).encode() + b"\n"


def icml_bytes() -> bytes:
    rows = ["\"emotion\",\" Usage\",\" pixels\""]
    for row in csv_rows()[1:]:
        label, pixels, split = row.split(",")
        rows.append(f'{label},{split},"{pixels}"')
    return "\r\n".join(rows).encode()


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def tar_gz(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def as_set(faces: Faces) -> set[tuple[str, int, bytes]]:
    return {(str(split), int(label), image.tobytes())
            for split, label, image in zip(faces.splits, faces.labels, faces.images, strict=True)}


EXPECTED = {(split, label, image.tobytes()) for split, label, image in toy()}
EDITIONS = {
    "folder": lambda at: folder(at / "fer", pictures()),
    "folder below another": lambda at: folder(at / "fer", {f"archive/{k}": v for k, v in pictures().items()}),
    "folder with variants": lambda at: folder(at / "fer", pictures(VARIANTS)),
    "zip": lambda at: zipped(at / "archive.zip", pictures()),
    "zip below a folder, other order": lambda at: zipped(
        at / "a.zip", {f"./fer2013/{k}": v for k, v in reversed(pictures().items())}),
    "zip with what systems add": lambda at: zipped(at / "a.zip", {
        **pictures(), "__MACOSX/train/angry/._Training_1.jpg": b"x", "train/.DS_Store": b"x", "README.md": b"x"}),
    "csv": lambda at: written(at / "fer2013.csv", csv_bytes()),
    "csv with a byte order mark": lambda at: written(at / "fer2013.csv", b"\xef\xbb\xbf" + csv_bytes()),
    "icml csv": lambda at: written(at / "icml_face_data.csv", icml_bytes()),
    "csv (gzip)": lambda at: written(at / "fer2013.csv.gz", gzip.compress(csv_bytes())),
    "csv (zip)": lambda at: zipped(at / "fer2013.csv.zip", {"fer2013.csv": csv_bytes()}),
    "csv among others (zip)": lambda at: zipped(
        at / "challenges.zip", {"train.csv": b"emotion,pixels\n", "icml_face_data.csv": icml_bytes()}),
    "csv (tar.gz)": lambda at: tar_gz(
        at / "fer2013.tar.gz", {"fer2013/README": b"x", "fer2013/fer2013.csv": csv_bytes()}),
    "folder with the csv": lambda at: folder(at / "fer2013", {"fer2013.csv": csv_bytes(), "README": b"x"}),
}


@pytest.mark.parametrize("make", EDITIONS.values(), ids=EDITIONS)
def test_every_edition_gives_the_same_table(tmp_path, make):
    faces = read_edition(make(tmp_path), 0.1)
    assert len(faces) == len(EXPECTED) == 35
    assert as_set(faces) == EXPECTED
    assert len(set(faces.ids)) == 35
    keys = [(SPLITS.index(split), name) for split, name in zip(faces.splits, faces.ids, strict=True)]
    assert keys == sorted(keys), "sorted by split, then id"


def test_the_order_and_digest_do_not_depend_on_the_packing(tmp_path):
    files = pictures()
    below = {f"./fer2013/{name}": content for name, content in reversed(files.items())}
    made = [folder(tmp_path / "a", files), zipped(tmp_path / "a.zip", files), zipped(tmp_path / "b.zip", below),
            folder(tmp_path / "b", below)]
    read = [read_edition(path, 0.1) for path in made]
    assert len({faces.digest() for faces in read}) == 1
    assert len({faces.manifest["contents_sha256"] for faces in read}) == 1
    assert [faces.manifest["edition"] for faces in read] == ["folder", "folder (zip)", "folder (zip)", "folder"]
    assert read[1].ids[0] == "Training_0000"


def test_the_packing_of_a_csv_does_not_matter_either(tmp_path):
    read = [read_edition(EDITIONS[name](tmp_path), 0.1) for name in ("csv", "csv (gzip)", "csv (zip)", "csv (tar.gz)")]
    assert len({faces.digest() for faces in read}) == 1
    assert {faces.manifest["contents_sha256"] for faces in read} == {hashlib.sha256(csv_bytes()).hexdigest()}
    assert [faces.manifest["edition"] for faces in read] == ["csv", "csv (gzip)", "csv (zip)", "csv (tar.gz)"]
    assert (read[0].ids[0], read[0].ids[-1]) == ("Training_000000", "PrivateTest_000034")


def test_the_contents_digest_changes_with_a_byte_and_with_a_name(tmp_path):
    files = pictures()
    first, *others = files
    changed = {**files, first: picture(np.zeros((48, 48), np.uint8))}
    renamed = {first.replace("_0000", "_9999"): files[first], **{name: files[name] for name in others}}
    digests = {read_edition(zipped(tmp_path / f"{number}.zip", one), 0.1).manifest["contents_sha256"]
               for number, one in enumerate((files, changed, renamed))}
    assert len(digests) == 3


def test_a_name_in_two_classes_gets_the_class_into_its_id(tmp_path):
    files = pictures() | {"train/sad/Training_0000.jpg": picture(np.zeros((48, 48), np.uint8))}
    faces = read_edition(zipped(tmp_path / "a.zip", files), 0.1)
    assert {"Training_0000.angry", "Training_0000.sad"} < set(faces.ids) and "Training_0000" not in faces.ids
    assert "Training_0000" in faces.manifest["notes"][0]


def unnamed() -> dict[str, bytes]:
    """A folder edition whose names carry no split: 10 a class in train, 1 a class in test."""
    images = np.random.default_rng(1).integers(0, 256, (77, 48, 48), np.uint8)
    return {f"{'train' if number < 70 else 'test'}/{EMOTIONS[number % 7]}/im{number // 7}.png": picture(image)
            for number, image in enumerate(images)}


def test_a_folder_without_splits_gets_a_stratified_one_and_says_so(tmp_path):
    first = read_edition(folder(tmp_path / "a", unnamed()), 0.3)
    second = read_edition(zipped(tmp_path / "a.zip", dict(reversed(unnamed().items()))), 0.3)
    counts = first.counts()
    assert [set(counts[split].values()) for split in SPLITS] == [{7}, {3}, {1}]
    assert first.manifest["splits_from"] == "stratified validation split"
    assert "30% of every class" in first.manifest["notes"][0]
    assert first.digest() == second.digest(), "the same split on every machine"
    assert all(name.startswith("test/") for name in first.split("PrivateTest").ids)


def test_links_are_ignored(tmp_path):
    path = folder(tmp_path / "fer", pictures())
    secret = written(tmp_path / "secret.jpg", picture(np.zeros((48, 48), np.uint8)))
    try:
        (path / "train" / "angry" / "Training_9.jpg").symlink_to(secret)
    except OSError:
        pytest.skip("this system makes no links")
    assert as_set(read_edition(path, 0.1)) == EXPECTED
    archive = zipped(tmp_path / "a.zip", pictures())
    link = zipfile.ZipInfo("train/angry/Training_9.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(link, "/etc/passwd")
    assert as_set(read_edition(archive, 0.1)) == EXPECTED


def damaged(files: dict[str, bytes], name: str, content: bytes) -> dict[str, bytes]:
    return {**files, name: content}


def with_row(number: int, change) -> bytes:
    rows = list(csv_rows())
    rows[number] = change(rows[number])
    return csv_bytes(rows)


def pixel(row: str, value: str) -> str:
    label, pixels, split = row.split(",")
    return f"{label},{value} {pixels.split(' ', 1)[1]},{split}"


def truncated(path: Path) -> Path:
    content = path.read_bytes()
    return written(path, content[:len(content) * 6 // 10])


def flipped(path: Path) -> Path:
    """A zip whose directory is whole and whose first picture is not."""
    content = bytearray(path.read_bytes())
    content[200] ^= 255
    return written(path, bytes(content))


def lying(path: Path) -> Path:
    """A zip whose directory declares a picture of 16 MB."""
    return zipped(path, damaged(pictures(), "train/sad/Training_7777.jpg", bytes(2**24)))


ODD = "train/angry/Training_0000.jpg"
BAD = {
    "truncated zip": (lambda at: truncated(zipped(at / "a.zip", pictures())), "a.zip: a damaged or truncated zip"),
    "damaged zip": (lambda at: flipped(zipped(at / "a.zip", pictures())), f"a.zip: {ODD}: damaged"),
    "page instead of a zip": (lambda at: written(at / "a.zip", b"<html>"), "a.zip: not a zip file"),
    "foreign zip": (lambda at: zipped(at / "a.zip", {"holiday/beach.jpg": b"x"}), "a.zip: no faces of FER-2013 in it"),
    "empty zip": (lambda at: zipped(at / "a.zip", {}), "a.zip: no faces of FER-2013"),
    "climbing path": (lambda at: zipped(at / "a.zip", damaged(pictures(), "../train/sad/Training_9.jpg", b"x")),
                      "../train/sad/Training_9.jpg: a path that leads out of the archive"),
    "climbing path, backslashes": (lambda at: zipped(at / "a.zip", damaged(pictures(), "x\\..\\..\\y.jpg", b"x")),
                                   "x/../../y.jpg: a path that leads out"),
    "absolute path": (lambda at: zipped(at / "a.zip", damaged(pictures(), "/etc/passwd", b"x")), "/etc/passwd: a path"),
    "drive letter": (lambda at: zipped(at / "a.zip", damaged(pictures(), "C:/x.jpg", b"x")), "C:/x.jpg: a path"),
    "climbing tar": (lambda at: tar_gz(at / "a.tar.gz", {"../fer2013.csv": csv_bytes()}), "../fer2013.csv: a path"),
    "zip bomb": (lambda at: lying(at / "a.zip"), "train/sad/Training_7777.jpg: 16777216 bytes for a picture"),
    "not a picture": (lambda at: zipped(at / "a.zip", damaged(pictures(), ODD, b"hello")), f"{ODD}: not a picture"),
    "empty picture": (lambda at: zipped(at / "a.zip", damaged(pictures(), ODD, b"")), f"{ODD}: not a picture"),
    "half a picture": (lambda at: zipped(at / "a.zip", damaged(
        pictures(), ODD, cv2.imencode(".jpg", toy()[0][2])[1].tobytes()[:700])), f"{ODD}: not a picture"),
    "another size": (lambda at: folder(at / "a", damaged(pictures(), ODD, picture(np.zeros((48, 64), np.uint8)))),
                     f"{ODD}: 64x48 pixels, expected 48x48"),
    "unknown class": (lambda at: folder(at / "a", damaged(pictures(), "train/contempt/Training_1.jpg", b"x")),
                      "there is no class 'contempt'"),
    "missing class": (lambda at: folder(at / "a", {k: v for k, v in pictures().items() if "fear" not in k}),
                      "no fear in Training"),
    "no test": (lambda at: folder(at / "a", {k: v for k, v in pictures().items() if "train" in k}),
                "no faces of PublicTest"),
    "name against folder": (lambda at: folder(at / "a", damaged(pictures(), "train/sad/PublicTest_1.jpg", b"x")),
                            "train/sad/PublicTest_1.jpg: name and folder contradict"),
    "some names without split": (lambda at: folder(at / "a", damaged(pictures(), "train/sad/im1.jpg", b"x")),
                                 "train/sad/im1.jpg: carries no split"),
    "outside the classes": (lambda at: folder(at / "a", damaged(pictures(), "train/im1.jpg", b"x")),
                            "train/im1.jpg: is in no class folder"),
    "twice": (lambda at: folder(at / "a", damaged(pictures(), ODD.replace(".jpg", ".png"), toy_picture())),
              "Training_0000.angry occurs 2 times"),
    "two tops": (lambda at: folder(at / "a", {**pictures(), **{f"copy/{k}": v for k, v in pictures().items()}}),
                 "faces in several folders (., copy)"),
    "empty folder": (lambda at: at, "no faces of FER-2013 in it"),
    "foreign folder": (lambda at: folder(at, {"a/b/c/d/train/sad/Training_1.jpg": b"x"}), "no faces of FER-2013 in it"),
    "nothing there": (lambda at: at / "nowhere.zip", "nowhere.zip: does not exist"),
    "empty file": (lambda at: written(at / "fer2013.csv", b""), "fer2013.csv: an empty file"),
    "short row": (lambda at: written(at / "f.csv", with_row(3, lambda row: row[:2] + row[2:].split(" ", 5)[5])),
                  "f.csv: line 4: 2299 pixels, expected 2304"),
    "pixel of 300": (lambda at: written(at / "f.csv", with_row(3, lambda row: pixel(row, "300"))),
                     "f.csv: line 4: a pixel of 300, expected 0 to 255"),
    "negative pixel": (lambda at: written(at / "f.csv", with_row(3, lambda row: pixel(row, "-1"))), "a pixel of -1"),
    "pixel that is no number": (lambda at: written(at / "f.csv", with_row(3, lambda row: pixel(row, "grey"))),
                                "f.csv: line 4: pixel 'grey' is not a whole number"),
    "pixel with a point": (lambda at: written(at / "f.csv", with_row(3, lambda row: pixel(row, "1.5"))), "pixel '1.5'"),
    "label 7": (lambda at: written(at / "f.csv", with_row(2, lambda row: "7" + row[1:])),
                "f.csv: line 3: label '7', expected 0 to 6"),
    "unknown Usage": (lambda at: written(at / "f.csv", with_row(2, lambda row: row.replace("Training", "Test"))),
                      "f.csv: line 3: Usage 'Test', expected Training"),
    "row too long": (lambda at: written(at / "f.csv", with_row(2, lambda row: row + ",1")), "line 3: 4 columns"),
    "missing column": (lambda at: written(at / "f.csv", csv_bytes().replace(b"Usage", b"Wrong", 1)),
                       "f.csv: line 1: no column usage"),
    "endless line": (lambda at: written(at / "f.csv", b"emotion,pixels,Usage\n" + b"1" * 2**20), "far too large"),
    "truncated gzip": (lambda at: truncated(written(at / "f.csv.gz", gzip.compress(csv_bytes()))),
                       "f.csv.gz: damaged or truncated"),
    "truncated tar": (lambda at: truncated(tar_gz(at / "f.tar.gz", {"fer2013.csv": csv_bytes()})),
                      "f.tar.gz: damaged or truncated"),
    "tar without a csv": (lambda at: tar_gz(at / "f.tar.gz", {"readme": b"x" * 600}), "f.tar.gz: no CSV in it"),
    "csv without a class": (lambda at: written(at / "f.csv", csv_bytes([row for row in csv_rows() if row[0] != "6"])),
                            "no neutral in Training"),
}


def toy_picture() -> bytes:
    return picture(toy()[0][2])


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_said_in_one_line_with_file_and_place(tmp_path, make, message, capfd):
    path = make(tmp_path)
    with pytest.raises(Failure) as caught:
        read_edition(path, 0.1)
    assert message in str(caught.value) and path.name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert ";" in str(caught.value), "it says what to do"
    assert capfd.readouterr().err == "", "nothing beside the line"


def test_a_csv_that_declares_gigabytes_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.download.text.CSV_LIMIT", 10_000)
    for path in (zipped(tmp_path / "a.zip", {"fer2013.csv": csv_bytes()}),
                 written(tmp_path / "f.csv.gz", gzip.compress(csv_bytes()))):
        with pytest.raises(Failure, match=r"not FER-2013|far too large for FER-2013"):
            read_edition(path, 0.1)


# ---- the stage


def test_auto_takes_what_lies_in_external_and_the_manifest_says_so(tmp_path):
    external = folder(tmp_path / "external", {".gitkeep": b"", "README.md": b"x"})
    zipped(external / "archive.zip", pictures())
    faces = download(settings(), "fer2013", external)
    manifest = faces.manifest
    assert as_set(faces) == EXPECTED
    assert {key: manifest[key] for key in ("dataset", "edition", "source", "splits_from", "class_set", "protocol")} == {
        "dataset": "fer2013", "edition": "folder (zip)", "source": "archive.zip", "splits_from": "file names",
        "class_set": "7", "protocol": "published"}
    assert manifest["classes"] == list(EMOTIONS)
    assert str(tmp_path) not in json.dumps(manifest)


def test_auto_takes_the_first_of_several_and_says_which(tmp_path, capsys):
    external = folder(tmp_path / "external", {"b.csv": csv_bytes()})
    zipped(external / "a.zip", pictures())
    faces = download(settings(), "fer2013", external)
    assert faces.manifest["source"] == "a.zip"
    assert "took a.zip, the first of a.zip, b.csv" in faces.manifest["notes"][0]
    assert "took a.zip" in capsys.readouterr().err


def test_auto_finds_train_and_test_directly_in_external(tmp_path):
    external = folder(tmp_path / "external", {".gitkeep": b"", **pictures()})
    assert editions_in(external) == [external]
    assert as_set(download(settings(), "fer2013", external)) == EXPECTED


def test_source_may_be_a_path(tmp_path):
    path = written(tmp_path / "fer2013.csv", csv_bytes())
    faces = download(settings(source=str(path)), "fer2013", tmp_path / "none")
    assert (faces.manifest["edition"], faces.manifest["source"]) == ("csv", "fer2013.csv")


def test_without_data_and_kaggle_the_line_says_where_to_get_it_and_what_works_without(tmp_path, monkeypatch):
    monkeypatch.setattr(kaggle, "kaggle_reachable", lambda: False)
    monkeypatch.setattr(kaggle, "kaggle_cached", lambda: False)
    with pytest.raises(Failure, match=r"kaggle\.com/datasets/msambare/fer2013.*make run FER2013=PATH.*DATASET=sample"):
        download(settings(), "fer2013", tmp_path)


def test_the_sample_is_drawn_from_its_seed(monkeypatch):
    drawing = types.ModuleType("pipeline.download.drawn.sample")
    asked = []

    def draw_faces(count, seed):
        asked.append((count, seed))
        return Faces(np.zeros((1, 48, 48), np.uint8), np.array(["a"]), np.array(["Training"]), np.array([0]), {})

    drawing.draw_faces = draw_faces
    monkeypatch.setitem(sys.modules, "pipeline.download.drawn.sample", drawing)
    manifest = download(settings(sample_faces=140, sample_seed=9), "sample").manifest
    assert asked == [(140, 9)]
    assert (manifest["dataset"], manifest["edition"], manifest["seed"]) == ("sample", "drawn", 9)


@pytest.fixture
def kagglehub(monkeypatch, tmp_path):
    """A kagglehub that has the toy edition."""
    module = types.ModuleType("kagglehub")
    path = folder(tmp_path / "1", pictures())
    module.dataset_download = lambda handle: str(path)
    monkeypatch.setitem(sys.modules, "kagglehub", module)
    monkeypatch.setattr(kaggle, "kaggle_reachable", lambda: True)
    monkeypatch.setattr(kaggle, "CONTENTS", read_edition(path, 0.1).manifest["contents_sha256"])
    return module


def test_kaggle_is_asked_when_nothing_lies_in_external(kagglehub, tmp_path):
    faces = download(settings(), "fer2013", tmp_path / "external")
    assert as_set(faces) == EXPECTED
    assert (faces.manifest["edition"], faces.manifest["source"]) == ("kaggle", "msambare/fer2013/versions/1")
    assert "as published on Kaggle" in faces.manifest["notes"][0]


def test_other_contents_than_the_pinned_ones_are_refused(kagglehub, tmp_path):
    (tmp_path / "1" / ODD).write_bytes(picture(np.zeros((48, 48), np.uint8)))
    with pytest.raises(Failure, match="not the contents that Kaggle published"):
        download(settings(source="kaggle"), "fer2013", tmp_path)


def test_whatever_kagglehub_raises_becomes_one_line(kagglehub, tmp_path):
    def refuse(handle):
        raise RuntimeError("403\nForbidden")

    kagglehub.dataset_download = refuse
    with pytest.raises(Failure, match="RuntimeError"):
        download(settings(source="kaggle"), "fer2013", tmp_path)


def test_kaggle_cached_means_a_complete_download(monkeypatch, tmp_path):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    (tmp_path / "datasets/msambare/fer2013/versions/1").mkdir(parents=True)
    assert not kaggle_cached()
    (tmp_path / "datasets/msambare/fer2013/1.complete").touch()
    assert kaggle_cached()


def test_kaggle_reachable_never_raises_and_never_takes_longer_than_told(monkeypatch):
    release = threading.Event()
    begun = time.monotonic()
    monkeypatch.setattr(kaggle, "_ask", lambda seconds: release.wait(20))
    assert kaggle_reachable(0.2) is False
    assert time.monotonic() - begun < 2
    release.set()
    begun = time.monotonic()

    def refuse(seconds):
        raise OSError("no such name")

    monkeypatch.setattr(kaggle, "_ask", refuse)
    assert kaggle_reachable(20) is False
    assert time.monotonic() - begun < 2, "a quick no is not waited for"
    monkeypatch.setattr(kaggle, "_ask", lambda seconds: None)
    assert kaggle_reachable(20) is True


# ---- a URL


def test_a_url_is_taken_when_its_sha256_is_right(tmp_path):
    path = zipped(tmp_path / "my fer.zip", pictures())
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    faces = download(settings(source="url", url=path.as_uri(), sha256=sha256.upper()), "fer2013", tmp_path)
    assert as_set(faces) == EXPECTED
    manifest = faces.manifest
    assert (manifest["edition"], manifest["source"], manifest["source_sha256"]) == ("url", "my fer.zip", sha256)
    assert manifest["notes"][0] == "folder (zip) from a local file"


@pytest.mark.parametrize(("values", "message"), [
    ({"url": "https://example.org/a.zip"}, "needs download.url and download.sha256"),
    ({"sha256": "0" * 64}, "needs download.url and download.sha256"),
    ({"url": "ftp://example.org/a.zip", "sha256": "0" * 64}, "expected https://, http:// or file://"),
    ({"url": "FILE", "sha256": "0" * 64}, "but download.sha256 in params.yaml is 0000"),
    ({"url": "FILE/nowhere.zip", "sha256": "0" * 64}, "cannot be fetched"),
])
def test_a_url_that_cannot_be_trusted_or_fetched_is_one_line(tmp_path, values, message):
    path = zipped(tmp_path / "a.zip", pictures())
    if "url" in values:
        values = {**values, "url": values["url"].replace("FILE", path.as_uri())}
    with pytest.raises(Failure, match=message):
        download(settings(source="url", **values), "fer2013", tmp_path)


def test_a_connection_that_breaks_off_is_said_to_be_that(tmp_path):
    class Half(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 300)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Half) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/fer.zip"
        with pytest.raises(Failure, match="broke off after 300"):
            download(settings(source="url", url=url, sha256="0" * 64), "fer2013", tmp_path)
        thread.join()


# ---- putting something into data/external/


def test_find_external_ignores_what_is_no_edition(tmp_path):
    assert find_external(tmp_path / "nowhere") is None
    external = folder(tmp_path / "external", {".gitkeep": b"", "README.md": b"", "notes.txt": b"", ".a.zip.1.new": b""})
    assert find_external(external) is None
    (external / "fer2013.csv.gz").touch()
    assert find_external(external) == external / "fer2013.csv.gz"


@pytest.mark.parametrize("name", ["folder below another", "zip", "icml csv", "csv (gzip)", "csv (tar.gz)", "csv (zip)"])
def test_adding_copies_an_edition_once(tmp_path, name):
    path, external = EDITIONS[name](tmp_path), tmp_path / "data" / "external"
    added = add_edition(path, external)
    assert added == external / path.name == find_external(external)
    assert as_set(download(settings(), "fer2013", external)) == EXPECTED
    before = added.stat().st_mtime_ns
    assert add_edition(path, external) == added
    assert add_edition(added, external) == added, "naming what is there already is no mistake"
    assert added.stat().st_mtime_ns == before, "not copied again"
    assert [child.name for child in external.iterdir()] == [path.name], "no temporary file stays"


def test_adding_knows_the_same_bytes_under_another_name(tmp_path):
    external = tmp_path / "external"
    added = add_edition(zipped(tmp_path / "a.zip", pictures()), external)
    shutil.copyfile(tmp_path / "a.zip", tmp_path / "b.zip")
    assert add_edition(tmp_path / "b.zip", external) == added


def test_adding_is_refused_beside_another_edition(tmp_path):
    external = tmp_path / "external"
    added = add_edition(zipped(tmp_path / "a.zip", pictures()), external)
    with pytest.raises(Failure, match=r"a\.zip: another edition .* remove"):
        add_edition(written(tmp_path / "fer2013.csv", csv_bytes()), external)
    with pytest.raises(Failure, match="another edition"):
        add_edition(folder(tmp_path / "fer", pictures()), external)
    assert editions_in(external) == [added]


def test_adding_takes_only_the_faces_of_a_folder(tmp_path):
    path = folder(tmp_path / "fer", {**pictures(), "diary.txt": b"private"})
    added = add_edition(path, tmp_path / "external")
    assert sorted(child.name for child in added.iterdir()) == ["test", "train"]
    (path / ODD).write_bytes(b"x" * (path / ODD).stat().st_size)
    with pytest.raises(Failure, match="another edition"):
        add_edition(path, tmp_path / "external")


@pytest.mark.parametrize(("make", "message"), [
    (lambda at: at / "nowhere.zip", "does not exist"),
    (lambda at: zipped(at / "a.zip", {"holiday/beach.jpg": b"x"}), "no faces of FER-2013"),
    (lambda at: truncated(zipped(at / "a.zip", pictures())), "truncated zip"),
    (lambda at: written(at / "a.csv", b"name,age\n"), "no column emotion"),
    (lambda at: written(at / "fer2013", csv_bytes()), "unknown kind of file"),
    (lambda at: folder(at / "photos", {"beach.jpg": b"x"}), "no faces of FER-2013"),
    (lambda at: folder(at, pictures()), "holds .*external itself"),
])
def test_adding_refuses_what_is_no_edition_at_first_sight(tmp_path, make, message):
    path, external = make(tmp_path), tmp_path / "external"
    before = sorted(external.rglob("*"))
    with pytest.raises(Failure, match=message):
        add_edition(path, external)
    assert sorted(external.rglob("*")) == before


def test_choosing_the_data_set_needs_no_heavy_import():
    code = ("import sys, pipeline.download.external, pipeline.download.kaggle; "
            "print({'numpy', 'pydantic', 'cv2'} & set(sys.modules))")
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


@pytest.mark.parametrize(("make", "taken"), [
    (lambda at: written(at / "fer2013_sample.csv", csv_bytes()), True),
    (lambda at: written(at / "icml_face_data.csv", icml_bytes()), True),
    (lambda at: zipped(at / "fer2013-part.zip", pictures()), True),
    (lambda at: written(at / "faces.csv", csv_bytes()), False),
    (lambda at: zipped(at / "faces.zip", pictures()), False),
    (lambda at: folder(at / "fer2013-more", unnamed()), False),
])
def test_a_part_of_fer2013_is_taken_when_it_is_named_after_it_and_other_faces_are_asked_for_a_name(
        tmp_path, monkeypatch, make, taken):
    monkeypatch.setattr(fer2013, "IMAGES", 35_887)
    path = make(tmp_path)
    for call in (lambda: download(settings(source=str(path)), "fer2013", tmp_path / "none"),
                 lambda: add_edition(path, tmp_path / "external")):
        if taken:
            call()
        else:
            with pytest.raises(Failure, match=r"not FER-2013, which has 35,887 images, but .*; give it a name of"):
                call()
    assert (tmp_path / "external").exists() == taken


def test_without_kaggle_the_line_names_the_other_data_that_is_here(tmp_path, monkeypatch):
    monkeypatch.setattr(kaggle, "kaggle_reachable", lambda: False)
    monkeypatch.setattr(kaggle, "kaggle_cached", lambda: False)
    folder(tmp_path / "my-faces", dict.fromkeys(list(pictures())[:3], b"x"))
    with pytest.raises(Failure, match=r"Kaggle cannot be reached.*, or `make run DATASET=my-faces`, which is in data"):
        download(settings(), "fer2013", tmp_path)


# ---- end to end


def test_the_command_saves_the_faces_and_bad_input_leaves_them_there(tmp_path):
    shutil.copy(toy_models.PARAMS, tmp_path)
    external = folder(tmp_path / "data" / "external", {"fer2013.csv": csv_bytes()})

    def run():
        return subprocess.run([sys.executable, "-m", "pipeline.download"], cwd=tmp_path, capture_output=True, text=True,
                              env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)

    good = run()
    assert (good.returncode, good.stderr) == (0, "")
    assert "csv (fer2013.csv): 21 Training, 7 PublicTest, 7 PrivateTest" in good.stdout
    assert as_set(Faces.load(tmp_path / "data/fer2013/faces")) == EXPECTED

    written(external / "fer2013.csv", with_row(3, lambda row: pixel(row, "300")))
    bad = run()
    assert bad.returncode == 1
    assert len(bad.stderr.splitlines()) == 1 and "line 4: a pixel of 300" in bad.stderr
    assert as_set(Faces.load(tmp_path / "data/fer2013/faces")) == EXPECTED, "the previous good output is still there"
    assert [child.name for child in (tmp_path / "data/fer2013").iterdir()] == ["faces"], "nothing half-written"


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("FER2013"), reason="FER2013 does not name the real data")
def test_the_real_edition_has_its_published_counts_and_contents():
    faces = read_edition(Path(os.environ["FER2013"]), 0.1)
    assert [int((faces.splits == split).sum()) for split in SPLITS] == [28709, 3589, 3589]
    if faces.manifest["edition"].startswith("folder"):
        assert faces.manifest["contents_sha256"] == kaggle.CONTENTS
