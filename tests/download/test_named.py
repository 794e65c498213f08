"""A data set of one's own: every layout that people have gives the same faces; what is wrong is one line."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from toy_files import folder

from pipeline.download import class_names
from pipeline.download.external import find_named, look_into
from pipeline.download.named import cut, read_named
from pipeline.download.splits import split_of
from pipeline.faces import datasets, fer2013
from pipeline.faces.faces import EMOTIONS, SPLITS, Faces
from pipeline.system.failure import Failure

MOODS = ("Bored", "happiness", "Tired")
CLASSES = ("happy", "bored", "tired")


def picture(shade: int, size: tuple[int, int] = (48, 48), channels: int = 1) -> bytes:
    """A picture of one brightness, which any resizing keeps."""
    shape = size if channels == 1 else (*size, channels)
    return cv2.imencode(".png", np.full(shape, shade, "uint8"))[1].tobytes()


def moods(train: str = "train", val: str = "val", test: str = "test", **options) -> dict[str, bytes]:
    """Names and bytes of 10 + 2 + 2 pictures a class, no two alike; a split without a name is left out."""
    files, shade = {}, 0
    for name in MOODS:
        for split, count in ((train, 10), (val, 2), (test, 2)):
            for number in range(count):
                shade += 5
                if split:
                    files[f"{split}/{name}/{number}.png"] = picture(shade, **options)
    return files


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def table(files: dict[str, bytes], row: Callable[[str, str, str], str], header: str) -> bytes:
    """A CSV with a row of each picture's path, class and split."""
    rows = [row(path, *reversed(path.split("/")[:2])) for path in files]
    return "\n".join([header, *rows]).encode() + b"\n"


def in_all(faces: Faces) -> set[tuple[str, str, int]]:
    return {(str(split), faces.classes[label], int(image[0, 0]))
            for split, label, image in zip(faces.splits, faces.labels, faces.images, strict=True)}


def flat(files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"images/{path.replace('/', '_')}": content for path, content in files.items()}


def pixels_of(path: str) -> str:
    shade = cv2.imdecode(np.frombuffer(moods()[path], "uint8"), cv2.IMREAD_GRAYSCALE)[0, 0]
    return " ".join([str(shade)] * 64)


EXPECTED = {
    (split, name, 5 * (14 * index + first + number + 1))
    for index, name in enumerate(("bored", "happy", "tired"))
    for split, first, count in (("Training", 0, 10), ("PublicTest", 10, 2), ("PrivateTest", 12, 2))
    for number in range(count)}
WITH_SPLIT = {**flat(moods()), "labels.csv": table(
    moods(), lambda path, name, split: f"{path.replace('/', '_')},{name},{split}", "filename,Emotion,Usage")}
LAYOUTS = {
    "train, val, test": moods(),
    "Training, Validation, Testing": moods("Training", "Validation", "Testing"),
    "train_set, valid, test-images": moods("train_set", "valid", "test-images"),
    "TRAIN, dev, Test": moods("TRAIN", "dev", "Test"),
    "below other folders": {f"archive/my faces/{path}": content for path, content in moods().items()},
    "in colour, larger": moods(size=(112, 112), channels=3),
    "smaller, not square": moods(size=(30, 20)),
    "with transparency": moods(channels=4),
    "with what systems add": {**moods(), "__MACOSX/train/Bored/._1.png": b"x", "train/Bored/._1.png": b"x",
                              "train/.DS_Store": b"x", "train/Tired/Thumbs.db": b"x", "README": b"x", "a.txt": b"x"},
    "CLASS/SPLIT/FILE": {"/".join((path.split("/")[1], path.split("/")[0], path.split("/")[2])): content
                         for path, content in moods().items()},
    "folders below a class": {path.replace("/0.png", "/a person/0.png"): content for path, content in moods().items()},
    "pictures under any ending": {path.replace(".png", ".jfif"): content for path, content in moods().items()},
    "a CSV with splits": WITH_SPLIT,
    "a CSV for each split": {
        **moods(), **{f"{split}_labels.csv": table(
            {path: b"" for path in moods() if path.startswith(split)},
            lambda path, name, split: f"{path.split('/', 1)[1]};{name}", "image;label")
            for split in ("train", "val", "test")}},
    "a CSV with another machine's paths": {
        **moods(), "all.csv": table(moods(), lambda path, name, split: f'"C:\\me\\faces\\{path}",{name}',
                                    "path,label").replace(b"/", b"\\")},
    "a CSV with pixels": {"faces.csv": table(
        moods(), lambda path, name, split: f"{name},{split},{pixels_of(path)}", "emotion,Usage,pixels")},
}


@pytest.mark.parametrize("files", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_gives_the_same_faces(tmp_path, files):
    faces = read_named(folder(tmp_path / "moods", files), 0.1, 1)
    assert faces.classes == CLASSES and in_all(faces) == EXPECTED
    assert faces.images.shape == (42, 48, 48) and faces.images.dtype == np.uint8
    assert faces.manifest["class_set"] == "3" and faces.manifest["own_classes"]
    assert len(set(faces.ids)) == 42
    keys = [(SPLITS.index(split), name) for split, name in zip(faces.splits, faces.ids, strict=True)]
    assert keys == sorted(keys), "sorted by split, then id"


def test_a_zip_is_the_same_as_its_folder(tmp_path):
    in_folder, in_zip = (read_named(make(tmp_path / name, moods()), 0.1, 1)
                         for make, name in ((folder, "moods"), (zipped, "moods.zip")))
    assert in_folder.digest() == in_zip.digest()
    assert in_folder.manifest["contents_sha256"] == in_zip.manifest["contents_sha256"]
    assert (in_folder.manifest["edition"], in_zip.manifest["edition"]) == ("folder", "folder (zip)")


@pytest.mark.parametrize(("files", "counts", "cut_ones"), [
    (moods(test=""), (9, 2, 1), ["PrivateTest"]),
    (moods(val=""), (9, 1, 2), ["PublicTest"]),
    (moods(val="", test=""), (8, 1, 1), ["PublicTest", "PrivateTest"]),
    ({path.partition("/")[2]: content for path, content in moods(val="", test="").items()}, (8, 1, 1),
     ["PublicTest", "PrivateTest"]),
], ids=["train, val", "train, test", "train", "one level"])
def test_what_is_missing_is_cut_from_train_by_the_seed_and_said_so(tmp_path, files, counts, cut_ones):
    path = folder(tmp_path / "moods", files)
    faces, again, other = (read_named(path, 0.1, seed) for seed in (1, 1, 2))
    assert [set(row.values()) for row in faces.counts().values()] == [{count} for count in counts]
    assert faces.digest() == again.digest() != other.digest()
    for split in cut_ones:
        assert any(f"{split} is 10% of every class in train, cut by seed 1" in note for note in faces.manifest["notes"])
    assert faces.manifest["splits_from"] == "folders, in part cut by seed 1"


def test_exact_duplicates_are_cut_into_one_split():
    images = np.repeat(np.arange(30, dtype="uint8"), 4)[:, None, None] * np.ones((1, 48, 48), "uint8")
    splits, _ = cut(np.full(120, ""), np.zeros(120, "int64"), images, 0.1, 1, Path("x"))
    for image in range(30):
        assert len(set(splits[4 * image : 4 * image + 4])) == 1
    assert [int((splits == split).sum()) for split in SPLITS] == [96, 12, 12]


def test_a_picture_shrinks_by_area(tmp_path):
    checks = np.kron(np.indices((96, 96)).sum(axis=0) % 2, np.ones((1, 1))).astype("uint8") * 255
    files = {**moods(), "train/Tired/checks.png": cv2.imencode(".png", checks)[1].tobytes()}
    faces = read_named(folder(tmp_path / "moods", files), 0.1, 1)
    small = faces.images[faces.ids == "train/Tired/checks.png"][0]
    assert abs(int(small.min()) - 127) <= 1 and abs(int(small.max()) - 127) <= 1


def test_what_was_resized_and_stretched_is_said(tmp_path):
    notes = read_named(folder(tmp_path / "moods", moods(size=(100, 60))), 0.1, 1).manifest["notes"]
    assert notes == ["42 pictures resized to 48x48, most of them (42) from 60x100",
                     "42 of them were not square and are stretched: crop them to faces for better results"]


@pytest.mark.parametrize(("written", "names", "said"), [
    (["Sad", "HAPPY", "Anger"], ("angry", "happy", "sad"), ""),
    (list("0123456"), EMOTIONS, "classes 0 to 6 are FER-2013's: 0 angry, 1 disgust"),
    (["0.0", "1.0", "2.0", "3.0", "4.0", "5.0", "6.0"], EMOTIONS, "classes 0 to 6 are FER-2013's"),
    (list("1234567"), tuple("1234567"), "the classes 1, 2, 3, 4, 5, 6, 7 keep their numbers as names"),
    (["10", "9"], ("9", "10"), "keep their numbers"),
    (["0_anger", "1_contempt", "2 - Surprised"], ("angry", "surprise", "1_contempt"), ""),
    (["anger", "Angry", "contempt"], ("angry", "contempt"), "Angry and anger are one class, angry"),
    (["contempt", *EMOTIONS], (*EMOTIONS, "contempt"), ""),
    (["Mu\u0308de", "m\u00fcde", "Wach"], ("m\u00fcde", "wach"), ""),
])
def test_class_names_are_read_as_people_write_them(written, names, said):
    classes = class_names.classes_of(written, Path("x"))
    assert classes.names == names and set(classes.of) == set(written)
    assert said in " ".join(classes.notes)
    assert classes.are_emotions == (names == EMOTIONS)


def test_splits_are_known_by_the_names_that_people_give_them():
    names = {"Training": ("train", "Training", "TRAIN", "train set", "FER2013Train"),
             "PublicTest": ("val", "valid", "Validation", "dev", "PublicTest"),
             "PrivateTest": ("test", "Testing", "test_set", "PrivateTest"),
             "": ("happy", "trained", "testament", "images")}
    assert {name: split_of(name) for group in names.values() for name in group} == {
        name: split for split, group in names.items() for name in group}


def with_rows(*rows: str, header: str = "path,label", **files: bytes) -> dict[str, bytes]:
    return {**flat(moods()), **files, "labels.csv": "\n".join([header, *rows]).encode()}


WRONG = {
    "nothing": ({}, "no pictures in it, found nothing; expected train/CLASS/FILE, val/CLASS/FILE"),
    "no pictures": ({"a.txt": b"x", "b.txt": b"x", "c.mp4": b"x"}, "no pictures in it, found 2 .txt, 1 .mp4; expected"),
    "no class folders": ({"1.png": picture(1), "2.png": picture(2)}, "1.png: is in no class folder; expected"),
    "splits without class folders": ({f"images/{split}/{number}.png": picture(number) for split in ("train", "test")
                                      for number in range(3)}, "images/test/0.png: is in no class folder; expected"),
    "no class folder in train": ({**moods(), "train/1.png": picture(1)}, "train/1.png: is in no class folder"),
    "outside the splits": ({**moods(), "more/Bored/1.png": picture(1)}, "more/Bored/1.png: is in none of the folders"),
    "splits twice": ({**moods(), **{f"copy/{path}": content for path, content in moods().items()}},
                     "lie in several folders (., copy)"),
    "one class": ({f"{split}/sad/1.png": picture(1) for split in ("train", "val", "test")}, "only one class, sad"),
    "test alone": (moods(train="", val=""), "nothing to train on, found test alone"),
    "class without training": ({**moods(), "val/Sad/1.png": picture(1)}, "no pictures of sad in train"),
    "not a picture": ({**moods(), "val/Bored/9.heic": b"ftypheic"}, "val/Bored/9.heic: not a picture"),
    "a name that no table can hold": ({**moods(), "train/R&D/9.png": picture(1)}, "class 'R&D': expected a name of"),
    "other columns": ({**flat(moods()), "labels.csv": b"file,age\nx,3\n"}, "labels.csv has the columns file, age"),
    "a picture that is not there": (with_rows("images/no.png,sad"), "labels.csv: line 2: there is no picture 'images/"),
    "outside the folder": (with_rows("../../secret.png,sad"), "line 2: there is no picture '../../secret.png'"),
    "two pictures": (with_rows("1.png,sad", **{"a/1.png": picture(1), "b/1.png": picture(2)}),
                     "may be a/1.png or b/1.png"),
    "twice": (with_rows(*2 * ["images/train_Bored_1.png,sad"]), "line 3: images/train_Bored_1.png is in the table"),
    "no label": (with_rows("images/train_Bored_1.png,"), "line 2: no label"),
    "a column too many": (with_rows("images/train_Bored_1.png,sad,1"), "line 2: 3 columns, expected 2"),
    "an odd split": (with_rows("images/train_Bored_1.png,sad,fold3", header="path,label,split"),
                     "line 2: split 'fold3', expected train, val or test"),
    "some splits missing": (with_rows("images/train_Bored_1.png,sad,train", "images/train_Bored_2.png,sad,",
                                      header="path,label,split"), "train_Bored_2.png has no split, unlike others"),
    "several tables": (with_rows("a,b", **{"other.csv": b"path,label\nx,y\n"}), "several tables with labels (labels"),
    "no rows": (with_rows(), "labels.csv: no rows"),
    "pixels that are not square": ({"f.csv": b"emotion,pixels\nsad,1 2 3\n"}, "line 2: 3 pixels, expected those of"),
    "pixels that are no numbers": ({"f.csv": b"emotion,pixels\nsad,a b c d\n"}, "pixels that are no whole numbers"),
}


@pytest.mark.parametrize(("files", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_read_says_what_was_expected_and_what_came(tmp_path, files, message):
    (tmp_path / "moods").mkdir()
    path = folder(tmp_path / "moods", files)
    with pytest.raises(Failure) as caught:
        read_named(path, 0.1, 1)
    assert message in str(caught.value) and "moods" in str(caught.value)
    assert "\n" not in str(caught.value) and ";" in str(caught.value), "one line that says what to do"


# ---- data/external/


@pytest.fixture
def small(monkeypatch):
    """FER-2013 is 35 images here."""
    monkeypatch.setattr(fer2013, "IMAGES", 35)


def edition(train: int = 28, test: int = 7, size: int = 48) -> dict[str, bytes]:
    """A folder as FER-2013's on Kaggle, of so many pictures."""
    return {f"{split}/{EMOTIONS[number % 7]}/{number}.png": picture(number, (size, size))
            for split, count in (("train", train), ("test", test)) for number in range(count)}


def fer_csv(rows: int) -> bytes:
    pixels = " ".join(["111"] * 2304)
    return "\n".join(["emotion,pixels,Usage", *(f"{row % 7},{pixels},Training" for row in range(rows))]).encode()


def test_what_lies_in_external_is_told_apart(tmp_path, small):
    folder(tmp_path / "fer", edition())
    folder(tmp_path / "moods", moods())
    zipped(tmp_path / "more-moods.zip", moods())
    folder(tmp_path / "My Faces", moods())
    (tmp_path / "ck.csv").write_bytes(fer_csv(3))
    folder(tmp_path / "__MACOSX", edition())
    (tmp_path / "._fer2013.csv").write_bytes(b"x")
    (tmp_path / "fer2013new.csv").write_bytes(b"x")
    contents = look_into(tmp_path)
    assert contents.editions == [tmp_path / "fer"]
    assert contents.named == {"moods": tmp_path / "moods", "more-moods": tmp_path / "more-moods.zip"}
    assert {path.name for path in contents.unnamed} == {"My Faces", "ck.csv"}
    contents.check_names()


@pytest.mark.parametrize(("files", "what"), [
    (edition(20, 8), "but 28 pictures; give it a name"),
    (edition(20, 8, size=112), "but 28 pictures; give it a name"),
    (moods(), "but 42 pictures, with a folder val that FER-2013 has not; give it a name"),
    ({path.partition("/")[2].replace("Bored", "Angry"): picture(1) for path in moods()}, "give it a name"),
    ({"archive.zip": b""}, "but 42 pictures"),
    ({"ckextended.csv": fer_csv(3)}, "but a table of about 3 faces; give it a name"),
    ({"My Faces/train/sad/1.png": picture(1)}, "but 1 pictures; give it a name"),
], ids=["fewer", "larger", "val", "class folders", "zip", "csv", "no plain name"])
def test_other_data_without_a_name_is_asked_for_one(tmp_path, small, files, what):
    folder(tmp_path, files)
    if "archive.zip" in files:
        zipped(tmp_path / "archive.zip", moods())
    with pytest.raises(Failure, match="not FER-2013, which has 35 images, ") as caught:
        look_into(tmp_path).check_names()
    assert what in str(caught.value) and "DATASET=NAME" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("below", ["", "challenges-in-representation-learning/"])
def test_kaggle_s_competition_unpacked_is_told_apart_from_the_files_beside_it(tmp_path, small, below):
    rows = fer_csv(35).splitlines()
    files = {"icml_face_data.csv": b"\n".join(rows), "train.csv": b"emotion,pixels\n0,1 2\n",
             "test.csv": b"pixels\n1 2\n", "example_submission.csv": b"emotion,Usage\n0,1\n",
             "._icml_face_data.csv": b"\0\5\x16\7"}
    folder(tmp_path, {below + name: content for name, content in files.items()})
    contents = look_into(tmp_path)
    assert contents.editions == [tmp_path / (below.strip("/") or "icml_face_data.csv")]
    assert not contents.unnamed and not contents.named


def test_files_that_are_no_data_set_say_what_was_expected_and_what_came(tmp_path, small):
    (tmp_path / "test.csv").write_bytes(b"pixels\n1 2\n")
    with pytest.raises(Failure, match=r"test\.csv: cannot be read: .*no column emotion and no usage; expected emotion"):
        look_into(tmp_path).check_names()
    (tmp_path / "test.csv").unlink()
    folder(tmp_path / "papers", {"a.pdf": b"x", "b.pdf": b"x"})
    with pytest.raises(Failure, match=r"papers: cannot be read: found 2 \.pdf, expected train/CLASS/FILE"):
        look_into(tmp_path).check_names()


def test_a_data_set_is_found_by_its_name(tmp_path, small):
    folder(tmp_path / "moods", moods())
    zipped(tmp_path / "other.zip", moods())
    assert find_named("moods", tmp_path) == tmp_path / "moods" and find_named("other", tmp_path).name == "other.zip"
    with pytest.raises(Failure, match=r"mods: missing, .*did you mean moods\?.* one of fer2013, moods, other, sample"):
        find_named("mods", tmp_path)
    zipped(tmp_path / "moods.zip", moods())
    with pytest.raises(Failure, match=r"there is also moods\.zip; remove one"):
        find_named("moods", tmp_path)


@pytest.mark.parametrize("name", ["champion", "external", "teacher", "results", "train", "My Faces", "a/b", "..", "",
                                  "-x", "Größe"])
def test_a_name_that_a_data_set_cannot_have_is_one_line(name):
    assert "my-faces" in datasets.problem(name) and "\n" not in datasets.problem(name)


@pytest.mark.parametrize("name", ["mine", "ck-plus_48", "7", "fer2013", "sample"])
def test_plain_names_are_names(name):
    assert datasets.problem(name) == ""


def test_a_tar_made_on_macos_gives_its_csv(tmp_path):
    import tarfile

    from pipeline.download.text import csv_lines, open_csv

    with tarfile.open(tmp_path / "fer2013.tar.gz", "w:gz") as archive:
        for name, content in (("fer2013/._fer2013.csv", b"\0\5\x16\7"), ("fer2013/fer2013.csv", fer_csv(2))):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    with open_csv(tmp_path / "fer2013.tar.gz") as stream:
        assert next(csv_lines(stream, tmp_path)) == b"emotion,pixels,Usage\n"
