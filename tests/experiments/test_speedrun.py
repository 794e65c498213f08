"""The speedrun's log: one line an idea, seeds together, PrivateTest closed."""

import shutil

import pytest
import toy_models

from pipeline.experiments import log, speedrun
from pipeline.system.failure import Failure


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
