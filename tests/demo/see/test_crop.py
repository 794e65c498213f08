"""Cutting a face out of a frame."""

import numpy as np

from pipeline.demo.see.boxes import Box
from pipeline.demo.see.crop import square


def test_a_crop_that_leaves_the_frame_goes_on_with_its_edge():
    gray = np.tile(np.arange(100, dtype="uint8"), (100, 1))
    cut = square(gray, Box(-20, 30, 48, 48), side=48)
    assert (cut[:, :20] == 0).all() and (cut[0, 20:] == np.arange(28)).all()
    cut = square(gray, Box(90, 90, 48, 48), side=48)
    assert (cut[:, 10:] == 99).all()


def test_shrinking_averages_instead_of_picking_pixels():
    checks = (np.indices((480, 480)).sum(axis=0) % 2 * 255).astype("uint8")
    assert np.ptp(square(checks, Box(0, 0, 480, 480), side=480).astype(int)) <= 1
