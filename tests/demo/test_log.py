"""The rows that ferpipe demo --log writes."""

import csv
import json

import cv2
import numpy as np
import pytest
from toy_faces import FakeCamera, face_frame, scores_for

from pipeline.demo.log import Log
from pipeline.demo.main import main
from pipeline.demo.see.boxes import Box, Face
from pipeline.faces.faces import EMOTIONS
from pipeline.system.failure import Failure

FACE = Face(Box(10, 20, 30, 40, -17.5), scores_for("happy"), 3)
BLANK = np.zeros((4, 4, 3), "uint8")


def test_a_face_is_a_row_with_time_number_box_roll_and_probabilities(tmp_path):
    with Log(tmp_path / "log.csv", EMOTIONS) as log:
        log.recording(lambda frame, seconds: [FACE])(BLANK, 1.25)
    (row,) = csv.DictReader((tmp_path / "log.csv").open(encoding="utf-8"))
    expected = {"seconds": "1.250", "face": "3", "x": "10", "y": "20", "width": "30", "height": "40", "roll": "-17.5",
                "emotion": "happy", "sure": "True"}
    assert list(row) == [*expected, *EMOTIONS] and row.items() >= expected.items()
    assert [float(row[name]) for name in EMOTIONS] == pytest.approx(scores_for("happy"), abs=1e-4)
    with Log(tmp_path / "log.jsonl", EMOTIONS) as log:
        log.recording(lambda frame, seconds: [FACE])(BLANK, 1.25)
    entry = json.loads((tmp_path / "log.jsonl").read_text(encoding="utf-8"))
    assert (entry["seconds"], entry["id"], entry["roll"]) == (1.25, 3, -17.5)
    assert entry["box"] == {"x": 10, "y": 20, "width": 30, "height": 40}
    assert list(entry["probabilities"]) == list(EMOTIONS)


def test_every_frame_is_there_at_once_and_held_faces_are_not(tmp_path):
    held = Face(FACE.box, FACE.scores, 4, held=True)
    with Log(tmp_path / "log.jsonl", EMOTIONS) as log:
        see = log.recording(lambda frame, seconds: [FACE, held] if seconds else [])
        assert see(BLANK, 0.0) == [] and see(BLANK, 0.5) == [FACE, held], "what is shown stays"
        lines = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["id"] for line in lines] == [3]


def test_a_camera_is_logged_without_a_window_and_without_a_video(monkeypatch, tmp_path, model, capsys):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    path = tmp_path / "new" / "log.csv"
    main(["0", "--headless", "--log", str(path), "--model", str(model), "--frames", "3", "--reconnect", "0"])
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    assert 1 <= len(rows) <= 3 and {row["face"] for row in rows} == {"1"}
    assert float(rows[-1]["seconds"]) > 0 and f"written: {path}" in capsys.readouterr().out
    # Not mirrored, whatever the window shows
    assert abs(int(rows[0]["x"]) + int(rows[0]["width"]) / 2 - 300) < 30


def test_pictures_and_clips_are_logged_too(picture, clip, model, tmp_path):
    for source, frames in ((picture, 1), (clip, 8)):
        main([str(source), "--headless", "--log", str(tmp_path / "log.jsonl"), "--model", str(model)])
        entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
        assert len(entries) == frames


@pytest.mark.parametrize("name, words", [("log.txt", "ends in .csv or .jsonl"), ("face.csv", "is the source itself")])
def test_a_log_that_cannot_be_is_one_line_and_writes_nothing(tmp_path, model, name, words):
    source = tmp_path / "face.csv"  # a picture, whatever its name
    source.write_bytes(cv2.imencode(".png", face_frame())[1].tobytes())
    before = source.read_bytes()
    with pytest.raises(Failure, match=words):
        main([str(source), "--headless", "--log", str(tmp_path / name), "--model", str(model)])
    assert source.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["face.csv"]
