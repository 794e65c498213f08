"""Faces over time: numbers that stay, scores that are smoothed, labels that do not flicker."""

import numpy as np
import pytest

from pipeline.demo.see.boxes import Box
from pipeline.demo.see.tracks import HALF_LIFE, HOLD, LATENCY, Tracks

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
HAPPY, SAD = (np.eye(7, dtype="float32")[index] for index in (3, 4))


def box(x, y=100, side=100):
    return Box(x, y, side, side)


def test_two_faces_keep_their_numbers_whatever_the_order_of_the_boxes():
    tracks = Tracks()
    for frame in range(30):
        left, right = box(50 + 3 * frame), box(400 - 3 * frame)
        boxes = [left, right] if frame % 2 else [right, left]
        followed = tracks.follow(boxes, frame / 30)
        assert [track.id for track in sorted(followed, key=lambda track: track.box.x)] == [2, 1]


def test_a_missed_face_stays_where_it_was_for_a_while_and_then_is_another():
    tracks = Tracks()
    for seconds in (0.0, 0.1):
        tracks.update([box(50)], HAPPY[None], seconds)
    for seconds in (0.2, 0.1 + HOLD):
        assert [(face.id, face.held) for face in tracks.update([], np.zeros((0, 7)), seconds)] == [(1, True)]
    assert tracks.update([], np.zeros((0, 7)), 0.11 + HOLD) == []
    assert [face.id for face in tracks.update([box(50)], HAPPY[None], 2.0)] == [2]


def test_what_was_seen_in_one_frame_alone_is_gone_in_the_next():
    tracks = Tracks()
    assert len(tracks.update([box(50)], HAPPY[None], 0.0)) == 1
    assert tracks.update([], np.zeros((0, 7)), 0.03) == []


def test_a_face_is_known_again_at_one_frame_a_second():
    tracks = Tracks()
    assert {tracks.update([box(50)], HAPPY[None], float(second))[0].id for second in range(5)} == {1}


def test_a_face_elsewhere_or_of_another_size_is_another_face():
    tracks = Tracks()
    tracks.follow([box(50)], 0.0)
    assert [track.id for track in tracks.follow([box(300), box(50, side=300)], 0.03)] == [2, 3]


@pytest.mark.parametrize("rate", [10, 30, 60])
def test_half_of_a_change_shows_after_the_half_life_and_the_label_turns_within_the_latency(rate):
    tracks = Tracks()
    tracks.update([box(50)], HAPPY[None], 0.0)
    for frame in range(1, rate):
        seconds = frame / rate
        face = tracks.update([box(50)], SAD[None], seconds)[0]
        assert face.scores[3] == pytest.approx(0.5 ** (seconds / HALF_LIFE), abs=1e-5)
        assert (face.best == 4) == (seconds >= LATENCY), seconds
    assert LATENCY < 0.25


def test_between_two_equal_classes_the_label_does_not_flicker():
    rng = np.random.default_rng(0)
    shares = np.clip(rng.normal(0.5, 0.1, (300, 1)), 0, 1)
    scores, tracks = shares * HAPPY + (1 - shares) * SAD, Tracks()
    labels = [tracks.update([box(50)], row[None], frame / 30)[0].best for frame, row in enumerate(scores)]
    assert np.count_nonzero(np.diff(scores.argmax(axis=1))) > 100, "frame by frame it would flicker"
    assert np.count_nonzero(np.diff(labels)) <= 1


def test_boxes_stand_still_where_the_detector_trembles():
    rng = np.random.default_rng(0)
    tracks = Tracks()
    shown = [tracks.follow([box(100 + round(rng.normal(0, 4)))], frame / 30)[0].box.x for frame in range(200)]
    assert np.std(shown[20:]) < 3
