"""The search: its budget is exact, it survives kill -9, and it takes nothing that is only noise better."""

import contextlib
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import toy_models
from ruamel.yaml import YAML

import pipeline.training
from pipeline.faces.faces import EMOTIONS, SPLITS, Faces
from pipeline.params import params
from pipeline.params.space import Range
from pipeline.system.failure import Failure
from pipeline.tune import __main__, search
from pipeline.tune import storage as studies

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project folder whose balanced faces are noise and whose recipe is tiny."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yaml = YAML()
    tree = yaml.load(toy_models.PARAMS)
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
                   "classes": list(EMOTIONS), "class_weights": None, "strategy": "none"})
    faces.save(tmp_path / "data/sample/balanced")
    return tmp_path


def study(project):
    import optuna

    storage = studies.open_storage(project / "data/sample/study.db")
    return optuna.load_study(study_name=None, storage=storage)


def finished(project):
    return [trial for trial in study(project).trials if trial.state.name in studies.FINISHED]


def command(project, **options):
    """The stage in a process of its own, which takes a silent trial for dead after three seconds."""
    program = ("from pipeline.tune import __main__, storage\nstorage.HEARTBEAT, storage.GRACE = 1, 3\n"
               "__main__.failure.run(__main__.main, 'tune')")
    return subprocess.Popen([sys.executable, "-c", program], cwd=project, stdout=subprocess.PIPE, text=True,
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
    baseline = params.load().train.learning_rate
    assert done[0].params == {"train.learning_rate": baseline}, "trial 0 has the recipe's own values"
    found = YAML(typ="safe").load(project / "reports/sample/best_params.yaml")
    assert found["take"] == {}, "a gain within the noise is not taken"

    __main__.main()
    assert len(finished(project)) == 2, "a finished search runs no trial more"


def test_a_published_recipe_is_not_searched(project, capsys):
    text = (project / "params.yaml").read_text().replace("recipe: compact", "recipe: cas")
    (project / "params.yaml").write_text(text)
    __main__.main()
    assert "recipe's own values" in capsys.readouterr().out
    assert YAML(typ="safe").load(project / "reports/sample/best_params.yaml")["take"] == {}
    assert (project / "data/sample/study.db").exists(), "DVC expects the file"


def test_the_study_is_named_by_all_that_it_depends_on(project):
    settings = params.load()
    manifest = {"classes": list(EMOTIONS), "digest": "a", "class_set": "7", "protocol": "published", "strategy": "none"}
    name = search.study_name(settings, manifest)
    assert name == search.study_name(settings, manifest)
    assert name != search.study_name(settings, {**manifest, "digest": "b"})
    assert name != search.study_name(settings.override({"train.epochs": 9}), manifest)
    assert name != search.study_name(settings.override({"tune.epochs": 9}), manifest)
    assert name == search.study_name(settings.override({"tune.trials": 9}), manifest), "more trials go on with it"


def test_the_recipe_s_own_value_always_lies_in_the_space():
    assert search.widened("a", Range(choices=[32, 48]), 64).choices == [32, 48, 64]
    assert search.widened("a", Range(choices=[32, 48]), 48).choices == [32, 48]
    wide = search.widened("a", Range(low=0.1, high=0.2), 0.5)
    assert (wide.low, wide.high) == (0.1, 0.5)


@pytest.mark.parametrize(("space", "said"), [
    ({"train.speed": {"choices": [1]}}, "tune.space.train.speed: recipe compact has no such parameter"),
    ({"train": {"choices": [1]}}, "tune.space.train: recipe compact has no such parameter"),
    ({"train.epochs": {"choices": [1]}}, "tune.space.train.epochs: cannot be searched"),
    ({"balance.strategy": {"choices": ["none"]}}, "tune.space.balance.strategy: cannot be searched"),
    ({"train.optimizer": {"low": 1, "high": 2}}, "tune.space.train.optimizer: the recipe has 'adamw', which is no num"),
    ({"train.optimizer": {"choices": ["lion"]}}, "tune.space.train.optimizer: Input should be 'adam'"),
    ({"augment.flip": {"low": 0, "high": 1}}, "tune.space.augment.flip: the recipe has True, which is no number"),
    ({"augment.erasing": {"low": 0.1, "high": 1, "log": True}}, "tune.space.augment.erasing: log needs values above 0"),
    ({"train.label_smoothing": {"low": 0, "high": 2}}, "tune.space.train.label_smoothing: Input should be less than 1"),
    ({"train.batch_size": {"low": 32.5, "high": 64}}, "tune.space.train.batch_size: the recipe has the whole number"),
])
def test_a_dimension_that_cannot_be_searched_is_one_line_before_anything_runs(project, space, said):
    settings = params.load().override({"tune.space": space})
    with pytest.raises(Failure) as caught:
        search.tune(settings, None, project / "data/sample/study.db")
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert not (project / "data/sample/study.db").exists()


class Study:
    """An Optuna study with these finished values."""

    study_name = "told"

    def __init__(self, *values):
        complete = SimpleNamespace(name="COMPLETE")
        self.trials = [
            SimpleNamespace(number=number, value=value, state=complete, params={"train.learning_rate": number},
                            user_attrs={})
            for number, value in enumerate(values)
        ]


def test_a_trial_is_taken_only_when_it_beats_the_recipe_by_more_than_noise():
    baseline = {"train.learning_rate": 0}
    assert search.verdict(Study(0.50, 0.51, 0.49), baseline, 1.3, 3589)["take"] == {}
    assert search.verdict(Study(0.50, 0.51, 0.52), baseline, 1.3, 3589)["take"] == {"train.learning_rate": 2}
    assert search.verdict(Study(0.50, 0.51, 0.52), baseline, 1.3, 150)["take"] == {}, "few images, much noise"
    assert search.verdict(Study(0.52, 0.51, 0.50), {"train.learning_rate": 2}, 1.3, 3589)["take"] == {
        "train.learning_rate": 0}, "the recipe's own values need not be the first trial's"


class Toy:
    """The search with trials that train nothing: ``fit`` and ``size`` stand for training and the network's size."""

    def __init__(self, project, monkeypatch):
        self.project, self.file = project, project / "data/sample/study.db"
        self.params, self.faces = params.load(), Faces.load(project / "data/sample/balanced")
        self.baseline = {"train.learning_rate": self.params.train.learning_rate}
        self.fit = lambda config, on_epoch: 0.5
        self.size = lambda config: 10
        run = SimpleNamespace(id="r", params=id, figures=id, dataset=id, tags=id, epoch=lambda row, step: None)
        monkeypatch.setattr(search.runs, "start", lambda *_, **__: contextlib.nullcontext(run))
        monkeypatch.setattr(pipeline.training, "loop", SimpleNamespace(
            Diverged=ArithmeticError,
            build_net=lambda config: SimpleNamespace(count_params=lambda: self.size(config)),
            fit_faces=lambda config, _, on_epoch: SimpleNamespace(
                history=[{"val_accuracy": self.fit(config, on_epoch)}]),
        ), raising=False)

    def search(self, **override):
        self.params = self.params.override({f"tune.{name}": value for name, value in override.items()})
        return search.tune(self.params, self.faces, self.file)

    def study(self):
        import optuna

        return optuna.load_study(study_name=search.study_name(self.params, self.faces.manifest),
                                 storage=studies.open_storage(self.file))

    def fresh(self, others=0):
        """A new study, with so many good finished trials of other values."""
        import optuna

        study = optuna.create_study(study_name=search.study_name(self.params, self.faces.manifest),
                                    storage=studies.open_storage(self.file), direction="maximize")
        span = optuna.distributions.FloatDistribution(0.001, 0.1, log=True)
        for rate in range(others):
            study.add_trial(optuna.create_trial(
                params={"train.learning_rate": 0.01 + rate / 100}, distributions={"train.learning_rate": span},
                value=0.4, intermediate_values={1: 0.4, 2: 0.4}))
        return study

    def age(self, trial=None):
        """Every sign of life was an hour ago, that of ``trial`` too."""
        if trial:
            trial.storage.record_heartbeat(trial._trial_id)
        with contextlib.closing(sqlite3.connect(self.file)) as base:
            base.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour')")
            base.commit()

    def baselines(self):
        """The states of the trials that hold the recipe's own values, in the queue or run."""
        return [trial.state.name for trial in self.study().trials
                if trial.system_attrs.get("fixed_params", trial.params) == self.baseline]


@pytest.fixture
def toy(project, monkeypatch):
    return Toy(project, monkeypatch)


@pytest.fixture
def impatient(monkeypatch):
    """Whoever finds the study's file locked gives up at once."""
    monkeypatch.setattr(studies, "WAIT", 0.1)


@pytest.fixture
def said(monkeypatch):
    """What Optuna's log and dying threads would print."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    monkeypatch.setattr(threading, "excepthook", lambda arguments: lines.append(repr(arguments)))
    log = logging.getLogger("optuna")
    log.addHandler(handler)
    yield lines
    log.removeHandler(handler)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Failure("the disk burns")])
def test_after_an_error_in_the_first_trial_the_recipe_s_own_values_run_again(toy, said, error):
    """And nothing but the error's own line is printed."""
    calm = toy.fit

    def fit(config, on_epoch):
        raise error

    toy.fit = fit
    for _ in range(2):
        with pytest.raises(type(error)):
            toy.search()
    assert toy.baselines() == ["FAIL", "FAIL"] and said == []
    toy.fit = calm
    assert toy.search()["trials"] == 2
    assert toy.baselines() == ["FAIL", "FAIL", "COMPLETE"]
    assert [trial.state.name for trial in toy.study().trials].count("COMPLETE") == 2, "the budget stays exact"


def test_a_budget_that_others_used_up_still_runs_the_recipe_s_own_values(toy):
    toy.fresh(others=2)
    assert toy.search()["own_accuracy"] == 0.5
    assert toy.baselines() == ["COMPLETE"]


def test_the_recipe_s_own_values_are_never_pruned(toy):
    """Not even when they come last and are the worst."""
    def fit(config, on_epoch):
        on_epoch({"epoch": 1, "val_accuracy": 0.1})
        return 0.1

    toy.params = toy.params.override({"tune.epochs": 2})
    toy.fresh(others=5)
    toy.fit = fit
    assert toy.search()["own_accuracy"] == 0.1
    assert toy.baselines() == ["COMPLETE"]


@pytest.mark.parametrize("beats", [True, False], ids=["after a sign of life", "before any"])
@pytest.mark.filterwarnings("ignore:Heartbeat")
def test_the_recipe_s_own_values_survive_a_kill_before_the_first_value_is_drawn(toy, monkeypatch, beats):
    monkeypatch.setattr(studies.time, "sleep", lambda seconds: None)
    study = toy.fresh()
    study.enqueue_trial(toy.baseline)
    cut = study.ask()
    if beats:
        toy.age(cut)
    found = toy.search()
    assert found["own_accuracy"] == 0.5
    assert found["trials"] == (2 if beats else 3), "one more where nobody can know that the first trial died"
    toy.age()
    found = toy.search(trials=4)
    assert toy.study().trials[0].state.name == "FAIL", "what died is found out"
    assert toy.baselines().count("COMPLETE") >= 1 and "RUNNING" not in toy.baselines()
    if beats:
        assert toy.baselines() == ["FAIL", "COMPLETE"] and found["trials"] == 4


@pytest.mark.slow
@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), Failure("the disk burns")])
def test_a_study_that_is_locked_in_the_middle_of_the_search_is_one_line(impatient, toy, said, error):
    with contextlib.closing(sqlite3.connect(toy.file)) as other:

        def fit(config, on_epoch):
            other.execute("BEGIN EXCLUSIVE")
            if error:
                raise error
            on_epoch({"epoch": 1, "val_accuracy": 0.5})

        toy.fit = fit
        with pytest.raises(Failure, match=r"study\.db: .*database is locked.*; end the other program"):
            toy.search()
    assert said == []


def test_a_sign_of_life_that_cannot_be_written_is_no_traceback_of_a_thread(impatient, toy):
    storage = toy.fresh()._storage
    with contextlib.closing(sqlite3.connect(toy.file)) as other:
        other.execute("BEGIN EXCLUSIVE")
        storage.record_heartbeat(1)


def test_a_study_whose_disk_is_full_is_one_line(toy, said):
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    toy.search(trials=1)
    with contextlib.closing(sqlite3.connect(toy.file)) as base:
        pages = base.execute("PRAGMA page_count").fetchone()[0]

    def no_room(connection, _):
        connection.execute(f"PRAGMA max_page_count = {pages}")

    toy.fit = lambda config, on_epoch: toy.study().set_user_attr("large", "x" * 100_000)
    event.listen(Engine, "connect", no_room)
    try:
        with pytest.raises(Failure, match=r"study\.db: .*full.*; free some space"):
            toy.search(trials=2)
    finally:
        event.remove(Engine, "connect", no_room)
    assert said == []


def test_a_file_that_is_no_study_is_one_line(toy):
    toy.file.write_bytes(b"junk" * 1000)
    with pytest.raises(Failure, match=r"study\.db: .*not a database.*; move the file away"):
        toy.search()


def test_a_study_of_another_optuna_is_one_line(toy):
    studies.open_storage(toy.file)
    with contextlib.closing(sqlite3.connect(toy.file)) as base:
        base.execute("UPDATE alembic_version SET version_num = 'v0.9.0.a'")
        base.commit()
    with pytest.raises(Failure, match=r"study\.db: made by another version"):
        toy.search()


def test_whole_numbers_stay_whole(toy):
    drawn = []
    toy.fit = lambda config, on_epoch: drawn.append((config["train"]["batch_size"], config["model"]["width"])) or 0.5
    toy.search(trials=8, space={"train.batch_size": {"low": 16, "high": 128, "log": True},
                                "model.width": {"low": 8, "high": 64}})
    assert drawn[0] == (32, 4) and len(set(drawn)) > 4
    assert all(type(value) is int for pair in drawn for value in pair)


def test_a_search_that_finds_nothing_but_too_large_networks_ends(toy, capsys, monkeypatch):
    monkeypatch.setattr(search, "DRAWS", 3)
    trained = []
    toy.fit = lambda config, on_epoch: trained.append(config) or 0.5
    toy.size = lambda config: 10 if config["train"]["learning_rate"] in toy.baseline.values() else 1_234_567
    with pytest.raises(Failure, match=r"tune\.max_parameters: 6 networks of the search had more than 900,000"):
        toy.search()
    lines = capsys.readouterr().out.splitlines()
    assert lines[3:] == [f"tune: trial {number} left out: 1,234,567 parameters" for number in range(1, 7)]
    assert len(trained) == 1, "none of them was trained"


def test_a_recipe_whose_own_network_is_too_large_is_one_line(toy):
    with pytest.raises(Failure, match=r"tune\.max_parameters: the recipe's own network has 10;"):
        toy.search(max_parameters=9)


def test_after_every_trial_the_time_that_is_left_is_printed(toy, capsys):
    toy.search(trials=3)
    lines = [line for line in capsys.readouterr().out.splitlines() if "trials to run" in line]
    assert lines[0] == "tune: 3 of 3 trials to run, 1 epochs each"
    assert [line.split(", about")[0] for line in lines[1:]] == [f"tune: {left} of 3 trials to run" for left in (2, 1)]
    assert all(line.endswith(" left") for line in lines[1:])
    assert (search.duration(7.4), search.duration(150)) == ("7 s", "2 min")


def test_the_printed_values_have_four_digits(toy, capsys):
    toy.search(trials=3)
    found = [line.rsplit(" ", 1) for line in capsys.readouterr().out.splitlines() if "accuracy" in line]
    assert len(found) == 3
    assert all(line.endswith("PublicTest accuracy 0.5000 with train.learning_rate") for line, _ in found)
    assert all(len(value.strip("0.").replace(".", "")) <= 4 for _, value in found)
    assert any(len(str(trial.params["train.learning_rate"])) > 10 for trial in toy.study().trials)
