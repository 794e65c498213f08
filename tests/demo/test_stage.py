"""The stage `demo`: the champion on the drawn clip."""

import numpy as np
import pytest
from toy_faces import face_frame, frames_of

from pipeline.bundle import bundle as bundles
from pipeline.demo import stage
from pipeline.system.failure import Failure


def test_the_stage_writes_the_clip_and_the_same_picture_every_time(model, tmp_path):
    clip = [face_frame(centre=(250 + 30 * step, 220)) for step in range(4)] + [np.zeros((480, 640, 3), "uint8")]
    for name in ("first", "second"):
        tally = stage.demo(bundles.Bundle.load(model), clip, 15, [tmp_path / f"{name}.mp4", tmp_path / f"{name}.png"])
        assert (tally.frames, tally.with_faces) == (5, 4)
    assert len(frames_of(tmp_path / "first.mp4")) == 5
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_a_stage_that_finds_no_face_fails_and_keeps_the_previous_clip(model, tmp_path):
    (tmp_path / "demo.mp4").write_bytes(b"the previous one")
    with pytest.raises(Failure, match="no face"):
        stage.demo(bundles.Bundle.load(model), [np.zeros((480, 640, 3), "uint8")], 15, [tmp_path / "demo.mp4"])
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("demo.mp4", b"the previous one")]
