"""The search: its budget is exact, it survives kill -9, and it takes nothing that is only noise better."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from pipeline import params, tune
from pipeline.faces import EMOTIONS, SPLITS, Faces
from pipeline.failure import Failure

ROOT = Path(__file__).parent.parent


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project folder whose balanced faces are noise and whose recipe is tiny."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yaml = YAML()
    tree = yaml.load(ROOT / "params.yaml")
    tree["dataset"] = "sample"
    tree["model"].update(width=4, stem=4, stages=2)
    tree["train"].update(batch_size=32, epochs=2, precision="float32")
    tree["tune"].update(trials=2, epochs=1, standard_errors=9.0)
    tree["tune"]["space"] = {"train.learning_rate": {"low": 0.001, "high": 0.1, "log": True}}
    yaml.dump(tree, tmp_path / "params.yaml")
    rng = np.random.default_rng(0)
    labels = np.arange(84) % 7
    faces = Faces(rng.integers(0, 256, (84, 48, 48), dtype="uint8"), np.array([f"f{i}" for i in range(84)]),
                  np.repeat(SPLITS, 28), labels.astype("int64"),
                  {"dataset": "sample", "edition": "toy", "protocol": "published", "class_set": "7",
                   "classes": list(EMOTIONS), "class_weights": None})
    faces.save(tmp_path / "data/sample/balanced")
    return tmp_path


def study(project):
    import optuna

    storage = tune.open_storage(project / "data/sample/study.db")
    return optuna.load_study(study_name=None, storage=storage)


def finished(project):
    return [trial for trial in study(project).trials if trial.state.name in tune.FINISHED]


def command(project, **options):
    return subprocess.Popen([sys.executable, "-m", "pipeline.tune"], cwd=project, stdout=subprocess.PIPE, text=True,
                            stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, **options)


@pytest.mark.slow
def test_a_killed_search_goes_on_and_ends_with_exactly_its_budget(project):
    first = command(project)
    while not (line := first.stdout.readline()).startswith("tune: trial 0"):
        assert line, first.stderr.read()
    first.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    first.wait()
    second = command(project)
    _, err = second.communicate()
    assert second.returncode == 0, err
    done = finished(project)
    assert len(done) == 2
    own = params.load().train.learning_rate
    assert done[0].params == {"train.learning_rate": own}, "trial 0 holds the recipe's own values"
    found = YAML(typ="safe").load(project / "reports/sample/best_params.yaml")
    assert found["take"] == {}, "a gain within the noise is not taken"

    begun = time.monotonic()
    third = command(project)
    third.communicate()
    assert third.returncode == 0 and len(finished(project)) == 2, "a finished search runs no trial more"
    assert time.monotonic() - begun < 60


def test_a_published_recipe_is_not_searched(project, capsys):
    text = (project / "params.yaml").read_text().replace("recipe: compact", "recipe: cas")
    (project / "params.yaml").write_text(text)
    tune.main()
    assert "recipe's own values" in capsys.readouterr().out
    assert YAML(typ="safe").load(project / "reports/sample/best_params.yaml")["take"] == {}
    assert (project / "data/sample/study.db").exists(), "DVC expects the file"


def test_the_study_is_named_by_all_that_it_depends_on(project):
    own = params.load()
    manifest = {"classes": list(EMOTIONS), "digest": "a"}
    name = tune.study_name(own, manifest)
    assert name == tune.study_name(own, manifest)
    assert name != tune.study_name(own, {**manifest, "digest": "b"})
    assert name != tune.study_name(own.override({"train.epochs": 9}), manifest)
    assert name != tune.study_name(own.override({"tune.epochs": 9}), manifest)
    assert name == tune.study_name(own.override({"tune.trials": 9}), manifest), "a larger budget goes on with the study"


def test_a_space_with_an_unknown_parameter_is_one_line(project):
    own = params.load()
    space = {"train.speed": params.Range(choices=[1])}
    bad = own.model_copy(update={"tune": own.tune.model_copy(update={"space": space})})
    with pytest.raises(Failure, match=r"train\.speed"):
        tune.own_values(bad)


@pytest.mark.slow
def test_a_network_that_is_too_large_is_never_trained(project, capsys):
    own = params.load().override({"tune.max_parameters": 10, "tune.trials": 1})
    with pytest.raises(Failure, match=r"tune\.max_parameters"):
        tune.tune(own, Faces.load(project / "data/sample/balanced"), project / "data/sample/study.db")


def test_the_recipe_s_own_value_always_lies_in_the_space():
    assert tune.widened(params.Range(choices=[32, 48]), 64).choices == [32, 48, 64]
    assert tune.widened(params.Range(choices=[32, 48]), 48).choices == [32, 48]
    wide = tune.widened(params.Range(low=0.1, high=0.2), 0.5)
    assert (wide.low, wide.high) == (0.1, 0.5)


class Told:
    """An Optuna study with these finished values."""

    study_name = "told"

    def __init__(self, *values):
        from types import SimpleNamespace

        complete = SimpleNamespace(name="COMPLETE")
        self.trials = [
            SimpleNamespace(number=number, value=value, state=complete, params={"train.learning_rate": number},
                            user_attrs={})
            for number, value in enumerate(values)
        ]


def test_a_trial_is_taken_only_when_it_beats_the_recipe_by_more_than_noise():
    assert tune.verdict(Told(0.50, 0.51, 0.49), 1.3, 3589)["take"] == {}
    assert tune.verdict(Told(0.50, 0.51, 0.52), 1.3, 3589)["take"] == {"train.learning_rate": 2}
    assert tune.verdict(Told(0.50, 0.51, 0.52), 1.3, 150)["take"] == {}, "few images, much noise"
