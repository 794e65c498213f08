"""BlazeFace on frames and pictures: any light, any size, any roll, one box for each face, and nothing else."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from toy_faces import face_frame

from pipeline.demo.see.detector import QUARTERS, BlazeFace, squares
from pipeline.download.drawn.clip import frames as drawn_frames

DETECTOR = BlazeFace()


def rolled(degrees: float) -> np.ndarray:
    """The drawn face, rolled clockwise round its middle."""
    matrix = cv2.getRotationMatrix2D((300, 220), -degrees, 1)
    return cv2.warpAffine(face_frame(), matrix, (640, 480), borderMode=cv2.BORDER_REPLICATE)


@pytest.mark.parametrize("light, size", [((1, 0), (640, 480)), ((0.15, 0), (640, 480)), ((0.1, 150), (640, 480)),
                                         ((1, 0), (1280, 960)), ((1, 0), (200, 150))])
def test_the_drawn_face_is_found_in_any_light_and_at_any_size(light, size):
    scale = size[0] / 640
    frame = face_frame(size, (round(300 * scale), round(220 * scale)), round(90 * scale))
    frame = (frame * light[0] + light[1]).astype("uint8")
    for boxes in (DETECTOR.find(frame), DETECTOR.follow(frame, []), DETECTOR.follow(frame[..., 0], [])):
        assert len(boxes) == 1
        (x, y), width = boxes[0].centre, boxes[0].width
        assert abs(x / scale - 300) < 25 and abs(y / scale - 220) < 25
        assert 110 < width / scale < 230 and boxes[0].angle == 0


def test_the_box_is_the_haar_cascades_since_fer_2013_was_cropped_along_that():
    cascade = cv2.CascadeClassifier(f"{cv2.data.haarcascades}haarcascade_frontalface_alt2.xml")
    apart = []
    for frame in drawn_frames(1, 5, people=1):
        gray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        (x, y, side, _), *_ = cascade.detectMultiScale(gray, 1.05, 4, minSize=(60, 60))
        box = DETECTOR.find(frame)[0]
        apart.append([box.width / side, (box.centre[0] - x - side / 2) / side, (box.centre[1] - y - side / 2) / side])
    assert np.abs(np.median(apart, axis=0) - [1, 0, 0]).max() < 0.1


def test_nothing_is_found_on_an_even_frame_and_on_noise():
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), "uint8")
    for frame in (np.full_like(noise, 128), noise):
        assert DETECTOR.find(frame) == [] and DETECTOR.follow(frame, [], 0) == []


def test_the_larger_face_comes_first():
    frame = face_frame(centre=(160, 240), radius=60)
    frame[:, 320:] = face_frame(centre=(480, 240), radius=100)[:, 320:]
    left, right = sorted(DETECTOR.find(frame), key=lambda box: box.x)
    assert DETECTOR.find(frame) == [right, left]


def test_small_faces_of_a_large_picture_are_found():
    picture = np.full((1200, 1600, 3), 128, "uint8")
    for x in (300, 800, 1300):
        picture[400:520, x - 80 : x + 80] = cv2.resize(face_frame(), (160, 120), interpolation=cv2.INTER_AREA)
    assert DETECTOR.follow(picture, []) == []
    assert [round(box.centre[0] / 100) for box in sorted(DETECTOR.find(picture), key=lambda box: box.x)] == [3, 8, 13]


@pytest.mark.parametrize("degrees", [-150, -60, -35, 35, 60, 90, 180])
def test_a_head_of_any_roll_is_found_in_a_picture(degrees):
    box, = DETECTOR.find(rolled(degrees))
    assert abs((box.angle - degrees + 180) % 360 - 180) < 15
    assert np.hypot(box.centre[0] - 300, box.centre[1] - 220) < 30


@pytest.mark.parametrize("degrees", [-70, 40, 90, 180])
def test_a_rolled_head_is_followed_once_it_was_seen(degrees):
    frame, boxes = rolled(degrees), []
    for quarter in range(len(QUARTERS)):
        boxes = boxes or DETECTOR.follow(frame, [], quarter)
    assert len(boxes) == 1
    for _ in range(3):
        boxes = DETECTOR.follow(frame, boxes)
        assert len(boxes) == 1 and abs((boxes[0].angle - degrees + 180) % 360 - 180) < 15


def test_a_wide_open_mouth_is_no_second_face_and_no_face_is_found_twice():
    for frame in drawn_frames(2, 4):
        cv2.ellipse(frame, (320, 240), (40, 55), 0, 0, 360, (30, 20, 60), -1)
        boxes = DETECTOR.find(frame)
        for box in boxes:
            assert all(box.overlap(other) < 0.3 for other in boxes if other is not box)


def test_both_people_of_the_drawn_clip_are_found_in_every_frame():
    assert [len(DETECTOR.follow(frame, [])) for frame in drawn_frames(2, 5)] == [2] * 10


@pytest.mark.parametrize("width, height", [(640, 480), (480, 640), (1500, 300), (90, 60), (500, 500), (4000, 90)])
def test_squares_cover_a_picture_and_overlap(width, height):
    covered = np.zeros((height, width), "uint8")
    for view in squares(width, height):
        assert view.side < max(width, height) and view.roll == 0
        left, top = round(view.x - view.side / 2), round(view.y - view.side / 2)
        covered[max(0, top) : top + round(view.side), max(0, left) : left + round(view.side)] = 1
    # A picture of the least side is one square, which is all of it
    assert covered.all() or max(width, height) <= 96


def test_a_box_keeps_its_face_when_the_frame_moves_on():
    first = DETECTOR.follow(face_frame(), [])
    box, = DETECTOR.follow(face_frame(centre=(310, 220)), first)
    assert box.overlap(replace(first[0], x=first[0].x + 10)) > 0.8
