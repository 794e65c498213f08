"""The map over a face: where it lies, and in which colours."""

import numpy as np
import pytest

from pipeline.demo.see.boxes import Box
from pipeline.demo.see.crop import square
from pipeline.demo.show import heat

FRAME = np.full((300, 400, 3), 120, "uint8")


def cell(row: int, column: int, value=1.0) -> np.ndarray:
    """A map with one cell of 12x12."""
    shares = np.zeros((12, 12))
    shares[row, column] = value
    return shares


@pytest.mark.parametrize("angle", [0.0, 30.0, -75.0, 180.0])
@pytest.mark.parametrize("box", [Box(120, 80, 100, 100), Box(-15, 200, 120, 120)])
def test_a_cell_lies_on_the_pixels_that_the_crop_has_there(box, angle):
    box = Box(box.x, box.y, box.width, box.height, angle)
    painted = heat.paint(FRAME, box, 0.97, cell(5, 8))
    yellow = (painted[..., 2].astype(int) - painted[..., 0]).clip(0, 255).astype("uint8")
    crop = square(yellow, box, box.width / 0.97)
    weights = crop.astype(float)
    rows, columns = np.indices(crop.shape)
    middle = [float((axis * weights).sum() / weights.sum()) for axis in (rows, columns)]
    assert middle == pytest.approx([21.5, 33.5], abs=1.6), "rows 20 to 23, columns 32 to 35 of the crop"


def test_only_the_face_is_painted_on_a_copy_in_two_colours():
    painted = heat.paint(FRAME, Box(100, 100, 96, 96), 0.96, cell(2, 2) - cell(9, 9))
    assert (FRAME == 120).all()
    outside = np.ones(FRAME.shape[:2], bool)
    outside[97:200, 97:200] = False
    assert (painted[outside] == 120).all()
    for row, column, colour in ((119, 119, heat.FOR), (177, 177, heat.AGAINST)):
        assert np.abs(painted[row, column].astype(int) - colour).max() < 60
    assert np.ptp(painted[150, 150].astype(int)) <= 1 and painted[150, 150, 0] < 120, "what says nothing is gray"


def test_a_face_outside_the_frame_changes_nothing():
    assert (heat.paint(FRAME, Box(-300, 10, 90, 90), 0.97, cell(1, 1)) == FRAME).all()
