"""Shared by the demo's tests: a toy model, a picture with a face, a clip."""

from pathlib import Path

import cv2
import pytest
from toy_faces import face_frame, toy_bundle, write_clip


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
