"""The command ferpipe predict: what it reads, says and writes."""

import csv
import io
import json
import os
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from toy_faces import face_frame, frames_of, python, retimed, toy_bundle, write_clip

from pipeline.bundle.bundle import Bundle
from pipeline.demo.predict.answers import Answer
from pipeline.demo.predict.files import expand
from pipeline.demo.predict.main import main
from pipeline.demo.see import batches
from pipeline.demo.see.batches import Detected, classified
from pipeline.demo.see.boxes import Box, Face
from pipeline.demo.see.classifier import classify
from pipeline.faces.faces import EMOTIONS
from pipeline.system.failure import Failure


@pytest.fixture(scope="module")
def album(tmp_path_factory) -> Path:
    """Pictures with two, one and no face, a clip, a file that is no picture, and in bundle/ a model."""
    folder = tmp_path_factory.mktemp("album")
    two = face_frame(centre=(160, 240), radius=60)
    two[:, 320:] = face_frame(centre=(480, 240), radius=100)[:, 320:]
    (folder / "sub").mkdir()
    for name, frame in (("two.png", two), ("one.jpg", face_frame()), ("sub/one.jpg", face_frame()),
                        ("none.png", np.full((99, 99, 3), 90, "uint8"))):
        cv2.imwrite(str(folder / name), frame)
    write_clip(folder / "clip.mp4", frames=16)
    (folder / "notes.txt").write_text("not looked at")
    (folder / "bundle").mkdir()
    toy_bundle(folder / "bundle")
    return folder


@pytest.fixture
def predict(album, monkeypatch, capsys):
    monkeypatch.chdir(album)

    def run(*arguments):
        main([*map(str, arguments), "--model", "bundle"])
        return capsys.readouterr().out

    return run


def test_paths_folders_and_globs_name_each_file_once(album):
    names = [file.relative_to(album).as_posix() for file in expand([str(album / "*.jpg"), str(album)]).files]
    assert names == ["one.jpg", "clip.mp4", "none.png", "sub/one.jpg", "two.png"]
    assert len(expand([str(album / "**/*.jpg")]).files) == 2
    for nothing in ("*.bmp", "nowhere", "bundle"):
        with pytest.raises(Failure, match="no picture or video there"):
            expand([str(album / nothing)])


def test_the_table_has_a_line_for_every_face_and_for_every_second_of_a_video(predict):
    head, *lines = predict("two.png", "none.png", "clip.mp4").splitlines()
    assert head.split() == ["file", "time", "face", "emotion", "probability", "box"]
    assert [line.split()[0] for line in lines] == ["two.png", "two.png", "none.png", "clip.mp4", "clip.mp4"]
    assert "no face" in lines[2] and "0:00" in lines[3] and "0:01" in lines[4]
    assert len({line.split()[2] for line in lines[3:]}) == 1, "the same face all the time"


def test_json_and_csv_tell_every_face_of_every_frame(predict, tmp_path):
    results = json.loads(predict(".", "--json"))
    assert results["classes"] == list(EMOTIONS)
    files = {Path(file["file"]).as_posix(): file for file in results["files"]}
    assert list(files) == ["clip.mp4", "none.png", "one.jpg", "sub/one.jpg", "two.png"]
    assert [len(files[name]["faces"]) for name in ("none.png", "one.jpg", "two.png")] == [0, 1, 2]
    frames = files["clip.mp4"]["frames"]
    assert len(frames) == 20 and [len(frame["faces"]) for frame in frames[:16]] == [1] * 16
    assert frames[-1]["seconds"] == pytest.approx(1.9) and frames[3]["faces"][0]["id"] == 1
    assert predict(".", "--csv", "--out", tmp_path / "new" / "table.csv") == ""
    rows = list(csv.DictReader(io.StringIO((tmp_path / "new" / "table.csv").read_text(encoding="utf-8"))))
    faces = sum(len(frame["faces"]) for frame in frames) + 4
    assert len(rows) == faces
    row = next(row for row in rows if row["file"] == "one.jpg")
    face = files["one.jpg"]["faces"][0]
    assert {name: float(row[name]) for name in EMOTIONS} == face["probabilities"]
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-3)


def test_a_folders_files_are_told_apart_by_content_and_none_is_left_out_silently(tmp_path, album):
    for name, source in (("one.jfif", "one.jpg"), ("two", "two.png"), ("clip.bin", "clip.mp4"), (".hidden", "one.jpg")):
        shutil.copy(album / source, tmp_path / name)
    (tmp_path / "iphone.dat").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99))
    (tmp_path / "broken.png").write_text("no picture")
    for index in range(7):
        (tmp_path / f"note{index}.txt").write_text("words")
    selection = expand([str(tmp_path)])
    assert [file.name for file in selection.files] == ["broken.png", "clip.bin", "iphone.dat", "one.jfif", "two"]
    (note,) = selection.notes()
    assert note.startswith("left out, neither pictures nor videos: ") and note.endswith("note4.txt and 2 more")


@pytest.mark.parametrize("name", ["trip [2019]", "a*b", "what?", "[!x]"])
def test_a_glob_below_a_folder_with_a_globs_characters_in_its_name(tmp_path, name, monkeypatch):
    (tmp_path / name / "day [1]").mkdir(parents=True)
    for path in (tmp_path / name / "one.jpg", tmp_path / name / "day [1]" / "two.jpg", tmp_path / "other.jpg"):
        path.write_bytes(b"\xff\xd8\xff")
    monkeypatch.chdir(tmp_path)
    for base in (".", str(tmp_path)):
        for pattern, expected in (("*.jpg", ["one.jpg"]), ("**/*.jpg", ["two.jpg", "one.jpg"]),
                                  ("*/*.jpg", ["two.jpg"]), ("day [1]/*.jpg", ["two.jpg"]), ("one.[j]pg", ["one.jpg"])):
            files = expand([f"{base}/{name}/{pattern}"]).files
            assert sorted(file.name for file in files) == sorted(expected), (base, pattern)
    (tmp_path / "trip 2").mkdir()
    (tmp_path / "trip 2" / "three.jpg").write_bytes(b"\xff\xd8\xff")
    assert [file.name for file in expand(["trip [2]/*.jpg"]).files] == ["three.jpg"], "brackets are still a pattern"
    assert {file.name for file in expand(["./**/t*.jpg"]).files} == {"three.jpg", "two.jpg"}


def test_a_face_already_is_classified_whole(predict, tmp_path, album):
    rng = np.random.default_rng(3)
    crop, wide = rng.integers(0, 256, (48, 48), "uint8"), rng.integers(0, 256, (48, 80), "uint8")
    for name, picture in (("crop.png", crop), ("wide.png", wide)):
        cv2.imwrite(str(tmp_path / name), picture)
    (one, two) = json.loads(predict(tmp_path / "crop.png", tmp_path / "wide.png", "--face", "--json"))["files"]
    bundle = Bundle.load(album / "bundle")
    for file, pixels, box in ((one, crop, (0, 0, 48, 48)), (two, wide[:, 16:64], (16, 0, 48, 48))):
        (face,) = file["faces"]
        assert tuple(face["box"].values()) == box
        assert list(face["probabilities"].values()) == pytest.approx(classify(bundle, pixels[None])[0], abs=1e-4)
    assert [file["faces"] for file in json.loads(predict(tmp_path / "crop.png", "--json"))["files"]] == [[]]
    frames = json.loads(predict("clip.mp4", "--face", "--json"))["files"][0]["frames"]
    assert [len(frame["faces"]) for frame in frames] == [1] * 20


def test_a_video_of_changing_rate_is_told_in_its_own_time(predict, tmp_path):
    stamps = [0, 33, 66, 500, 1000, 4460]
    clip = retimed(write_clip(tmp_path / "clip.webm", frames=6, empty=0), stamps)
    frames = json.loads(predict(clip, "--json"))["files"][0]["frames"]
    assert [frame["seconds"] for frame in frames] == pytest.approx([stamp / 1000 for stamp in stamps])
    assert [line.split()[1] for line in predict(clip).splitlines()[1:]] == ["0:00", "0:01", "0:04"]
    predict(clip, "--annotate", tmp_path / "marked")
    capture = cv2.VideoCapture(str(tmp_path / "marked" / "clip-faces.webm"), cv2.CAP_FFMPEG)
    seconds = len(frames_of(tmp_path / "marked" / "clip-faces.webm")) / capture.get(cv2.CAP_PROP_FPS)
    assert seconds == pytest.approx(4.46, abs=0.15)


def test_json_and_csv_have_the_roll(predict, tmp_path):
    matrix = cv2.getRotationMatrix2D((300, 220), -30, 1)  # OpenCV turns counterclockwise
    tilted = cv2.warpAffine(face_frame(), matrix, (640, 480), borderMode=cv2.BORDER_REPLICATE)
    cv2.imwrite(str(tmp_path / "tilted.png"), tilted)
    (face,) = json.loads(predict(tmp_path / "tilted.png", "--json"))["files"][0]["faces"]
    assert face["roll"] == pytest.approx(30, abs=5)
    (row,) = csv.DictReader(io.StringIO(predict(tmp_path / "tilted.png", "--csv")))
    assert float(row["roll"]) == face["roll"]


def test_what_predict_wrote_into_a_folder_is_not_read_again(predict, album, tmp_path, capsys):
    for name in ("one.jpg", "two.png", "clip.mp4"):
        shutil.copy(album / name, tmp_path)
    shutil.copy(album / "none.png", tmp_path / "one-faces.jpg")  # of the user's own, called as predict's would be
    expected = {"one.jpg", "two.png", "clip.mp4", "one-faces.jpg"}
    written = {"one-2-faces.jpg", "two-faces.png", "one-faces-faces.jpg", "clip-faces.webm", "clip-emotions.png"}
    own = (tmp_path / "one-faces.jpg").read_bytes()
    for attempt in range(2):
        files = json.loads(predict(tmp_path, "--annotate", tmp_path, "--json"))["files"]
        assert {Path(file["file"]).name for file in files} == expected, f"attempt {attempt}"
        assert {file.name for file in tmp_path.iterdir()} == expected | written
    assert (tmp_path / "one-faces.jpg").read_bytes() == own
    selection = expand([str(tmp_path)])
    assert {file.name for file in selection.marked} == {"one-2-faces.jpg", "two-faces.png", "one-faces-faces.jpg"}
    assert "an earlier `ferpipe predict`" in selection.notes()[0]
    assert expand([str(tmp_path / "two-faces.png")]).files, "a file that is named is read"


@pytest.mark.slow
def test_annotate_writes_pictures_a_video_and_its_diagram_and_leaves_the_sources(predict, album, tmp_path):
    before = {file: file.read_bytes() for file in album.rglob("*") if file.is_file()}
    predict(".", "--annotate", tmp_path)
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {"two-faces.png", "one-faces.jpg", "one-2-faces.jpg", "none-faces.png", "clip-faces.webm",
                     "clip-emotions.png"}
    assert len(frames_of(tmp_path / "clip-faces.webm")) == 20
    assert cv2.imread(str(tmp_path / "clip-emotions.png")).std() > 10
    assert {file: file.read_bytes() for file in album.rglob("*") if file.is_file()} == before


def test_plot_alone_writes_the_diagrams_alone(predict, tmp_path):
    predict("clip.mp4", "one.jpg", "--plot", tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["clip-emotions.png"]


def test_what_cannot_be_read_is_named_at_the_end_and_the_rest_is_done(album, predict, capsys, tmp_path):
    for name in ("bad.png", "bad.mp4"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
    with pytest.raises(Failure, match=r"2 of 3 could not be read: .*bad\.mp4.*; .*bad\.png"):
        predict(tmp_path / "bad.mp4", tmp_path / "bad.png", "two.png")
    assert capsys.readouterr().out.count("two.png") == 2


def test_faces_of_many_frames_go_to_the_classifier_together_and_come_back_in_order(monkeypatch):
    calls = []

    class Bright:
        classes = ("dark", "bright")

        def predict(self, images):
            calls.append(len(images))
            light = images.mean(axis=(1, 2)) / 255
            return np.stack([1 - light, light], axis=1).astype("float32")

        def calibrated(self, scores):
            return scores

    crops = [np.full((number % 3, 48, 48), number, "uint8") for number in range(100)]
    items = [Detected(Path(str(number)), 0.0, [], crop, None) for number, crop in enumerate(crops)]
    results = list(classified(items, Bright()))
    assert [item.file.name for item, _ in results] == [str(number) for number in range(100)]
    for number, (_, scores) in enumerate(results):
        assert scores[:, 1] == pytest.approx(np.full(number % 3, number / 255), abs=1e-5)
    assert len(calls) <= 3
    monkeypatch.setattr(batches, "BYTES", 1)
    items = [Detected(Path(), 0.0, [], crop, np.zeros((4, 4, 3), "uint8")) for crop in crops]
    assert len(list(classified(items, Bright()))) == 100 and max(calls[3:]) <= 4, "large frames do not pile up"


def test_a_long_video_has_a_table_of_bounded_length():
    face = Face(Box(0, 0, 9, 9), np.eye(7)[3], 1)
    answer = Answer("long.mp4", 1.0, [(float(second), [face]) for second in range(3600)])
    spans = answer.spans()
    assert len(spans) == 60 and spans[1][0] == 60.0 and spans[0][1].says(EMOTIONS) == "happy"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_tells_what_was_read_and_leaves_a_playable_video(album, tmp_path):
    shutil.copy(album / "clip.mp4", tmp_path)
    script = (
        "import os, signal, sys; from pipeline.demo.predict import main as predict\n"
        "from pipeline.demo.see import batches\n"
        "from pipeline.demo.output import VideoOutput\n"
        "batches.FRAMES = 1\n"
        "add, count = VideoOutput.add, []\n"
        "def interrupted(self, frame):\n"
        "    add(self, frame); count.append(1)\n"
        "    if len(count) == 5: os.kill(os.getpid(), signal.SIGINT)\n"
        "VideoOutput.add = interrupted\n"
        "predict.main(sys.argv[1:])\n"
    )
    process = python("-c", script, tmp_path / "clip.mp4", "--annotate", tmp_path, "--model", album / "bundle")
    printed, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "clip.mp4" in printed, err
    assert len(frames_of(tmp_path / "clip-faces.webm")) == 5
    assert {file.name for file in tmp_path.iterdir()} == {"clip.mp4", "clip-faces.webm"}


def test_predict_loads_neither_tensorflow_nor_a_plotting_library_for_pictures(album):
    script = (
        "import sys; from pipeline.demo.predict.main import main; main(sys.argv[1:])\n"
        "heavy = {'tensorflow', 'keras', 'mlflow', 'pandas', 'sklearn', 'matplotlib', 'scipy', 'optuna'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    out, err = python("-c", script, album / "one.jpg", "--model", album / "bundle", env=dict(os.environ)).communicate()
    assert out.splitlines()[-1] == "[]", err


@pytest.mark.slow
def test_a_browser_plays_the_annotated_video(predict, tmp_path, chromium):
    predict("clip.mp4", "--annotate", tmp_path)
    (tmp_path / "page.html").write_text(
        "<video id=v src=clip-faces.webm muted autoplay></video><script>v.playbackRate = 4;"
        "v.onended = () => { window.played = `${v.videoWidth}x${v.videoHeight}`; };"
        "v.onerror = () => { window.played = 'error'; }</script>")
    chromium.call("Page.navigate", url=(tmp_path / "page.html").as_uri())
    assert chromium.until("window.played") == "900x480"
