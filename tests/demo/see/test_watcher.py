"""Faces over time and in single pictures: who comes and goes, tilted heads, crowds, and each in its upright crop."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from toy_faces import face_frame, toy_bundle

from pipeline.bundle.bundle import Bundle
from pipeline.demo.see import watcher
from pipeline.demo.see.boxes import Box
from pipeline.demo.see.crop import crops
from pipeline.demo.see.detector import BlazeFace
from pipeline.demo.see.watcher import EVERY, Search, Watcher, look


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return Bundle.load(toy_bundle(tmp_path_factory.mktemp("model")))


def tilted(degrees: float) -> np.ndarray:
    """The drawn face, rolled clockwise round its middle."""
    matrix = cv2.getRotationMatrix2D((300, 220), -degrees, 1)
    return cv2.warpAffine(face_frame(), matrix, (640, 480), borderMode=cv2.BORDER_REPLICATE)


def test_a_face_that_moves_is_found_in_every_frame():
    search = Search(BlazeFace())
    for frame in range(10):
        centre = (200 + 12 * frame, 220)
        box, = search.find(face_frame(centre=centre), frame / 10)
        assert np.hypot(box.centre[0] - centre[0], box.centre[1] - centre[1]) < 30


def test_who_comes_is_noticed_and_who_goes_is_forgotten():
    search = Search(BlazeFace())
    one, nobody = face_frame(centre=(160, 240), radius=70), np.full((480, 640, 3), 110, "uint8")
    two = one.copy()
    two[:, 320:] = face_frame(centre=(480, 240), radius=80)[:, 320:]
    assert len(search.find(one, 0.0)) == 1
    counts = [len(search.find(two, frame / 30)) for frame in range(1, 16)]
    assert counts == [2] * 15
    assert len(search.find(one, 0.6)) == 1
    assert search.find(nobody, 0.63) == []


@pytest.mark.parametrize("degrees", [-35, 35, 160])
def test_a_tilted_heads_crop_is_upright(degrees):
    (box,), (upright,) = BlazeFace().find(tilted(degrees)), BlazeFace().find(face_frame())
    upright_crop = crops(face_frame(), [upright], 0.97)

    def likeness(box):
        return np.corrcoef(crops(tilted(degrees), [box], 0.97).ravel(), upright_crop.ravel())[0, 1]

    assert likeness(box) > max(0.7, likeness(replace(box, angle=0.0)))


def test_a_head_that_lies_on_its_side_is_noticed_within_three_searches_and_followed():
    search = Search(BlazeFace())
    counts = [len(search.find(tilted(90), frame / 10)) for frame in range(20)]
    first = counts.index(1)
    assert first / 10 <= 3 * EVERY and counts[first:] == [1] * (20 - first)


def test_a_watcher_tells_the_same_faces_as_a_single_look_when_nothing_moves(model):
    frame, seer = face_frame(), Watcher(BlazeFace(), model)
    for number in range(40):
        seen = seer.see(frame, number / 30)
    single = look(frame, BlazeFace(), model)
    assert [face.id for face in seen] == [1] and seen[0].scores.argmax() == single[0].best
    assert seen[0].scores == pytest.approx(single[0].scores, abs=0.15), "the mean of both views"
    assert seer.see(np.zeros_like(frame), 9.0) == []


def test_of_a_crowd_everybody_has_a_turn(model, monkeypatch):
    monkeypatch.setattr(watcher, "MOST", 2)
    boxes = [Box(100 * index, 50, 60, 60) for index in range(5)]
    seer = Watcher(BlazeFace(), model)
    seen = [len(seer.read(face_frame(), boxes, number / 30)) for number in range(3)]
    assert seen == [2, 4, 5]
