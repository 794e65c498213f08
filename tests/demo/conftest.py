"""Shared by the demo's tests: a toy model, a picture with a face, a clip, one Chromium."""

from itertools import islice
from pathlib import Path

import chromium as browsers
import cv2
import numpy as np
import pytest
from toy_faces import face_frame, toy_bundle, write_clip

from pipeline.download.drawn import clip as drawn


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """A toy bundle's folder. Read only."""
    return toy_bundle(tmp_path_factory.mktemp("model"))


@pytest.fixture
def picture(tmp_path) -> Path:
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), face_frame())
    return path


@pytest.fixture
def clip(tmp_path) -> Path:
    """Twelve frames at ten a second: a face in eight, none in four."""
    return write_clip(tmp_path / "clip01.mp4")


@pytest.fixture(scope="session")
def frames() -> list[np.ndarray]:
    """Six frames of two drawn people, one happy, one surprised."""
    return list(islice(drawn.frames(4.5, 6), 21, 27))


@pytest.fixture(scope="session")
def _chromium(tmp_path_factory, frames):
    if browsers.PROGRAM is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")
    folder = tmp_path_factory.mktemp("chromium")
    camera = browsers.webcam(folder / "camera.mjpeg", [frame for frame in frames[1:4] for _ in range(10)])
    with browsers.Chromium(folder / "browser", camera) as browser:
        yield browser


@pytest.fixture
def chromium(_chromium):
    """The one browser of all tests; its webcam shows two drawn people. Skips where there is none."""
    yield _chromium
    # A page with a camera would take a core until the session ends
    _chromium.call("Page.navigate", url="about:blank")
