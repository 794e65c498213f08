"""Annotated videos and pictures as files."""

import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from toy_faces import frames_of, scores_for

from pipeline.demo.output import LARGEST_VP8, VideoOutput, open_output
from pipeline.demo.see.boxes import Box, Face
from pipeline.demo.show.annotate import Annotated
from pipeline.system.failure import Failure


def test_a_picture_of_a_clip_shows_the_surest_face(tmp_path):
    output = open_output(tmp_path / "out.png", 1)
    for gray, top in ((10, 0.4), (20, 0.9), (30, 0.6)):
        output.add(Annotated(np.full((4, 4, 3), gray, "uint8"), [Face(Box(0, 0, 9, 9), scores_for("sad", top=top))], 0))
    output.add(Annotated(np.zeros((4, 4, 3), "uint8"), [], 0))
    output.finish()
    assert (cv2.imread(str(tmp_path / "out.png")) == 20).all()


def test_a_video_that_does_not_play_is_not_put_in_place(tmp_path):
    output = VideoOutput(tmp_path / "out.mp4", 10)
    for index in range(5):
        output.add(Annotated(np.zeros((64, 64, 3), "uint8"), [], index / 10))
    output._encoder.shutdown()  # it writes until then
    output._writer.release()
    output._temporary.write_bytes(output._temporary.read_bytes()[:100])  # as a full disk leaves it
    with pytest.raises(Failure, match="is the disk full"):
        output.finish()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["out.webm", "out.mkv", "out.avi"])
def test_a_video_whose_end_a_full_disk_lacks_is_not_put_in_place(tmp_path, monkeypatch, name):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=4096))
    noise = np.random.default_rng(0)
    for lost in (False, True):
        output = VideoOutput(tmp_path / name, 10)
        for index in range(20):
            output.add(Annotated(noise.integers(0, 256, (64, 64, 3), "uint8"), [], index / 10))
        output._encoder.shutdown()
        output._writer.release()
        if not lost:
            output.finish()
            assert len(frames_of(tmp_path / name)) == 20
            (tmp_path / name).unlink()
    whole = output._temporary.read_bytes()
    output._temporary.write_bytes(whole[:len(whole) // 2])
    with pytest.raises(Failure, match="is the disk full"):
        output.finish()
    assert not list(tmp_path.iterdir())


def test_a_cameras_uneven_frames_keep_the_time_in_the_video(tmp_path):
    output = VideoOutput(tmp_path / "out.avi", 10)
    for gray, seconds in ((10, 0.0), (100, 0.31), (150, 0.33), (200, 0.5)):
        output.add(Annotated(np.full((64, 64, 3), gray, "uint8"), [], seconds))
    output.finish()
    grays = [round(int(frame[9, 9, 0]), -1) for frame in frames_of(tmp_path / "out.avi")]
    assert grays == [10, 100, 100, 100, 200, 200]


@pytest.mark.parametrize("name, size", [("out.mp4", (1670, 720)), ("out.webm", (LARGEST_VP8[0], 554))])
def test_a_large_picture_becomes_a_large_video_unless_its_encoder_cannot_keep_up(tmp_path, name, size):
    output = VideoOutput(tmp_path / name, 10)
    for index in range(2):
        output.add(Annotated(np.full((720, 1670, 3), 99, "uint8"), [], index / 10))
    output.finish()
    assert [frame.shape[1::-1] for frame in frames_of(tmp_path / name)] == [size, size]


def test_what_a_killed_demo_left_goes_with_the_next_start_and_a_running_ones_stays(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for process in (dead.pid, os.getppid()):
        (tmp_path / f".out.webm.{process}.new.webm").write_bytes(b"half")
    (tmp_path / f".other.webm.{dead.pid}.new.webm").write_bytes(b"another's")
    output = VideoOutput(tmp_path / "out.webm", 10)
    output.add(Annotated(np.zeros((64, 64, 3), "uint8"), [], 0.0))
    output.finish()
    assert {file.name for file in tmp_path.iterdir()} == {
        "out.webm", f".out.webm.{os.getppid()}.new.webm", f".other.webm.{dead.pid}.new.webm"}
