"""The speedrun's log: one line an idea, seeds together, PrivateTest closed."""

import contextlib
import json
import shutil
from pathlib import Path

import pytest
import toy_models

from pipeline.experiments import elsewhere, log, speedrun
from pipeline.system.failure import Failure
from pipeline.tracking import ledger

ROOT = Path(__file__).parents[2]


@pytest.fixture
def with_params(project):
    shutil.copy(toy_models.PARAMS, project)
    return project


def line(idea="muon", seed=1, single="0.6000", **changes):
    return {"idea": idea, "values": "train.optimizer=muon", "seed": str(seed), "epochs": "12", "parameters": "690000",
            "minutes": "8.00", "single": single, "flip": "0.6100", **changes}


def test_seeds_of_one_idea_stand_in_one_line_with_their_spread():
    page = speedrun.page([line(), line(seed=2, single="0.6200"), line(idea="base", values="")], [])
    assert "| muon | `train.optimizer=muon` | 61.00 | 61.00 | 1.41 | 2 | 12 | 0.69 M | 8.0 |" in page
    assert "| base |  | 60.00 | 61.00 |  | 1 |" in page


def test_the_committed_page_is_what_the_log_and_the_ledger_say(monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(ROOT))
    page = (ROOT / "reports/speedrun.md").read_text(encoding="utf-8")
    assert page == speedrun.page(log.log(), ledger.entries()), "run `ferpipe speedrun --page`"


def test_the_log_grows(project):
    assert log.log() == []
    log.log(line())
    assert log.log(line(seed=2)) == log.log() == [line(), line(seed=2)]


def test_other_values_need_an_idea(project):
    with pytest.raises(Failure, match="--try"):
        speedrun.main(["train.epochs=1"])


def test_without_the_faces_it_says_how_to_get_them(with_params):
    with pytest.raises(Failure, match="make run FER2013=PATH"):
        speedrun.main(["--seeds", "1"])


@pytest.mark.slow
def test_an_idea_is_tried_on_public_test_alone(with_params):
    project = with_params
    faces = toy_models.faces("fer2013", per_class=5)
    faces.manifest.update(protocol="published", class_set="7")
    faces.images[faces.splits == "PrivateTest"] = 0
    faces.save(project / "data/fer2013/faces")
    small = ["train.epochs=1", "train.votes=0", "model.stem=4", "model.width=4", "model.stages=1"]
    speedrun.main(["--try", "tiny", *small, "--seeds", "1"])
    speedrun.main(["--seeds", "1", "2", "--try", "tiny", *small])
    first, second = log.log()  # seed 1 once
    assert "model.width=4" in first["values"].split() and "train.optimizer=muon" in first["values"].split()
    assert "train.epochs" not in first["values"], "they have a column"
    assert (first["seed"], second["seed"], first["epochs"]) == ("1", "2", "1")
    assert "| tiny |" in (project / "reports/speedrun.md").read_text()
    assert not list(project.glob("reports/results/*")), "a try is no ledger entry"


@pytest.mark.slow
def test_another_data_set_has_a_log_and_a_page_of_its_own(with_params):
    project = with_params
    toy_models.faces("sample", per_class=5).save(project / "data/sample/faces")
    small = ["train.epochs=1", "model.stem=4", "model.width=4", "model.stages=1"]
    speedrun.main(["--dataset", "sample", "--try", "tiny", *small, "--seeds", "1"])
    (row,) = log.log(file=speedrun.log_of("sample"))
    assert (row["idea"], row["seed"]) == ("tiny", "1")
    page = (project / "reports/sample/speedrun.md").read_text()
    assert "| tiny |" in page and "PublicTest\nof sample. " in page and "3,589" not in page
    assert not (project / "reports/speedrun.csv").exists() and not (project / "reports/speedrun.md").exists()


class Nodes:
    """Stands in for a cluster on which the training of seed 2 fails; the others leave a network that knows nothing."""

    def __init__(self, folder):
        self.folder, self.jobs, self.names = folder, [], []

    def submit(self, tag, name, config, faces):
        self.jobs.append((tag, name, config, faces.manifest))
        self.names.append(name)

    def results(self):
        import keras

        while self.jobs:
            tag, name, config, manifest = self.jobs.pop(0)
            if tag.seed == 2:
                yield elsewhere.Trained(tag, None, "no room")
                continue
            out = self.folder / name
            out.mkdir(parents=True)
            net = keras.Sequential([keras.Input((48, 48, 1)), keras.layers.GlobalAveragePooling2D(),
                                    keras.layers.Dense(7, kernel_initializer="zeros")])
            net.save(out / "net.keras")
            (out / "history.json").write_text(json.dumps([{"epoch": 1, "val_accuracy": 0.5}]))
            (out / "run.json").write_text(json.dumps({
                "dataset": "sample", "edition": "drawn", "protocol": "published", "class_set": "7",
                "data_digest": manifest["digest"], "source_digest": "d", "config": config, "recipe": "speedrun",
                "seed": tag.seed,
                "epochs_run": 1, "epochs_asked": 1, "best_epoch": 1, "seconds": 120.0, "hardware": "a node",
                "finished": "2026-01-01T00:00:00+00:00", "backend": "none", "precision": "float32"}))
            yield elsewhere.Trained(tag, out)


@pytest.mark.slow
def test_on_a_cluster_every_seed_that_the_log_lacks_is_a_task_and_what_fails_is_named(with_params, monkeypatch):
    toy_models.faces("sample", per_class=5).save(with_params / "data/sample/faces")
    nodes = Nodes(with_params / "nodes")
    monkeypatch.setattr(elsewhere, "connected", lambda at, say: contextlib.nullcontext(nodes))
    arguments = ["--dataset", "sample", "train.epochs=1", "--try", "tiny", "--on", "ray", "--seeds", "1"]
    speedrun.main(arguments)
    with pytest.raises(Failure, match=r"^tiny: seed 2: no room$"):
        speedrun.main([*arguments, "2", "3"])
    assert nodes.names == ["tiny, seed 1", "tiny, seed 2", "tiny, seed 3"]
    rows = log.log(file=speedrun.log_of("sample"))
    assert [(row["seed"], row["epochs"], row["minutes"], row["single"]) for row in rows] == [
        ("1", "1", "2.00", "0.1429"), ("3", "1", "2.00", "0.1429")]
