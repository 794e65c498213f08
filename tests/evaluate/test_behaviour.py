"""Behavioural tests of the committed champion on drawn faces: what must not change an answer rarely does."""

from pathlib import Path

import numpy as np
import pytest
import toy_models

from pipeline.bundle.bundle import Bundle
from pipeline.download.drawn.sample import draw_faces
from pipeline.evaluate import behaviour

CHAMPION = Path(__file__).parents[2] / "data/champion"
# The most of the faces that it is sure of whose answer may change: drawn faces are not what it learned from
LIGHT, GEOMETRY = 0.05, 0.2
MOVES = {"mirror image", "a pixel to the left", "a pixel to the right", "a pixel up", "a pixel down",
         "box off by up to 5 %", "turned by 5°"}


@pytest.fixture(scope="module")
def champion():
    return behaviour.measure(Bundle.load(CHAMPION), draw_faces(70, 5).images)


@pytest.mark.parametrize("change", behaviour.CHANGES)
def test_the_champion_keeps_its_sure_answers(champion, change):
    """Light, mirror images and boxes that are a little off."""
    measured = champion[change]
    assert measured["sure_n"] >= 35, "it is sure of most of them"
    assert measured["sure_changed"] <= (GEOMETRY if change in MOVES else LIGHT)
    assert measured["sure_changed"] <= measured["changed"] + 0.01 and measured["moved"] < 0.25


def test_a_model_that_goes_by_brightness_is_found_out(tmp_path):
    """It answers by the mean gray level alone: mirror images leave it as it is, light does not."""
    images = toy_models.faces("sample", 6).split("PublicTest").images
    measured = behaviour.measure(toy_models.bundle(tmp_path / "bundle"), images)
    assert measured["mirror image"] == {"n": 42, "changed": 0.0, "sure_n": 42, "sure_changed": 0.0, "moved": 0.0}
    assert measured["16 gray levels brighter"]["changed"] > 0.2 < measured["16 gray levels darker"]["changed"]


def test_the_changes_are_mild_and_do_what_they_say():
    images = np.random.default_rng(1).integers(30, 226, (4, 48, 48), dtype="uint8")
    changes = behaviour.CHANGES
    assert np.array_equal(changes["a pixel to the left"](images)[:, :, :-1], images[:, :, 1:])
    assert np.array_equal(changes["a pixel down"](images)[:, 1:], images[:, :-1])
    assert np.array_equal(changes["a pixel up"](images)[:, -1], images[:, -1]), "the edge repeats"
    assert np.array_equal(changes["16 gray levels darker"](images), images - 16)
    for change in changes.values():
        changed = change(images)
        assert changed.shape == images.shape and changed.dtype == images.dtype and (changed != images).any()
