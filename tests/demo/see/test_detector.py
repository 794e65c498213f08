"""The Haar detector: any light, any size, the box and its crop."""

import numpy as np
import pytest
from toy_faces import face_frame

from pipeline.demo.see.boxes import Box
from pipeline.demo.see.detector import HaarDetector
from pipeline.download.drawn.clip import frames as drawn_frames


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


def test_haar_finds_both_people_of_the_drawn_clip_in_nearly_every_frame():
    counts = [len(HaarDetector().find(frame)) for frame in drawn_frames(2, 5)]
    assert np.mean(np.array(counts) == 2) >= 0.9
