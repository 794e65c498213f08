"""Several seeds of a recipe come into the ledger, each once, by the door for runs from elsewhere."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import toy_models

from pipeline.balance import strategies
from pipeline.experiments import seeds
from pipeline.faces.faces import VOTE_COLUMNS
from pipeline.params import overrides
from pipeline.reporting.tables import results_table
from pipeline.system.failure import Failure
from pipeline.tracking import ledger

SMALL = ["train.epochs=1", "train.votes=0", "model.stem=4", "model.width=4", "model.stages=1"]


@pytest.mark.slow
def test_every_seed_enters_once_and_the_twin_is_a_row_of_its_own(project):
    shutil.copyfile(toy_models.PARAMS, project / "params.yaml")
    faces = toy_models.faces("fer2013", per_class=5)
    # all but one Training image of every class differ from those of the test splits
    faces.images[[row for row in range(35) if row % 5], 0, 0] = 255
    faces.manifest["digest"] = faces.digest()
    faces.save(project / "data/fer2013/faces")
    assert strategies.leaking(faces).sum() == 7
    for _ in range(2):
        seeds.main(["speedrun", *SMALL, "--seeds", "1", "2"])
    seeds.main(["speedrun", *SMALL, "--seeds", "1", "--leak-free"])
    found = [(entry.protocol, entry.seed) for entry in ledger.entries()]
    assert sorted(found) == [("leak-free", 1), ("published", 1), ("published", 2)]
    assert not list((project / ".checkpoints").glob("speedrun-*")), "what was brought home is not kept twice"


@pytest.mark.slow
def test_a_training_is_not_lost_when_coming_home_fails(project, monkeypatch):
    shutil.copyfile(toy_models.PARAMS, project / "params.yaml")
    toy_models.faces("fer2013", per_class=5).save(project / "data/fer2013/faces")
    from pipeline.experiments import import_run
    from pipeline.training import loop

    def no_server(*_):
        raise Failure("the tracking server does not answer")

    with monkeypatch.context() as broken, pytest.raises(Failure, match="does not answer"):
        broken.setattr(import_run, "import_run", no_server)
        seeds.main(["speedrun", *SMALL, "--seeds", "1"])
    monkeypatch.setattr(loop, "fit_faces", lambda *_, **__: pytest.fail("trained again"))
    seeds.main(["speedrun", *SMALL, "--seeds", "1"])
    assert len(ledger.entries()) == 1 and not list((project / ".checkpoints").glob("*"))


@pytest.mark.slow
def test_int8_is_made_of_the_float_network_that_is_there_and_other_values_are_named(project):
    shutil.copyfile(toy_models.PARAMS, project / "params.yaml")
    faces = toy_models.faces("fer2013", per_class=5)
    faces.images[faces.splits == "Training", 0, 0] = 255  # what stands in a test calibrates nothing
    faces.save(project / "data/fer2013/faces")
    seeds.main(["speedrun", *SMALL, "--seeds", "1"])
    for _ in range(2):
        seeds.main(["speedrun", *SMALL, "quantise.int8=true", "quantise.max_loss=1.0", "--seeds", "1"])
    plain, small = sorted(ledger.entries(), key=lambda entry: entry.quantised is not None)
    assert small.quantised.bundle == plain.bundle and small.history == plain.history
    table = results_table.table(ledger.entries())
    assert "| `speedrun`, model.stages 1, model.stem 4, model.width 4, train.votes 0 | 7 |" in table
    assert "train.votes 0 in int8 | 7 |" in table and "train.epochs" not in table


@pytest.mark.slow
def test_the_eight_classes_are_measured_on_the_faces_that_people_agree_on(project):
    shutil.copyfile(toy_models.PARAMS, project / "params.yaml")
    faces = toy_models.faces("fer2013", per_class=5)
    places = np.asarray(VOTE_COLUMNS)[np.arange(len(faces)) % 8]
    votes = np.eye(10, dtype="uint8")[places] * 9
    votes[::5] = 1  # nobody agrees
    replace(faces, votes=votes, manifest={**faces.manifest, "votes": {"sha256": "toy"}}).save(
        project / "data/fer2013/faces")
    seeds.main(["speedrun", *SMALL, "classes=8", "--seeds", "1"])
    entry, = ledger.entries()
    agreed = (votes.max(axis=1) > 1) & (faces.splits == "PrivateTest")
    assert entry.figures["PrivateTest"]["single"]["n"] == agreed.sum() == 28
    assert entry.classes[-1] == "contempt" and np.shape(entry.figures["test"]["flip"]["confusion"]) == (8, 8)
    assert "| 8 | published |" in results_table.table([entry])


@pytest.mark.parametrize("wrong", ["epochs", "model.blocks=[2,2"])
def test_a_value_that_is_none_is_one_line(wrong):
    with pytest.raises(Failure, match=r"expected path=value|is not YAML"):
        overrides.values_of([wrong])


def test_values_stand_where_they_like_and_params_yaml_s_are_not_for_it(project, monkeypatch):
    text = toy_models.PARAMS.read_text(encoding="utf-8")
    (project / "params.yaml").write_text(text.replace("epochs: null", "epochs: 99", 1), encoding="utf-8")
    toy_models.faces("fer2013", per_class=5).save(project / "data/fer2013/faces")
    asked = []
    monkeypatch.setattr(seeds, "enter_all", lambda mine, *_: asked.extend(mine) or ())
    monkeypatch.setattr("pipeline.balance.strategies.prepared", lambda params, faces: faces)
    seeds.main(["cas", "--leak-free", "classes=6", "--seeds", "1", "2", "--", "train.batch_size=8"])
    assert [(one.seed, one.classes, one.train.batch_size, one.train.epochs) for one in asked] == [
        (1, "6", 8, 50), (2, "6", 8, 50)]
    assert asked[0].balance.drop_leaks == "exact", "as it has been called"
    seeds.main(["cas", "--without-copies", "near", "--seeds", "1"])
    assert asked[-1].balance.drop_leaks == "near"


@pytest.mark.slow
def test_seeds_work_on_every_data_set_without_the_labels_that_it_lacks(project, capsys):
    shutil.copyfile(toy_models.PARAMS, project / "params.yaml")
    toy_models.faces("sample", per_class=5).save(project / "data/sample/faces")
    moods = toy_models.faces("my-moods", per_class=5)
    kept = moods.take(moods.labels < 3)
    replace(kept, manifest={**kept.manifest, "classes": ["calm", "glad", "sad"], "class_set": "3",
                            "own_classes": True}).save(project / "data/my-moods/faces")
    small = [value for value in SMALL if "votes" not in value]
    for dataset in ("sample", "my-moods"):
        seeds.main(["speedrun", *small, "--dataset", dataset, "--seeds", "1"])
        entry, = ledger.entries(dataset)
        assert (entry.dataset, entry.seed, entry.config["train"]["votes"]) == (dataset, 1, 0.0)
    assert entry.classes == ("calm", "glad", "sad") and not ledger.entries()
    assert "my-moods: speedrun learns without the FER+ votes" in capsys.readouterr().err


def test_a_data_set_that_is_not_there_is_one_line(project):
    shutil.copyfile(toy_models.PARAMS, project / "params.yaml")
    with pytest.raises(Failure, match=r"data/my-moods/faces: missing; run `make run DATASET=my-moods` first"):
        seeds.main(["compact", "--dataset", "my-moods"])
