"""A run from another machine enters by the same door as one from here, and once."""

import json
import shutil

import pytest
import toy_models

from pipeline import import_run, promote, results, tracking
from pipeline.faces import EMOTIONS
from pipeline.failure import Failure
from pipeline.params import Evaluate

SETTINGS = Evaluate(bootstrap=100, confidence=0.95)
CONFIG = {
    "recipe": "toy", "seed": 3, "classes": list(EMOTIONS), "class_weights": None,
    "model": {"name": "compact", "stem": 4, "width": 4, "stages": 1, "dropout": 0.0}, "augment": {},
    "train": {"epochs": 2, "batch_size": 32, "optimizer": "adamw", "learning_rate": 0.01, "schedule": "constant",
              "warmup": 0.0, "momentum": 0.9, "weight_decay": 0.01, "label_smoothing": 0.0, "keep": "last",
              "early_stopping": 0, "plateau_factor": 0.5, "plateau_patience": 2, "precision": "float32"},
}


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    return toy_models.migrated_database(tmp_path_factory)


@pytest.fixture
def project(tmp_path, database, monkeypatch):
    return toy_models.project(tmp_path / "with a blank", database, monkeypatch)


@pytest.fixture
def faces(project):
    """Toy faces in the sample's place."""
    made = toy_models.faces("sample", per_class=5)
    made.manifest.update(protocol="published", class_set="7")
    made.save(project / "data/sample/faces")
    return made.load(project / "data/sample/faces")


def test_a_folder_that_training_did_not_finish_is_one_line(tmp_path):
    with pytest.raises(Failure, match=r"not the output of .*pipeline\.training"):
        import_run.read(tmp_path)
    (tmp_path / "net.keras").write_bytes(b"")
    (tmp_path / "history.json").write_text("[]")
    (tmp_path / "run.json").write_text('{"recipe": "toy"}')
    with pytest.raises(Failure, match=r"run\.json lacks seed, dataset.*history\.json has 0 epochs"):
        import_run.read(tmp_path)


@pytest.mark.slow
def test_a_file_that_is_no_network_leaves_nothing_behind(project, faces, tmp_path):
    facts = {**dict.fromkeys(import_run.NEEDED, 1), "dataset": "sample", "class_set": "7", "config": {}}
    (tmp_path / "net.keras").write_bytes(b"no network")
    (tmp_path / "history.json").write_text(json.dumps(toy_models.HISTORY))
    (tmp_path / "run.json").write_text(json.dumps(facts))
    with pytest.raises(Failure, match=r"net\.keras: not a network"):
        import_run.import_run(import_run.read(tmp_path), faces, SETTINGS)
    assert not (project / "data/sample/imported").exists()
    assert not (project / "reports").exists()


@pytest.mark.slow
def test_a_run_comes_home_as_bundle_ledger_entry_and_mlflow_run_and_twice_is_once(project, faces, tmp_path):
    from pipeline import training

    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    training.main([str(tmp_path / "config.json"), str(project / "data/sample/faces"), str(tmp_path / "out")])
    away = import_run.read(tmp_path / "out")
    bundle, path = import_run.import_run(away, faces, SETTINGS)
    again, same_path = import_run.import_run(away, faces, SETTINGS)
    assert (again.id, same_path) == (bundle.id, path)
    assert bundle.folder.resolve() == (project / "data/sample/imported" / bundle.id).resolve()
    (line,) = results.entries("sample")
    assert line["bundle"] == bundle.id
    assert line["figures"]["PublicTest"]["single"]["n"] == 35
    assert [row["epoch"] for row in line["history"]] == [1, 2]
    client = tracking.connect()
    (run,) = client.search_runs([client.get_experiment_by_name("sample-7").experiment_id])
    assert run.info.run_id == bundle.run_id
    assert run.data.metrics["PrivateTest/flip/accuracy"] == line["figures"]["PrivateTest"]["flip"]["accuracy"]
    assert run.data.params["train.learning_rate"] == "0.01"
    assert [point.step for point in client.get_metric_history(bundle.run_id, "val_loss")] == [1, 2]
    shutil.rmtree(tmp_path / "out")
    assert promote.enter("sample-7", bundle) == "1", "it can challenge the champion"
