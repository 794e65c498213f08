"""BlazeFace's answers: anchors, decoding, merging; and the files are those that their README names."""

import re

import numpy as np
import pytest
from toy_faces import face_frame

from pipeline.demo.see.blazeface import convert
from pipeline.demo.see.blazeface.network import FOLDER, FULL, SHORT, anchors, decoded, merged, network, same_face
from pipeline.demo.see.blazeface.view import View, whole


def test_anchors_are_the_cells_centres_in_reading_order():
    full, short = anchors(FULL), anchors(SHORT)
    assert full.shape == (2304, 2) and short.shape == (896, 2)
    assert full[:2].tolist() == [[2, 2], [6, 2]] and full[48].tolist() == [2, 6]
    assert short[:3].tolist() == [[4, 4], [4, 4], [12, 4]], "two for each cell of the finer grid"
    assert (short[512:518] == 8).all() and short[518].tolist() == [24, 8], "then six for each of the coarser"


def test_an_answer_is_decoded_relative_to_its_anchor():
    values = np.zeros((3, 16), "float32")
    values[1, :8] = [3, -2, 40, 44, -10, -5, 12, 1]
    rows = decoded(np.array([-9, 2, -1e9], "float32"), values, np.array([[4.0, 4], [50, 60], [90, 90]]), 0.5)
    assert rows == pytest.approx(np.array([[1 / (1 + np.exp(-2)), 53, 58, 42, 22, 6]]))


def test_answers_for_one_face_are_averaged_by_their_scores():
    rows = np.array([[0.3, 100, 100, 40, 10, 0], [0.9, 104, 100, 40, 10, 4], [0.6, 200, 100, 40, 10, 0]])
    first, second = merged(rows)
    assert first == pytest.approx([0.9, 103, 100, 40, 10, 3])
    assert second == pytest.approx(rows[2])


def test_a_square_inside_another_is_the_same_face():
    others = np.array([[100.0, 120, 15], [100, 100, 100], [160, 100, 60], [300, 100, 60]])
    assert same_face(np.array([100.0, 100, 100]), others).tolist() == [True, True, False, False]


@pytest.mark.parametrize("kind, view", [(FULL, whole(face_frame())), (FULL, View(300, 220, 700, 25)),
                                        (SHORT, View(300, 220, 400)), (SHORT, View(300, 220, 400, -25))])
def test_both_networks_and_every_view_tell_the_same_square(kind, view):
    seen = network(kind).find(face_frame(), view, 0.5)
    assert len(seen) == 1
    assert [seen[0].x, seen[0].y, seen[0].side] == pytest.approx([298, 234, 165], abs=22)
    assert abs(seen[0].roll) < 12


def test_the_readme_names_the_sources_that_the_command_checks():
    readme = (FOLDER / "README.md").read_text()
    named = dict(re.findall(r"`(face_detection\w+\.tflite)`.*`([0-9a-f]{64})`", readme))
    assert named == dict(convert.SOURCES.values())
    assert convert.PACKAGE in readme and convert.VERSION in readme
