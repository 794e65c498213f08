"""Without a screen."""

import os
import sys

import pytest
from toy_faces import python


def test_without_a_screen_the_window_is_refused_in_one_line(picture, model):
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux can be without a screen")
    for display in ({}, {"DISPLAY": ":54321"}, {"DISPLAY": "127.0.0.1:54"}):
        process = python("-m", "pipeline.demo", picture, "--model", model, env=environment | display)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 1 and len(err.splitlines()) == 1, err
        assert "no screen" in err and "--headless --out FILE" in err
