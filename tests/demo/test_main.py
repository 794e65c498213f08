"""The command `ferpipe demo` without a screen. Windows and keys are in test_play."""

import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from toy_faces import FakeCamera, face_frame, frames_of, python

from pipeline.demo import main as main_module
from pipeline.demo.main import main
from pipeline.demo.notice import NOTICE
from pipeline.demo.output import VideoOutput
from pipeline.demo.see.boxes import UNSURE
from pipeline.demo.show import view
from pipeline.demo.sources.open import RECONNECT
from pipeline.system.failure import Failure


def test_the_law_and_what_the_labels_are_not_is_said_once(picture, model, tmp_path, capsys):
    main([str(picture), "--headless", "--out", str(tmp_path / "out.png"), "--model", str(model)])
    printed = capsys.readouterr()
    assert printed.out.count("AI Act") == 1 and "not a feeling" in printed.out and printed.err == ""


def test_the_page_says_the_same_as_the_console():
    page = (Path(main_module.__file__).parent / "web/page/index.html").read_text(encoding="utf-8")
    for words in ("An expression is not a feeling", "3(39)", "5(1)(f)", "Annex III 1(c)", "50(3)"):
        assert words in page and words in NOTICE


def test_a_picture_is_annotated(picture, model, tmp_path, capsys):
    out = tmp_path / "new folder" / "out.jpg"
    main([str(picture), "--headless", "--out", str(out), "--model", str(model)])
    assert cv2.imread(str(out)).shape == (480, 640 + view.PANEL_WIDTH, 3)
    assert "1 frame; a face in 1; 1 face:" in capsys.readouterr().out
    assert [file.name for file in out.parent.iterdir()] == ["out.jpg"]


@pytest.mark.parametrize("name", ["out.webm", "out.mp4", "out.avi"])
def test_a_clip_becomes_a_clip_of_as_many_frames(clip, model, tmp_path, capsys, name):
    main([str(clip), "--headless", "--out", str(tmp_path / name), "--model", str(model)])
    frames = frames_of(tmp_path / name)
    assert len(frames) == 12 and frames[0].shape == (480, 640 + view.PANEL_WIDTH, 3)
    assert "12 frames" in (printed := capsys.readouterr().out)
    assert "a face in 8; 8 faces" in printed


def test_frames_ends_it_early_and_no_face_is_said_at_the_end(tmp_path, model, capsys):
    for index in range(5):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((100 + 9 * index, 200, 3), 128, "uint8"))
    main([str(tmp_path), "--headless", "--out", str(tmp_path / "out.avi"), "--model", str(model), "--frames", "3"])
    assert len(frames_of(tmp_path / "out.avi")) == 3, "pictures of different sizes share one video"
    assert re.search("3 frames.*; no face in any of them", capsys.readouterr().out)


@pytest.mark.parametrize("arguments, reason", [
    (["--headless"], "--out FILE"),
    (["--headless", "--out", "out.txt"], "must end in"),
    (["--headless", "--out", "."], "must end in"),
    (["--headless", "--out", "out.png", "--model", "nowhere"], "nowhere: no model bundle"),
])
def test_a_wrong_argument_gets_one_line_and_nothing_written(picture, model, tmp_path, monkeypatch, arguments, reason):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Failure, match=reason):
        main([str(picture), "--model", str(model), *arguments])
    assert list(tmp_path.iterdir()) == [picture]


def test_what_help_says_is_what_the_modules_say():
    args = main_module._arguments([])
    assert (args.unsure_below, args.reconnect) == (UNSURE, RECONNECT)


def test_the_source_is_never_overwritten(picture, model):
    before = picture.read_bytes()
    with pytest.raises(Failure, match="is the source itself"):
        main([str(picture), "--headless", "--out", str(picture), "--model", str(model)])
    assert picture.read_bytes() == before


def test_a_failure_on_the_way_leaves_the_previous_video(clip, model, tmp_path, monkeypatch):
    out = tmp_path / "out.mp4"
    out.write_bytes(b"the previous one")

    add = VideoOutput.add

    def break_down(self, frame):
        add(self, frame)
        if frame.seconds > 0.4:
            raise RuntimeError("broken")

    monkeypatch.setattr(VideoOutput, "add", break_down)
    with pytest.raises(RuntimeError, match="broken"):
        main([str(clip), "--headless", "--out", str(out), "--model", str(model)])
    assert out.read_bytes() == b"the previous one"
    assert {file.name for file in tmp_path.iterdir()} == {"out.mp4", clip.name}


def test_only_a_camera_is_mirrored(monkeypatch, tmp_path, model, picture):
    def left_half(*arguments):
        main([*arguments, "--headless", "--out", str(tmp_path / "out.png"), "--model", str(model), "--frames", "1"])
        return cv2.imread(str(tmp_path / "out.png"))[470, :40].mean()

    def lit(frame):
        frame[:, :100] = 255
        return frame

    monkeypatch.setattr(FakeCamera, "read", lambda self: (True, lit(face_frame())))
    cv2.imwrite(str(picture), lit(face_frame()))
    assert left_half(str(picture)) == 255
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    assert left_half("0") < 200
    assert left_half("0", "--no-mirror") == 255


def test_the_demo_starts_fast_and_loads_nothing_heavy(picture, model, tmp_path):
    script = (
        "import sys, time; start = time.process_time()\n"
        "from pipeline.demo.main import main; main(sys.argv[1:])\n"
        "print(time.process_time() - start)\n"
        "heavy = {'tensorflow', 'keras', 'mlflow', 'pandas', 'sklearn', 'matplotlib', 'scipy', 'optuna'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    out, err = python("-c", script, picture, "--headless", "--out", tmp_path / "o.png", "--model", model).communicate()
    *_, seconds, heavy = out.splitlines()
    assert heavy == "[]", err
    assert float(seconds) < 2


@pytest.mark.parametrize("module, word", [("demo.main", "SOURCE"), ("demo.predict.main", "PATH"),
                                          ("reporting.bench.demo", "frames")])
def test_help_loads_not_even_opencv(module, word):
    script = (
        f"import sys; from pipeline.{module} import main\n"
        "try: main(['--help'])\n"
        "finally: assert not {'cv2', 'numpy'} & set(sys.modules)\n"
    )
    process = python("-c", script)
    out, err = process.communicate()
    assert process.returncode == 0 and word in out, err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_leaves_a_playable_video(clip, model, tmp_path):
    out = tmp_path / "out.mp4"
    script = (
        "import sys, os, signal; from pipeline.demo import main, output\n"
        "add, count = output.VideoOutput.add, []\n"
        "def interrupted(self, frame):\n"
        "    add(self, frame); count.append(1)\n"
        "    if len(count) == 5: os.kill(os.getpid(), signal.SIGINT)\n"
        "output.VideoOutput.add = interrupted\n"
        "main.main(sys.argv[1:])\n"
    )
    process = python("-c", script, clip, "--headless", "--out", out, "--model", model)
    printed, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "written" in printed, err
    assert len(frames_of(out)) == 5
    assert {file.name for file in tmp_path.iterdir()} == {"out.mp4", clip.name}
