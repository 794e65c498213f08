"""The demo: sources, detection, scores, the drawn picture, files. What plays them is in test_play."""

import contextlib
import csv
import json
import os
import re
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from toy_faces import ROOT, FakeCamera, face_frame, frames_of, python, toy_bundle, write_clip

from pipeline.bundle import bundle as bundles
from pipeline.demo import main as main_module
from pipeline.demo import stage
from pipeline.demo.main import main
from pipeline.demo.output import VideoOutput, fit, open_output
from pipeline.demo.see.boxes import UNSURE, Box, Face
from pipeline.demo.see.classifier import classify
from pipeline.demo.see.crop import square
from pipeline.demo.see.detector import HaarDetector
from pipeline.demo.show import view
from pipeline.demo.show.about import about
from pipeline.demo.show.annotate import Annotated, Annotator, Tally, main_first
from pipeline.demo.show.view import draw
from pipeline.demo.sources.open import RECONNECT, open_source
from pipeline.demo.sources.pictures import decode, read_picture
from pipeline.download.drawn.clip import frames as drawn_frames
from pipeline.faces.faces import CLASS_SETS, EMOTIONS
from pipeline.system.failure import Failure


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return toy_bundle(tmp_path_factory.mktemp("model"))


@pytest.fixture
def picture(tmp_path) -> Path:
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), face_frame())
    return path


@pytest.fixture
def clip(tmp_path) -> Path:
    return write_clip(tmp_path / "clip01.mp4")


# sources


def test_a_video_gives_every_frame_in_its_time(clip):
    with open_source(str(clip)) as source:
        times = [seconds for _, seconds in source]
    assert source.kind == "video" and source.length == len(times) == 12
    assert times == pytest.approx(np.arange(12) / 10)


def test_a_folder_is_read_in_the_order_of_names_and_names_what_it_left_out(tmp_path):
    for name, gray in (("b.png", 20), ("a.JPG", 10), ("c.bmp", 30)):
        cv2.imwrite(str(tmp_path / name), np.full((8, 8, 3), gray, "uint8"))
    (tmp_path / "bad.png").write_text("no picture")
    (tmp_path / "notes.txt").write_text("not looked at")
    (tmp_path / "._a.jpg").write_text("what macOS leaves behind")
    with open_source(str(tmp_path)) as source:
        grays = [int(frame[0, 0, 0]) for frame, _ in source]
    assert grays == [10, 20, 30]
    assert source.skipped == ["bad.png"]


def test_a_photograph_is_turned_as_its_exif_data_says(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    for name in ("phöto.jpg", "phöto.png", "phöto.webp"):
        Image.fromarray(np.zeros((40, 80, 3), "uint8")).save(tmp_path / name, exif=exif)
        assert read_picture(tmp_path / name).shape == (80, 40, 3), name


@pytest.mark.parametrize("make, reason", [
    (lambda p: p, "no such file"),
    (lambda p: p.mkdir() or p, "no pictures in this folder"),
    (lambda p: p.touch() or p, "neither a picture nor a video"),
    (lambda p: p.with_suffix(".txt").write_text("words\n" * 99) and p.with_suffix(".txt"), "neither a picture nor"),
    (lambda p: p.with_suffix(".mp4").write_bytes(b"\0\0\0\x20ftypisom" * 9) and p.with_suffix(".mp4"), "neither a"),
])
def test_a_source_that_is_none_gets_one_line(tmp_path, capfd, make, reason):
    with pytest.raises(Failure, match=reason):
        open_source(str(make(tmp_path / "source")))
    assert capfd.readouterr() == ("", ""), "OpenCV and FFmpeg keep quiet"


def test_a_picture_cut_off_after_its_header_gets_one_line(tmp_path, picture):
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture.read_bytes()[:40])
    with pytest.raises(Failure, match=r"broken\.png: no"), open_source(str(broken)) as source:
        list(source)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_unpacked():
    _, data = cv2.imencode(".png", np.zeros((1000, 1000, 3), "uint8"))
    assert decode(data.tobytes(), "small", most_pixels=1_000_000).shape == (1000, 1000, 3)
    with pytest.raises(Failure, match="bomb: more than 0 million pixels"):
        decode(data.tobytes(), "bomb", most_pixels=999_999)
    header = data.tobytes()[:16] + (60_000).to_bytes(4, "big") * 2 + data.tobytes()[24:]
    with pytest.raises(Failure):
        decode(header, "claims 3.6 billion pixels")


def test_broken_bytes_are_a_failure_and_never_another_error():
    rng = np.random.default_rng(0)
    for ending in (".jpg", ".png", ".webp"):
        whole = cv2.imencode(ending, face_frame((160, 120), (80, 60), 40))[1]
        for _ in range(40):
            broken = whole.copy()
            broken[rng.integers(0, len(broken), 20)] = rng.integers(0, 256, 20)
            with contextlib.suppress(Failure):
                assert decode(broken[: rng.integers(1, len(broken))].tobytes(), "x").ndim == 3


def test_a_broken_frame_in_a_video_does_not_end_it(monkeypatch, clip):
    capture = cv2.VideoCapture

    class Scratched:
        def __init__(self, *arguments):
            self._capture, self._place = capture(*arguments), 0

        def read(self):
            self._place += 1
            read = self._capture.read()
            return (False, None) if self._place in (4, 5) else read

        def __getattr__(self, name):
            return getattr(self._capture, name)

    monkeypatch.setattr(cv2, "VideoCapture", Scratched)
    with open_source(str(clip)) as source:
        times = [round(10 * seconds) for _, seconds in source]
    assert times == [0, 1, 2, 5, 6, 7, 8, 9, 10, 11]


def test_a_folder_of_broken_pictures_gets_one_line(tmp_path):
    (tmp_path / "a.png").write_text("no")
    with pytest.raises(Failure, match="no picture in it can be read"), open_source(str(tmp_path)) as source:
        list(source)


def test_a_camera_that_is_not_there_gets_one_line(capfd):
    with pytest.raises(Failure, match="camera 97: none there"):
        open_source("97")
    assert capfd.readouterr() == ("", "")


def test_only_a_camera_is_mirrored(monkeypatch, tmp_path, model, picture):
    def left_half(*arguments):
        main([*arguments, "--headless", "--out", str(tmp_path / "out.png"), "--model", str(model), "--frames", "1"])
        return cv2.imread(str(tmp_path / "out.png"))[470, :40].mean()

    def lit(frame):
        frame[:, :100] = 255
        return frame

    monkeypatch.setattr(FakeCamera, "read", lambda self: (True, lit(face_frame())))
    cv2.imwrite(str(picture), lit(face_frame()))
    assert left_half(str(picture)) == 255
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    assert left_half("0") < 200
    assert left_half("0", "--no-mirror") == 255


# detector


@pytest.mark.parametrize("light, size", [((1, 0), (640, 480)), ((0.15, 0), (640, 480)), ((0.1, 150), (640, 480)),
                                         ((1, 0), (1280, 960)), ((1, 0), (200, 150))])
def test_haar_finds_the_drawn_face_in_any_light_and_at_any_size(light, size):
    scale = size[0] / 640
    frame = face_frame(size, (round(300 * scale), round(220 * scale)), round(90 * scale))
    boxes = HaarDetector().find((frame * light[0] + light[1]).astype("uint8"))
    assert len(boxes) == 1
    box = boxes[0]
    assert abs(box.x + box.width / 2 - 300 * scale) < 25 * scale
    assert 110 * scale < box.width < 230 * scale


def test_haar_finds_nothing_on_an_even_frame():
    assert HaarDetector().find(np.full((480, 640, 3), 128, "uint8")) == []


def test_the_larger_face_comes_first():
    frame = face_frame(centre=(160, 240), radius=60)
    frame[:, 320:] = face_frame(centre=(480, 240), radius=100)[:, 320:]
    left, right = sorted(HaarDetector().find(frame), key=lambda box: box.x)
    assert HaarDetector().find(frame) == [right, left]


def test_a_crop_is_the_box_divided_by_the_detectors_share():
    gray = np.zeros((300, 300), "uint8")
    gray[100:200, 100:200] = 255
    crop = HaarDetector(share=0.5).crop(gray, Box(100, 100, 100, 100))
    assert crop.shape == (48, 48) and crop.dtype == np.uint8
    assert (crop[13:35, 13:35] == 255).all() and (crop[:11] == 0).all() and (crop[:, 37:] == 0).all()


def test_a_crop_that_leaves_the_frame_goes_on_with_its_edge():
    gray = np.tile(np.arange(100, dtype="uint8"), (100, 1))
    cut = square(gray, Box(-20, 30, 48, 48), side=48)
    assert (cut[:, :20] == 0).all() and (cut[0, 20:] == np.arange(28)).all()
    cut = square(gray, Box(90, 90, 48, 48), side=48)
    assert (cut[:, 10:] == 99).all()


def test_shrinking_averages_instead_of_picking_pixels():
    checks = (np.indices((480, 480)).sum(axis=0) % 2 * 255).astype("uint8")
    assert np.ptp(square(checks, Box(0, 0, 480, 480), side=480).astype(int)) <= 1


# classifier


def test_below_the_threshold_the_champion_is_more_often_wrong_than_right():
    champion = bundles.Bundle.load(ROOT / "data/champion")
    reports = ROOT / "reports/fer2013"
    if not (reports / "predictions.csv").is_file() or not (reports / "metrics.json").is_file():
        pytest.skip("reports/fer2013 is not there: ferpipe run makes it")
    if json.loads((reports / "metrics.json").read_text(encoding="utf-8"))["bundle"] != champion.id:
        pytest.skip("reports/fer2013 tells about another model than the champion")
    with open(reports / "predictions.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    scores = champion.calibrated(np.array([[float(row[name]) for name in champion.classes] for row in rows]))
    right = np.array([row["actual"] == row["predicted"] for row in rows])
    for split in ("PublicTest", "PrivateTest"):
        here = np.array([row["split"] == split for row in rows])
        unsure = here & (scores.max(axis=1) < UNSURE)
        assert 0.05 < unsure.sum() / here.sum() < 0.5
        assert right[unsure].mean() < 0.5 < 0.7 < right[here & ~unsure].mean(), split


def test_scores_are_the_calibrated_mean_of_both_views_in_one_call(model, monkeypatch):
    bundle = bundles.Bundle.load(model)
    crops = np.random.default_rng(1).integers(0, 256, (3, 48, 48), dtype="uint8")
    crops[:, :, :24] //= 4
    calls = []
    predict = bundles.Bundle.predict
    monkeypatch.setattr(bundles.Bundle, "predict", lambda self, x: calls.append(len(x)) or predict(self, x))
    scores = classify(bundle, crops)
    assert calls == [6]
    assert scores.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert scores == pytest.approx(classify(bundle, crops[:, :, ::-1]), abs=1e-5), "a mirror image has the same scores"
    mean = (predict(bundle, crops) + predict(bundle, crops[:, :, ::-1])) / 2
    root = np.sqrt(mean)  # temperature 2
    assert scores == pytest.approx(root / root.sum(axis=1, keepdims=True), abs=1e-5)
    single = np.sqrt(predict(bundle, crops))
    assert classify(bundle, crops, flip=False) == pytest.approx(single / single.sum(axis=1, keepdims=True), abs=1e-5)


def test_no_faces_give_no_scores(model):
    assert classify(bundles.Bundle.load(model), np.zeros((0, 48, 48), "uint8")).shape == (0, 7)


# view


def scores_for(name: str, classes=EMOTIONS, top=0.7) -> np.ndarray:
    scores = np.full(len(classes), (1 - top) / (len(classes) - 1), "float32")
    scores[classes.index(name)] = top
    return scores


@pytest.mark.parametrize("class_set", ["7", "6"])
def test_the_picture_is_the_frame_with_a_panel_and_leaves_the_frame_alone(class_set):
    classes = CLASS_SETS[class_set][0]
    frame = np.full((480, 640, 3), 90, "uint8")
    drawn = draw(frame, [Face(Box(200, 150, 120, 120), scores_for("happy", classes))], classes, about=("model x",))
    assert drawn.shape == (480, 640 + view.PANEL_WIDTH, 3) and drawn.dtype == np.uint8
    assert (frame == 90).all()
    assert (drawn[210, 200] == view.COLOURS["happy"]).all(), "the box's side has the emotion's colour"
    assert (drawn[400, :640] == 90).all(), "far from the face, the frame is as it was"


def test_the_strongest_class_has_the_longest_bar():
    def length(picture, place):  # of the bar, in pixels unlike those of an empty one
        row = 194 + place * 30 + 15
        return int((picture[row, 640:] != empty[row, 640:]).any(axis=-1)[90:200].sum())

    frame = np.full((480, 640, 3), 90, "uint8")
    empty = draw(frame, [], EMOTIONS)
    drawn = draw(frame, [Face(Box(9, 9, 99, 99), np.array([0, 0.1, 0, 0.2, 0, 0.7, 0]))], EMOTIONS)
    lengths = [length(drawn, place) for place in range(7)]
    assert lengths[5] > lengths[3] > lengths[1] > 0 == lengths[0]


def test_an_unsure_face_is_drawn_gray_and_with_two_names():
    frame = np.full((480, 640, 3), 90, "uint8")
    scores = np.array([0.05, 0.05, 0.3, 0.05, 0.4, 0.05, 0.1])
    unsure, sure = (draw(frame, [Face(Box(200, 150, 120, 120), scores, unsure_below=below)], EMOTIONS)
                    for below in (0.5, 0.3))
    assert (unsure[210, 200] == view.DIM).all() and (sure[210, 200] == view.COLOURS["sad"]).all()
    assert (unsure[194:390, 640:] == sure[194:390, 640:]).all(), "the bars are the same"


def test_in_the_mirror_the_box_stays_on_the_face():
    annotator = Annotator(lambda *_: [Face(Box(100, 50, 40, 40), scores_for("sad"))], EMOTIONS, Tally(), mirror=True)
    shown = annotator.add(np.zeros((480, 640, 3), "uint8"), 0.0)
    assert shown.faces[0].box == Box(500, 50, 40, 40)


def test_a_frame_without_a_face_says_so():
    frame = np.full((480, 640, 3), 90, "uint8")
    drawn = draw(frame, [], EMOTIONS)
    assert (drawn[:60, :120] != 90).any() and (drawn[60:, :640] == 90).all()


@pytest.mark.parametrize("box", [Box(-30, -30, 80, 80), Box(600, 440, 90, 90), Box(0, 0, 640, 480), Box(5, 5, 4, 4),
                                 Box(-500, 900, 10, 10)])
def test_a_face_at_or_beyond_the_edge_is_drawn_as_far_as_it_goes(box):
    drawn = draw(np.zeros((480, 640, 3), "uint8"), [Face(box, scores_for("sad"))], EMOTIONS)
    assert drawn.shape == (480, 640 + view.PANEL_WIDTH, 3)


@pytest.mark.parametrize("size", [(48, 48), (101, 99), (3001, 7), (7, 3001), (4000, 3000), (1, 1)])
def test_any_size_becomes_a_picture_that_video_and_screens_take(size):
    drawn = draw(np.zeros((size[1], size[0], 3), "uint8"), [Face(Box(0, 0, *size), scores_for("fear"))], EMOTIONS)
    height, width = drawn.shape[:2]
    assert 480 <= height <= 720 and width <= 1024 + view.PANEL_WIDTH
    assert height % 2 == width % 2 == 0


def test_a_label_can_be_read_on_any_background():
    """Letters and plate keep a contrast of at least 4.5 (WCAG AA), and the plate hides the background."""

    def luminance(colour):
        share = np.array(colour[::-1]) / 255
        linear = np.where(share <= 0.03928, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    for colour in (*view.COLOURS.values(), view.OTHER):
        assert (luminance(colour) + 0.05) / (luminance(view.DARK) + 0.05) >= 4.5
    faces = [Face(Box(200, 150, 160, 160), scores_for("sad"))]
    plates = [draw(np.full((480, 640, 3), gray, "uint8"), faces, EMOTIONS)[122:142, 204:270] for gray in (0, 255)]
    assert (plates[0] == plates[1]).all()


def test_every_emotion_has_its_emoji_and_its_colour():
    pictures = [view._emoji(name, 64) for name in EMOTIONS]
    assert all(picture is not None and picture.shape == (64, 64, 4) for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == len(EMOTIONS)
    assert set(view.COLOURS) == set(EMOTIONS)


def test_the_emoji_is_blended_by_its_opacity(monkeypatch, tmp_path):
    half = np.zeros((64, 64, 4), "uint8")
    half[:, 32:] = (0, 0, 200, 128)  # right half: half-transparent red; under the clear left half lies black
    cv2.imwrite(str(tmp_path / "glad.png"), half)
    monkeypatch.setattr(view, "EMOJI", tmp_path)
    canvas = np.full((64, 64, 3), 100, "uint8")
    view._draw_emoji(canvas, "glad", 0, 0, 64)
    assert (canvas[:, :31] == 100).all()
    assert canvas[10, 50] == pytest.approx((50, 50, 150), abs=1)
    view._draw_emoji(canvas, "unknown class", 0, 0, 64)  # has no picture, and needs none


# the command without a screen


def test_a_picture_is_annotated(picture, model, tmp_path, capsys):
    out = tmp_path / "new folder" / "out.jpg"
    main([str(picture), "--headless", "--out", str(out), "--model", str(model)])
    assert cv2.imread(str(out)).shape == (480, 640 + view.PANEL_WIDTH, 3)
    assert "1 frame; a face in 1; 1 face:" in capsys.readouterr().out
    assert [file.name for file in out.parent.iterdir()] == ["out.jpg"]


@pytest.mark.parametrize("name", ["out.webm", "out.mp4", "out.avi"])
def test_a_clip_becomes_a_clip_of_as_many_frames(clip, model, tmp_path, capsys, name):
    main([str(clip), "--headless", "--out", str(tmp_path / name), "--model", str(model)])
    frames = frames_of(tmp_path / name)
    assert len(frames) == 12 and frames[0].shape == (480, 640 + view.PANEL_WIDTH, 3)
    assert "12 frames" in (said := capsys.readouterr().out)
    assert "a face in 8; 8 faces" in said


def test_frames_ends_it_early_and_no_face_is_said_at_the_end(tmp_path, model, capsys):
    for place in range(5):
        cv2.imwrite(str(tmp_path / f"{place}.png"), np.full((100 + 9 * place, 200, 3), 128, "uint8"))
    main([str(tmp_path), "--headless", "--out", str(tmp_path / "out.avi"), "--model", str(model), "--frames", "3"])
    assert len(frames_of(tmp_path / "out.avi")) == 3, "pictures of different sizes share one video"
    assert re.search("3 frames.*; no face in any of them", capsys.readouterr().out)


def test_a_picture_of_a_clip_shows_the_surest_face(tmp_path):
    output = open_output(tmp_path / "out.png", 1)
    for gray, top in ((10, 0.4), (20, 0.9), (30, 0.6)):
        output.add(Annotated(np.full((4, 4, 3), gray, "uint8"), [Face(Box(0, 0, 9, 9), scores_for("sad", top=top))], 0))
    output.add(Annotated(np.zeros((4, 4, 3), "uint8"), [], 0))
    output.finish()
    assert (cv2.imread(str(tmp_path / "out.png")) == 20).all()


@pytest.mark.parametrize("arguments, reason", [
    (["--headless"], "--out FILE"),
    (["--headless", "--out", "out.txt"], "must end in"),
    (["--headless", "--out", "."], "must end in"),
    (["--headless", "--out", "out.png", "--model", "nowhere"], "nowhere: no model bundle"),
])
def test_a_wrong_argument_gets_one_line_and_nothing_written(picture, model, tmp_path, monkeypatch, arguments, reason):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Failure, match=reason):
        main([str(picture), "--model", str(model), *arguments])
    assert list(tmp_path.iterdir()) == [picture]


def test_what_help_says_is_what_the_modules_say():
    args = main_module._arguments([])
    assert (args.unsure_below, args.reconnect) == (UNSURE, RECONNECT)


def test_the_source_is_never_overwritten(picture, model):
    before = picture.read_bytes()
    with pytest.raises(Failure, match="is the source itself"):
        main([str(picture), "--headless", "--out", str(picture), "--model", str(model)])
    assert picture.read_bytes() == before


def test_a_failure_on_the_way_leaves_the_previous_video(clip, model, tmp_path, monkeypatch):
    out = tmp_path / "out.mp4"
    out.write_bytes(b"the previous one")

    add = VideoOutput.add

    def break_down(self, frame):
        add(self, frame)
        if frame.seconds > 0.4:
            raise RuntimeError("broken")

    monkeypatch.setattr(VideoOutput, "add", break_down)
    with pytest.raises(RuntimeError, match="broken"):
        main([str(clip), "--headless", "--out", str(out), "--model", str(model)])
    assert out.read_bytes() == b"the previous one"
    assert {file.name for file in tmp_path.iterdir()} == {"out.mp4", clip.name}


def test_a_video_that_does_not_play_is_not_put_in_place(tmp_path):
    output = VideoOutput(tmp_path / "out.mp4", 10)
    for place in range(5):
        output.add(Annotated(np.zeros((64, 64, 3), "uint8"), [], place / 10))
    output._encoder.shutdown()  # it writes until then
    output._writer.release()
    output._new.write_bytes(output._new.read_bytes()[:100])  # as a full disk leaves it
    with pytest.raises(Failure, match="is the disk full"):
        output.finish()
    assert not list(tmp_path.iterdir())


def test_a_cameras_uneven_frames_keep_the_time_in_the_video(tmp_path):
    output = VideoOutput(tmp_path / "out.avi", 10)
    for gray, seconds in ((10, 0.0), (100, 0.31), (150, 0.33), (200, 0.5)):
        output.add(Annotated(np.full((64, 64, 3), gray, "uint8"), [], seconds))
    output.finish()
    grays = [round(int(frame[9, 9, 0]), -1) for frame in frames_of(tmp_path / "out.avi")]
    assert grays == [10, 100, 100, 100, 200, 200]


def test_fitting_keeps_the_proportions():
    fitted = fit(np.full((50, 200, 3), 255, "uint8"), (100, 100))
    assert (fitted[38:62] == 255).all() and (fitted[:37] == 0).all() and (fitted[63:] == 0).all()


def test_the_tally_ranks_emotions():
    tally = Tally()
    for name in ("sad", "happy", "happy", "happy"):
        tally.add([Face(Box(0, 0, 1, 1), scores_for(name))], EMOTIONS)
    tally.add([], EMOTIONS)
    assert tally.summary().startswith("5 frames, ")
    assert tally.summary().endswith("a second; a face in 4; 4 faces: happy 75%, sad 25%")


def test_the_panel_names_the_promoted_version_and_its_accuracy(model, tmp_path):
    folder = shutil.copytree(model, tmp_path / "champion")
    bundle = bundles.Bundle.load(folder)
    assert about(bundle) == (f"model {bundle.id}",)
    (folder / "promotion.json").write_text(
        '{"name": "fer2013-7", "version": 3, "PublicTest": 0.6654, "protocol": "published"}')
    assert about(bundle) == (f"fer2013-7 version 3, {bundle.id}", "PublicTest accuracy 66.5%", "published protocol")


def test_the_panel_stays_with_one_of_two_equals_but_not_with_a_small_one():
    left, right = (Face(Box(x, 100, 100, 100), scores_for("sad"), number) for number, x in ((1, 0), (2, 400)))
    grown, near = (Face(Box(300, 60, side, side), scores_for("sad"), 2) for side in (110, 200))
    assert main_first([left, right], None) == [left, right]
    assert main_first([grown, left], 1) == [left, grown]
    assert main_first([near, left], 1) == [near, left]
    assert main_first([right], 1) == [right]
    assert main_first([], 1) == []


def test_the_stage_writes_the_clip_and_the_same_picture_every_time(model, tmp_path):
    clip = [face_frame(centre=(250 + 30 * step, 220)) for step in range(4)] + [np.zeros((480, 640, 3), "uint8")]
    for name in ("first", "second"):
        tally = stage.demo(bundles.Bundle.load(model), clip, 15, [tmp_path / f"{name}.mp4", tmp_path / f"{name}.png"])
        assert (tally.frames, tally.with_faces) == (5, 4)
    assert len(frames_of(tmp_path / "first.mp4")) == 5
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_a_stage_that_finds_no_face_fails_and_keeps_the_previous_clip(model, tmp_path):
    (tmp_path / "demo.mp4").write_bytes(b"the previous one")
    with pytest.raises(Failure, match="no face"):
        stage.demo(bundles.Bundle.load(model), [np.zeros((480, 640, 3), "uint8")], 15, [tmp_path / "demo.mp4"])
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("demo.mp4", b"the previous one")]


def test_haar_finds_both_people_of_the_drawn_clip_in_nearly_every_frame():
    found = [len(HaarDetector().find(frame)) for frame in drawn_frames(2, 5)]
    assert np.mean(np.array(found) == 2) >= 0.9


# processes


def test_the_demo_starts_fast_and_loads_nothing_heavy(picture, model, tmp_path):
    script = (
        "import sys, time; start = time.process_time()\n"
        "from pipeline.demo.main import main; main(sys.argv[1:])\n"
        "print(time.process_time() - start)\n"
        "heavy = {'tensorflow', 'keras', 'mlflow', 'pandas', 'sklearn', 'matplotlib', 'scipy', 'optuna'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    out, err = python("-c", script, picture, "--headless", "--out", tmp_path / "o.png", "--model", model).communicate()
    *_, seconds, heavy = out.splitlines()
    assert heavy == "[]", err
    assert float(seconds) < 2


@pytest.mark.parametrize("module, word", [("demo.main", "SOURCE"), ("demo.predict.main", "PATH"),
                                          ("reporting.bench.demo", "frames")])
def test_help_loads_not_even_opencv(module, word):
    script = (
        f"import sys; from pipeline.{module} import main\n"
        "try: main(['--help'])\n"
        "finally: assert not {'cv2', 'numpy'} & set(sys.modules)\n"
    )
    process = python("-c", script)
    out, err = process.communicate()
    assert process.returncode == 0 and word in out, err


def test_without_a_screen_the_window_is_refused_in_one_line(picture, model):
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux can be without a screen")
    for display in ({}, {"DISPLAY": ":54321"}, {"DISPLAY": "127.0.0.1:54"}):
        process = python("-m", "pipeline.demo", picture, "--model", model, env=environment | display)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 1 and len(err.splitlines()) == 1, err
        assert "no screen" in err and "--headless --out FILE" in err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_leaves_a_playable_video(clip, model, tmp_path):
    out = tmp_path / "out.mp4"
    script = (
        "import sys, os, signal; from pipeline.demo import main, output\n"
        "add, count = output.VideoOutput.add, []\n"
        "def interrupted(self, frame):\n"
        "    add(self, frame); count.append(1)\n"
        "    if len(count) == 5: os.kill(os.getpid(), signal.SIGINT)\n"
        "output.VideoOutput.add = interrupted\n"
        "main.main(sys.argv[1:])\n"
    )
    process = python("-c", script, clip, "--headless", "--out", out, "--model", model)
    said, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "written" in said, err
    assert len(frames_of(out)) == 5
    assert {file.name for file in tmp_path.iterdir()} == {"out.mp4", clip.name}
