"""The benchmark: it measures what it says, on few frames."""

import pytest
from toy_faces import toy_bundle, write_clip

from pipeline.bundle import Bundle
from pipeline.demo import bench
from pipeline.demo.detector import HaarDetector
from pipeline.demo.watcher import Watcher


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return toy_bundle(tmp_path_factory.mktemp("model"))


def test_the_steps_add_up_to_the_whole(model, tmp_path):
    clip, bundle = write_clip(tmp_path / "clip.mp4", frames=bench.WARM + 10, empty=0), Bundle.load(model)
    shown = []
    figures = bench.bench(clip, Watcher(HaarDetector(), bundle), bundle.classes, lambda *frame: shown.append(frame))
    total = figures.pop("total")
    assert list(figures) == [*bench.STEPS, "out"] and all(value > 0 for value in figures.values())
    assert sum(figures.values()) == pytest.approx(total, rel=0.2)
    assert len(shown) == bench.WARM + 10 and all(len(faces) == 1 for _, faces, _ in shown)


def test_the_clip_goes_there_and_back():
    assert list(bench.there_and_back(3, 8)) == [0, 1, 2, 1, 0, 1, 2, 1]


@pytest.mark.slow
def test_the_command_prints_a_line_for_every_target(model, capsys, monkeypatch):
    monkeypatch.setattr(bench, "DRAWN_SECONDS", 0.1)
    monkeypatch.setattr(bench, "WARM", 2)
    monkeypatch.delenv("DISPLAY", raising=False)
    bench.main(["--frames", "5", "--model", str(model)])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert " ".join(lines[-1]).startswith("from the start of the process to the first picture:")
    assert lines[0] == ["faces", "to", "frames/s", *bench.STEPS, "out"]
    targets = ("nothing", ".webm", ".mp4")
    assert [line[:2] for line in lines[1:-1]] == [[people, to] for people in "14" for to in targets]
