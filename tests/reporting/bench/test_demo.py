"""The benchmark: it measures what it says, on few frames."""

from pathlib import Path

import pytest
from toy_faces import toy_bundle, write_clip

from pipeline.bundle.bundle import Bundle
from pipeline.demo.see.detector import BlazeFace
from pipeline.demo.see.watcher import Watcher
from pipeline.reporting.bench import demo


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return toy_bundle(tmp_path_factory.mktemp("model"))


def test_the_slower_half_of_the_steps_is_the_whole(model, tmp_path):
    clip, bundle = write_clip(tmp_path / "clip.mp4", frames=demo.WARM + 10, empty=0), Bundle.load(model)
    shown = []
    figures = demo.bench(clip, Watcher(BlazeFace(), bundle), bundle.classes, lambda *frame: shown.append(frame))
    total = figures.pop("total")
    assert list(figures) == [*demo.STEPS, "out"] and all(value > 0 for value in figures.values())
    ahead, rest = (sum(figures[step] for step in steps) for steps in (demo.STEPS[:2], (*demo.STEPS[2:], "out")))
    assert max(ahead, rest) <= 1.2 * total and ahead + rest >= 0.8 * total, "the first two steps work beside the others"
    assert len(shown) == demo.WARM + 10 and all(len(faces) == 1 for _, faces, _ in shown)


def test_the_clip_goes_there_and_back():
    assert list(demo.there_and_back(3, 8)) == [0, 1, 2, 1, 0, 1, 2, 1]


@pytest.mark.slow
def test_the_command_prints_a_line_for_every_target_and_keeps_long_measurements(model, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(demo, "DRAWN_SECONDS", 0.1)
    monkeypatch.setattr(demo, "WARM", 2)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(demo.__file__).parents[2]))
    (tmp_path / "reports").mkdir()
    demo.main(["--frames", "5", "--model", str(model)])
    *lines, last = capsys.readouterr().out.splitlines()
    assert last.startswith("from the start of the process to the first picture written:")
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in lines]
    assert rows[0] == ["faces", "to"] and rows[2:] == [[people, to] for people in "14"
                                                       for to in ("nothing", ".webm", ".mp4")]
    assert not demo.PAGE.exists(), "five frames say too little"
    monkeypatch.setattr(demo, "FRAMES", 5)
    demo.main(["--frames", "5", "--model", str(model)])
    assert "\n".join(capsys.readouterr().out.splitlines()[:2]) in demo.PAGE.read_text(encoding="utf-8")
