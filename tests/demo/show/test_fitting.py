"""Pictures in windows and videos of another size."""

import numpy as np

from pipeline.demo.show.fitting import at_most, fit


def test_fitting_keeps_the_proportions():
    fitted = fit(np.full((50, 200, 3), 255, "uint8"), (100, 100))
    assert (fitted[38:62] == 255).all() and (fitted[:37] == 0).all() and (fitted[63:] == 0).all()
    narrow = fit(np.full((10, 5, 3), 255, "uint8"), (100, 100))
    assert (narrow[:, 25:75] == 255).all() and not narrow[:, :24].any() and not narrow[:, 76:].any()


def test_what_fits_exactly_is_passed_on_as_it_is():
    picture = np.zeros((50, 200, 3), "uint8")
    assert fit(picture, (200, 50)) is picture


def test_only_what_is_too_large_becomes_smaller():
    assert at_most((640, 480), (1284, 720)) == (640, 480)
    assert at_most((1670, 720), (1284, 720)) == (1284, 554)
    assert at_most((1000, 1440), (1284, 720)) == (500, 720)
