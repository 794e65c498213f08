"""Videos and folders: every frame in its time, and what is broken in between."""

import cv2
import numpy as np
import pytest

from pipeline.demo.sources.open import open_source
from pipeline.system.failure import Failure


def test_a_video_gives_every_frame_in_its_time(clip):
    with open_source(str(clip)) as source:
        times = [seconds for _, seconds in source]
    assert source.kind == "video" and source.length == len(times) == 12
    assert times == pytest.approx(np.arange(12) / 10)


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
