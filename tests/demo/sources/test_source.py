"""Videos and folders: every frame in its time, and what is broken in between."""

import cv2
import numpy as np
import pytest
from toy_faces import retimed, write_clip

from pipeline.demo.sources.open import open_source
from pipeline.demo.sources.source import LEAP, Clock, Colours
from pipeline.system.failure import Failure


def test_a_video_gives_every_frame_in_its_time(clip):
    with open_source(str(clip)) as source:
        times = [seconds for _, seconds in source]
    assert source.kind == "video" and source.length == len(times) == 12
    assert times == pytest.approx(np.arange(12) / 10)


def test_a_video_of_changing_rate_has_its_own_times(tmp_path):
    stamps = [0, 33, 500, 1000, 3000, 4460]
    for duration in (True, False):
        clip = retimed(write_clip(tmp_path / "clip.webm", frames=6, empty=0), stamps, duration)
        with open_source(str(clip)) as source:
            assert [seconds for _, seconds in source] == pytest.approx([stamp / 1000 for stamp in stamps])
        assert source.length == (6 if duration else None)


@pytest.mark.parametrize("stamps, expected", [
    ([0, 0.1, 0.2], [0, 0.1, 0.2]),
    ([5, 5.1, 7], [0, 0.1, 2]),
    ([0, 0, 0], [0, 0.04, 0.08]),
    ([0, 0.1, 0.05, 0.15], [0, 0.1, 0.14, 0.24]),
    ([0, 0.1, 0.2 + LEAP, 0.3 + LEAP], [0, 0.1, 0.14, 0.24]),
    ([0, float("nan"), 0.2], [0, 0.04, 0.08]),
    ([-1e18, -1e18, -1e18], [0, 0.04, 0.08]),
], ids=["as they are", "a later start", "none", "back", "a leap", "nan", "nonsense"])
def test_time_stamps_that_are_no_use_give_way_to_the_rate(stamps, expected):
    clock = Clock(25.0)
    assert [clock.time(index, stamp) for index, stamp in enumerate(stamps)] == pytest.approx(expected)


def test_frames_in_any_form_become_bgr():
    bgr = np.random.default_rng(0).integers(0, 256, (8, 6, 3), "uint8")
    gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    colours = Colours()
    assert (colours.bgr(bgr) == bgr).all()
    assert (colours.bgr(np.dstack([bgr, np.full((8, 6), 7, "uint8")])) == bgr).all(), "BGRA"
    for frame in (gray, gray[..., None]):
        assert (colours.bgr(frame) == gray[..., None]).all() and colours.bgr(frame).shape == (8, 6, 3)
    yuyv = np.dstack([gray, np.full((8, 6), 128, "uint8")])
    assert np.abs(colours.bgr(yuyv).astype(int) - np.clip((gray[..., None].astype(int) - 16) * 255 / 219, 0, 255)
                  ).max() <= 2, "YUYV without colour is gray, of its narrower range"


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_frames_of_more_bits_are_as_bright_as_those_of_eight(bits):
    gray = np.arange(256, dtype="uint8").reshape(16, 16)
    deep = gray.astype("uint16") << (bits - 8)
    colours = Colours()
    assert (colours.bgr(deep)[..., 0] == gray).all()
    assert (colours.bgr(deep // 4)[..., 0] == gray // 4).all(), "a dark frame after it stays dark"


@pytest.mark.parametrize("frame", [np.zeros((8, 6), "float32"), np.zeros((8, 6, 5), "uint8")])
def test_a_frame_of_another_form_gets_one_line(frame):
    with pytest.raises(Failure, match="expected frames in gray, BGR, BGRA or YUYV"):
        Colours().bgr(frame)


def test_a_folder_is_read_in_the_order_of_names_and_names_what_it_left_out(tmp_path):
    for name, gray in (("b.png", 20), ("a.JPG", 10), ("c.bmp", 30)):
        cv2.imwrite(str(tmp_path / name), np.full((8, 8, 3), gray, "uint8"))
    (tmp_path / "bad.png").write_text("no picture")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "._a.jpg").write_text("what macOS leaves behind")
    with open_source(str(tmp_path)) as source:
        grays = [int(frame[0, 0, 0]) for frame, _ in source]
    assert grays == [10, 20, 30]
    assert source.skipped == ["notes.txt", "bad.png"]


def test_a_broken_frame_in_a_video_does_not_end_it(monkeypatch, clip):
    capture = cv2.VideoCapture

    class Scratched:
        def __init__(self, *arguments):
            self._capture, self._place = capture(*arguments), 0

        def read(self):
            self._place += 1
            read = self._capture.read()
            return (False, None) if self._place in (4, 5) else read

        def __getattr__(self, name):
            return getattr(self._capture, name)

    monkeypatch.setattr(cv2, "VideoCapture", Scratched)
    with open_source(str(clip)) as source:
        times = [round(10 * seconds) for _, seconds in source]
    assert times == [0, 1, 2, 5, 6, 7, 8, 9, 10, 11]


def test_a_folder_of_broken_pictures_gets_one_line(tmp_path):
    (tmp_path / "a.png").write_text("no")
    with pytest.raises(Failure, match="no picture in it can be read"), open_source(str(tmp_path)) as source:
        list(source)
