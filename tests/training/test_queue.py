"""A queue of trainings for a machine that is lent: in order, for so many seconds, and again from where it was."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import toy_models

from pipeline.faces.faces import EMOTIONS
from pipeline.params.params import Train
from pipeline.system.failure import Failure
from pipeline.training import queue

ROOT = Path(__file__).parents[2]
# Stands for a training of so many epochs as its config says: an epoch is a letter in OUT/epochs
STAND_IN = """
import sys, time, pathlib
config, out = map(pathlib.Path, sys.argv[1:])
out.mkdir(exist_ok=True)
epochs = out / "epochs"
epochs.touch()
while len(epochs.read_text()) < int(config.read_text()):
    time.sleep(0.05)
    epochs.write_text(epochs.read_text() + "e")
if config.parent.name == "b-fails":
    sys.exit("it cannot be")
(out / "run.json").write_text("{}")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three trainings of two epochs, whose second fails."""
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    monkeypatch.setattr(queue, "_command", lambda training: [
        sys.executable, str(script), str(training / "config.json"), str(training / "out")])
    for name in ("a", "b-fails", "c"):
        (tmp_path / "queue" / name).mkdir(parents=True)
        (tmp_path / "queue" / name / "config.json").write_text("2")
    return tmp_path / "queue"


def test_all_are_trained_in_order_and_one_that_fails_is_named_at_the_end(folder, capsys):
    with pytest.raises(Failure, match=r"these failed.*: b-fails$"):
        queue.main([str(folder)])
    assert [line for line in capsys.readouterr().out.splitlines() if line] == [
        "a: begins", "b-fails: begins", "c: begins", "2 of 3 are complete; left: b-fails"]
    (folder / "b-fails").rename(folder / "b")
    queue.main([str(folder)])
    assert capsys.readouterr().out.splitlines() == ["b: begins", "3 of 3 are complete"], "what is complete stays"


def test_when_the_seconds_are_over_it_stops_and_the_next_call_goes_on_from_there(folder, capsys):
    (folder / "a/config.json").write_text("10000")
    queue.main([str(folder), "--seconds", "1.5"])
    assert capsys.readouterr().out.splitlines() == ["a: begins", "0 of 3 are complete; left: a, b-fails, c"]
    before = len((folder / "a/out/epochs").read_text())
    assert before > 0
    (folder / "a/config.json").write_text(str(before + 2))
    (folder / "b-fails").rename(folder / "b")
    queue.main([str(folder)])
    assert len((folder / "a/out/epochs").read_text()) == before + 2
    assert capsys.readouterr().out.splitlines()[-1] == "3 of 3 are complete"


def test_a_folder_without_trainings_is_one_line(tmp_path):
    with pytest.raises(Failure, match=r"no folder in it has a config\.json; make one with `ferpipe resolve`"):
        queue.main([str(tmp_path)])


@pytest.mark.slow
def test_real_trainings_leave_what_import_run_takes_and_share_the_faces_beside_them(tmp_path):
    from pipeline.experiments import import_run

    faces = toy_models.faces("sample", per_class=5)
    faces.manifest.update(protocol="published", class_set="7")
    faces.save(tmp_path / "faces")
    config = {
        "recipe": "toy", "seed": 3, "classes": list(EMOTIONS), "class_weights": None, "augment": {},
        "model": {"name": "compact", "stem": 4, "width": 4, "stages": 1, "dropout": 0.0},
        "train": Train(epochs=1, batch_size=32, optimizer="adamw", learning_rate=0.01, schedule="constant",
                       keep="last").model_dump(mode="json"),
    }
    for seed in (1, 2):
        (tmp_path / f"seed{seed}").mkdir()
        (tmp_path / f"seed{seed}/config.json").write_text(json.dumps({**config, "seed": seed}))
    subprocess.run([sys.executable, "-m", "pipeline.training.queue", str(tmp_path)], check=True, cwd=ROOT)
    assert [import_run.read(tmp_path / f"seed{seed}/out").trained.seed for seed in (1, 2)] == [1, 2]
