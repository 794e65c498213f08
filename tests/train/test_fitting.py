"""Stage train: hours of training are never lost to what comes after them."""

import dataclasses
from types import SimpleNamespace

import pytest
import toy_models

from pipeline.bundle import int8
from pipeline.bundle.bundle import Bundle
from pipeline.params import params as parameters
from pipeline.train.fitting import train
from pipeline.training.importing import quiet


@pytest.fixture
def trainings(project, monkeypatch):
    """A project whose training is a file in the checkpoint's folder; returns how many there were."""
    toy_models.small_run(project)
    with quiet():
        from pipeline.bundle import writing
        from pipeline.training import loop, output

    done = []

    def fit_faces(config, faces, checkpoint, on_epoch):
        if not (checkpoint / "epoch-00002").exists():
            done.append(checkpoint)
            (checkpoint / "epoch-00002").write_text("hours of work")
        return SimpleNamespace(net=None, history=toy_models.HISTORY, seconds=1.0)

    def write(folder, *arguments, **fields):
        toy_models.shutil.rmtree(folder, ignore_errors=True)
        return toy_models.bundle(folder)

    monkeypatch.setattr(loop, "fit_faces", fit_faces)
    monkeypatch.setattr(output, "provenance", lambda *arguments: {})
    monkeypatch.setattr(writing, "write", write)
    return done


def balanced():
    faces = toy_models.faces("sample", per_class=2)
    return dataclasses.replace(faces, manifest={
        **faces.manifest, "recipe": "compact", "class_set": "7", "protocol": "published", "strategy": "none",
        "classes": list(faces.classes)})


def test_the_checkpoint_stays_until_the_curves_are_written(project, trainings):
    params, faces = parameters.load(), balanced()
    (project / "reports").mkdir()
    (project / "reports/sample").write_text("in the way")
    with pytest.raises(OSError, match="reports/sample"):
        train(params, faces, {})
    assert (trainings[0] / "epoch-00002").exists()
    (project / "reports/sample").unlink()
    train(params, faces, {})
    assert len(trainings) == 1, "nothing is trained twice"
    assert (project / "reports/sample/history.csv").read_bytes() == (
        project / "data/sample/bundle/history.csv").read_bytes()
    assert not trainings[0].exists()


def test_a_network_that_int8_would_cost_too_much_stays_in_float32(project, trainings, monkeypatch, capsys):
    def refuse(*_):
        raise int8.Refused("compact seed 1: int8 costs 2.00 points")

    monkeypatch.setattr(int8, "quantise", refuse)
    train(parameters.load().override({"quantise.int8": True}), balanced(), {})
    assert Bundle.load(project / "data/sample/bundle").provenance.quantised is None
    assert capsys.readouterr().err == "train: compact seed 1: int8 costs 2.00 points; the bundle stays in float32\n"
