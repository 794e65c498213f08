"""The Python API: from pictures, arrays and videos to faces with names."""

import dataclasses
import json
import typing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from toy_faces import FakeCamera, face_frame, toy_bundle, write_clip

import pipeline.ferpipe as package
from pipeline.demo import reading
from pipeline.demo.predict.main import main as predict
from pipeline.demo.reading import Face, Reader
from pipeline.demo.see.boxes import Box
from pipeline.faces.faces import EMOTIONS
from pipeline.system.failure import Failure


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return toy_bundle(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def reader(model) -> Reader:
    return Reader(model)


@pytest.fixture(scope="module")
def coloured() -> np.ndarray:
    """A face whose blue and red differ, so that an array read in the wrong order gives another gray."""
    frame = face_frame()
    frame[..., 0] //= 2
    return frame


@pytest.fixture(scope="module")
def two() -> np.ndarray:
    """A small face on the left, a large one on the right."""
    frame = face_frame(centre=(160, 240), radius=60)
    frame[:, 320:] = face_frame(centre=(480, 240), radius=100)[:, 320:]
    return frame


def test_the_import_name_gives_the_same_objects():
    assert package.Reader is Reader and package.Face is Face and package.Failure is Failure
    assert all(hasattr(package, name) for name in package.__all__)
    assert set(typing.get_type_hints(Reader.read)) == {"picture", "channels", "face", "return"}


def test_a_face_has_a_box_a_label_its_probabilities_and_a_roll(reader, two):
    large, small = reader.read(two)
    assert (large.id, small.id) == (1, 2) and large.box.x > 320 > small.box.x + small.box.width
    for face in (large, small):
        assert tuple(face.probabilities) == EMOTIONS == reader.classes
        assert sum(face.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert face.label == max(face.probabilities, key=lambda name: face.probabilities[name])
        assert face.roll == 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        large.label = "happy"
    assert len({large, small}) == 2, "faces can be in a set"


def test_paths_arrays_of_either_order_and_pillows_images_give_the_same(reader, coloured, tmp_path):
    cv2.imwrite(str(tmp_path / "é.png"), coloured)
    rgb = np.ascontiguousarray(coloured[..., ::-1])
    (face,) = reader.read(coloured)
    assert reader.read(tmp_path / "é.png") == reader.read(str(tmp_path / "é.png")) == [face]
    assert reader.read(rgb, channels="RGB") == reader.read(Image.fromarray(rgb)) == [face]
    assert reader.read(Image.fromarray(rgb).convert("RGBA")) == [face]
    (gray,) = reader.read(cv2.cvtColor(coloured, cv2.COLOR_BGR2GRAY))
    assert gray.label == face.label and gray.box.overlap(face.box) > 0.9, "the detector looks at colours, too"
    assert reader.read(rgb)[0].probabilities != face.probabilities, "the order matters"
    assert reader.read(np.full((99, 99, 3), 90, "uint8")) == []


def test_a_face_already_is_classified_whole(reader, tmp_path):
    crop = np.random.default_rng(0).integers(0, 256, (48, 60), "uint8")
    cv2.imwrite(str(tmp_path / "crop.png"), crop)
    assert reader.read(crop) == []
    (face,) = reader.read(crop, face=True)
    assert face.box == Box(6, 0, 48, 48) and reader.read(tmp_path / "crop.png", face=True) == [face]
    assert reader.read_many([crop[:, 6:54]], face=True)[0][0].probabilities == face.probabilities


def test_an_image_of_pillow_is_turned_as_its_exif_data_says(reader, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    lying = Image.fromarray(np.rot90(face_frame()).copy())
    lying.save(tmp_path / "lying.png", exif=exif)
    with Image.open(tmp_path / "lying.png") as picture:
        assert reader.read(picture) == reader.read(tmp_path / "lying.png") == reader.read(face_frame(), "RGB")


def test_a_tilted_head_has_its_roll(reader):
    matrix = cv2.getRotationMatrix2D((300, 220), -30, 1)  # OpenCV turns counterclockwise
    tilted = cv2.warpAffine(face_frame(), matrix, (640, 480), borderMode=cv2.BORDER_REPLICATE)
    assert [face.roll for face in reader.read(tilted)] == [pytest.approx(30, abs=5)]


def test_several_pictures_give_the_same_as_one_by_one(reader, two, coloured):
    pictures = [two, np.zeros((64, 64), "uint8"), coloured]
    several = reader.read_many(iter(pictures))
    assert [len(faces) for faces in several] == [2, 0, 1]
    for faces, picture in zip(several, pictures, strict=True):
        for face, alone in zip(faces, reader.read(picture), strict=True):
            assert (face.box, face.label, face.id) == (alone.box, alone.label, alone.id)
            assert face.probabilities == pytest.approx(alone.probabilities, abs=1e-6)
    assert reader.read_many([]) == []


def test_the_bound_of_sureness_is_the_readers(model):
    (unsure,), (sure,) = (Reader(model, unsure_below=share).read(face_frame()) for share in (1.0, 0.0))
    assert unsure.unsure and not sure.unsure and unsure.label == sure.label


def test_a_video_gives_what_predict_says_of_it_frame_by_frame(reader, model, tmp_path, capsys):
    clip = write_clip(tmp_path / "clip.mp4", frames=8, empty=4)
    frames = list(reader.watch(clip))
    predict([str(clip), "--json", "--model", str(model)])
    answer = json.loads(capsys.readouterr().out)
    entries = answer["files"][0]["frames"]
    assert answer["model"] == reader.model_id
    assert [frame.seconds for frame in frames] == pytest.approx([entry["seconds"] for entry in entries])
    for frame, entry in zip(frames, entries, strict=True):
        assert frame.image.shape == (480, 640, 3) and frame.image.dtype == np.uint8
        assert [face.id for face in frame.faces] == [face["id"] for face in entry["faces"]]
        for face, other in zip(frame.faces, entry["faces"], strict=True):
            assert dataclasses.asdict(face.box).items() >= other["box"].items() and face.label == other["emotion"]
            assert face.probabilities == pytest.approx(other["probabilities"], abs=1e-4)
    assert {face.id for frame in frames for face in frame.faces} == {1}, "the same face all the time"
    assert [len(frame.faces) for frame in frames] == [1] * 8 + [0] * 4


def test_a_camera_gives_frames_as_they_come_and_is_freed_when_the_caller_stops(reader, monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    frames = reader.watch(0)
    first, second = next(frames), next(frames)
    assert 0 <= first.seconds < second.seconds and len(second.faces) == 1
    frames.close()
    for _ in range(100):
        if FakeCamera.opened[-1].freed:
            break
        cv2.waitKey(20)
    assert FakeCamera.opened[-1].freed


def test_one_reader_serves_several_threads(reader, two):
    expected = reader.read(two)
    with ThreadPoolExecutor(4) as pool:
        assert all(faces == expected for faces in pool.map(reader.read, [two] * 12))


@pytest.mark.parametrize(("picture", "channels", "words"), [
    ("nowhere.png", "BGR", r"^nowhere\.png: cannot be read"),
    (__file__, "BGR", "not a picture that can be read"),
    (np.zeros((48, 48, 3)), "BGR", r"expected an array uint8 \(H, W, 3\) or \(H, W\), got float64 \(48, 48, 3\)"),
    (np.zeros((48, 48, 4), "uint8"), "BGR", r"got uint8 \(48, 48, 4\)"),
    (np.zeros((0, 48, 3), "uint8"), "BGR", r"got uint8 \(0, 48, 3\)"),
    (np.zeros((48, 48, 3), "uint8"), "GBR", "expected 'BGR' or 'RGB', got 'GBR'"),
])
def test_a_picture_that_cannot_be_read_is_a_failure_in_one_line(reader, picture, channels, words):
    with pytest.raises(Failure, match=words) as error:
        reader.read(picture, channels)
    assert "\n" not in str(error.value)


def test_an_image_of_pillow_that_is_cut_short_or_too_large_is_a_failure(reader, tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), "uint8")
    Image.fromarray(noise).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:20_000])
    with Image.open(tmp_path / "half.png") as half, pytest.raises(Failure, match="is it complete"):
        reader.read(half)
    monkeypatch.setattr(reading, "MOST_PIXELS", 39_999)
    with pytest.raises(Failure, match="make the picture smaller"):
        reader.read(Image.fromarray(noise))


def test_what_is_no_picture_at_all_is_a_type_error(reader):
    with pytest.raises(TypeError, match="a path, an array or an image of Pillow, got NoneType"):
        reader.read(None)


def test_a_reader_that_cannot_work_says_so_when_it_is_made(model):
    with pytest.raises(Failure, match="unsure_below: 50 is not a probability"):
        Reader(model, unsure_below=50)


def test_a_missing_model_is_a_failure(tmp_path):
    with pytest.raises(Failure, match="no model bundle"):
        Reader(tmp_path / "nowhere")


def test_what_is_no_video_is_a_failure_at_the_call(reader, tmp_path):
    cv2.imwrite(str(tmp_path / "face.png"), face_frame())
    with pytest.raises(Failure, match=r"face\.png: not a video; read takes a picture"):
        reader.watch(tmp_path / "face.png")
    with pytest.raises(Failure, match="no such file"):
        reader.watch(tmp_path / "nowhere.mp4")
