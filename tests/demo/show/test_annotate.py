"""The annotated frame, the main face and the tally."""

import numpy as np
from toy_faces import scores_for

from pipeline.demo.see.boxes import Box, Face
from pipeline.demo.show.annotate import Annotator, Tally, main_first
from pipeline.faces.faces import EMOTIONS


def test_in_the_mirror_the_box_stays_on_the_face():
    annotator = Annotator(lambda *_: [Face(Box(100, 50, 40, 40), scores_for("sad"))], EMOTIONS, Tally(), mirror=True)
    shown = annotator.add(np.zeros((480, 640, 3), "uint8"), 0.0)
    assert shown.faces[0].box == Box(500, 50, 40, 40)


def test_the_last_frame_can_be_mirrored_once_more():
    annotator = Annotator(lambda *_: [Face(Box(100, 50, 40, 40), scores_for("sad"))], EMOTIONS, Tally())
    frame = np.zeros((480, 640, 3), "uint8")
    frame[400, 10] = 255
    assert annotator.again(None) is None
    assert annotator.add(frame, 0.0).picture[400, 10, 0] == 255
    annotator.mirror = True
    shown = annotator.again("note")
    assert shown.picture[400, 629, 0] == 255 and shown.faces[0].box == Box(500, 50, 40, 40)


def test_the_tally_ranks_emotions():
    tally = Tally()
    for name in ("sad", "happy", "happy", "happy"):
        tally.add([Face(Box(0, 0, 1, 1), scores_for(name))], EMOTIONS)
    tally.add([], EMOTIONS)
    assert tally.summary().startswith("5 frames, ")
    assert tally.summary().endswith("a second; a face in 4; 4 faces: happy 75%, sad 25%")


def test_the_panel_stays_with_one_of_two_equals_but_not_with_a_small_one():
    left, right = (Face(Box(x, 100, 100, 100), scores_for("sad"), number) for number, x in ((1, 0), (2, 400)))
    grown, near = (Face(Box(300, 60, side, side), scores_for("sad"), 2) for side in (110, 200))
    assert main_first([left, right], None) == [left, right]
    assert main_first([grown, left], 1) == [left, grown]
    assert main_first([near, left], 1) == [near, left]
    assert main_first([right], 1) == [right]
    assert main_first([], 1) == []
