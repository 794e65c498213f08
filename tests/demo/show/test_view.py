"""The drawn picture: frame, boxes, panel, emoji."""

import cv2
import numpy as np
import pytest
from toy_faces import scores_for

from pipeline.demo.see.boxes import Box, Face
from pipeline.demo.show import view
from pipeline.demo.show.view import draw
from pipeline.faces.faces import CLASS_SETS, EMOTIONS


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
    def length(picture, index):  # of the bar, in pixels unlike those of an empty one
        row = 194 + index * 30 + 15
        return int((picture[row, 640:] != empty[row, 640:]).any(axis=-1)[90:200].sum())

    frame = np.full((480, 640, 3), 90, "uint8")
    empty = draw(frame, [], EMOTIONS)
    drawn = draw(frame, [Face(Box(9, 9, 99, 99), np.array([0, 0.1, 0, 0.2, 0, 0.7, 0]))], EMOTIONS)
    lengths = [length(drawn, index) for index in range(7)]
    assert lengths[5] > lengths[3] > lengths[1] > 0 == lengths[0]


def test_an_unsure_face_is_drawn_gray_and_with_two_names():
    frame = np.full((480, 640, 3), 90, "uint8")
    scores = np.array([0.05, 0.05, 0.3, 0.05, 0.4, 0.05, 0.1])
    unsure, sure = (draw(frame, [Face(Box(200, 150, 120, 120), scores, unsure_below=below)], EMOTIONS)
                    for below in (0.5, 0.3))
    assert (unsure[210, 200] == view.DIM).all() and (sure[210, 200] == view.COLOURS["sad"]).all()
    assert (unsure[194:390, 640:] == sure[194:390, 640:]).all(), "the bars are the same"


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
    assert 480 <= height <= view.LARGEST_SIDE and width <= view.LARGEST_SIDE + height * view.PANEL_WIDTH / 480
    assert height % 2 == width % 2 == 0


@pytest.mark.parametrize("size, factor", [((640, 480), 1), ((1280, 720), 1.5), ((1920, 1080), 2.25),
                                          ((1080, 1920), 2.25)])
def test_a_large_frame_keeps_its_pixels_and_everything_drawn_grows_with_it(size, factor):
    frame = np.full((size[1], size[0], 3), 90, "uint8")
    frame[-1, 0] = 7
    side = round(120 * factor)
    face = Face(Box(size[0] // 3, size[1] // 3, side, side), scores_for("happy"))
    drawn = draw(frame, [face], EMOTIONS, about=("model x",))
    assert drawn.shape == (size[1], size[0] + 2 * round(view.PANEL_WIDTH / 2 * factor), 3)
    assert (drawn[-1, 0] == 7).all(), "it was not scaled"
    small = draw(np.full((480, 640, 3), 90, "uint8"), [Face(Box(200, 150, 120, 120), scores_for("happy"))], EMOTIONS,
                 about=("model x",))
    panel = cv2.resize(drawn[: round(480 * factor), size[0] :], (view.PANEL_WIDTH, 480), interpolation=cv2.INTER_AREA)
    bars = slice(194, 404)
    if factor > 1 and size[0] > size[1]:
        assert np.abs(panel[bars].astype(int) - small[bars, 640:]).mean() < 6, "the same panel, larger"
    label = drawn[face.box.y - round(34 * factor) : face.box.y - round(4 * factor), face.box.x : face.box.x + side]
    rows = (label == view.COLOURS["happy"]).all(axis=-1).any(axis=1).sum()
    assert rows >= 15 * factor, "and the same label"


def test_a_label_can_be_read_on_any_background():
    """Letters and plate keep a contrast of at least 4.5 (WCAG AA), and the plate hides the background."""

    def luminance(colour):
        share = np.array(colour[::-1]) / 255
        linear = np.where(share <= 0.03928, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    for colour in (*view.COLOURS.values(), *view.OTHERS):
        assert (luminance(colour) + 0.05) / (luminance(view.DARK) + 0.05) >= 4.5
    faces = [Face(Box(200, 150, 160, 160), scores_for("sad"))]
    plates = [draw(np.full((480, 640, 3), gray, "uint8"), faces, EMOTIONS)[122:142, 204:270] for gray in (0, 255)]
    assert (plates[0] == plates[1]).all()


def test_classes_of_another_data_set_have_colours_of_their_own_and_names_that_fit():
    classes = ("happy", "bored", "concentrating deeply", "tired")
    colours = view.colours(classes)
    assert colours["happy"] == view.COLOURS["happy"] and len({colours[name] for name in classes}) == 4
    faces = [Face(Box(200, 150, 160, 160), scores_for("concentrating deeply", classes, top=0.4))]
    drawn = draw(np.full((480, 640, 3), 90, "uint8"), faces, classes)
    bars = [drawn[194 + index * 30 + 15, 640 + 96] for index in range(4)]
    assert [tuple(bar.tolist()) for bar in bars] == [colours[name] for name in classes], "no letters on the bars"


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
