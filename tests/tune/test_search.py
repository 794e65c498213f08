"""The search: its budget is exact, it survives kill -9, and it takes nothing that is only noise better."""

import contextlib
import itertools
import logging
import os
import platform
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from ruamel.yaml import YAML

import pipeline.training
from pipeline.faces.faces import EMOTIONS, Faces
from pipeline.params import params
from pipeline.system.failure import Failure
from pipeline.tune import __main__, process, search, slots, storage, table, trial, work
from pipeline.tune.report import facts

ROOT = Path(__file__).parents[2]


def finished():
    import optuna

    study = optuna.load_study(study_name=None, storage=storage.open_storage(storage.address("sample")))
    return [trial for trial in study.trials if trial.state.name in slots.FINISHED]


def command(project):
    """The stage in a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "pipeline.tune"], cwd=project, stdout=subprocess.PIPE, text=True,
                            stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})


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
    done = finished()
    assert len(done) == 2
    baseline = params.load().train.learning_rate
    assert done[0].params == {"train.learning_rate": baseline}, "trial 0 has the recipe's own values"
    found = YAML(typ="safe").load(project / "reports/sample/best_params.yaml")
    assert found["take"] == {}, "a gain within the noise is not taken"

    __main__.main()
    assert len(finished()) == 2, "a finished search runs no trial more"


def test_a_published_recipe_is_not_searched(project, capsys):
    text = (project / "params.yaml").read_text().replace("recipe: compact", "recipe: cas")
    (project / "params.yaml").write_text(text)
    __main__.main()
    assert "recipe's own values" in capsys.readouterr().out
    assert YAML(typ="safe").load(project / "reports/sample/best_params.yaml")["take"] == {}
    assert (project / "reports/sample/trials.csv").read_text().startswith("slot,state,accuracy"), "DVC expects the file"
    assert not (project / ".studies").exists()


def test_the_study_is_named_by_all_that_it_depends_on(project):
    settings = params.load()
    manifest = {"classes": list(EMOTIONS), "digest": "a", "class_set": "7", "protocol": "published", "strategy": "none"}
    name = search.study_name(settings, manifest)
    assert name == search.study_name(settings, manifest)
    assert name != search.study_name(settings, {**manifest, "digest": "b"})
    assert name != search.study_name(settings.override({"train.epochs": 9}), manifest)
    assert name != search.study_name(settings.override({"tune.epochs": 9}), manifest)
    assert name == search.study_name(settings.override({"tune.trials": 9}), manifest), "more trials go on with it"


def test_a_dimension_that_cannot_be_searched_is_one_line_before_anything_runs(project):
    settings = params.load().override({"tune.space": {"train.speed": {"choices": [1]}}})
    with pytest.raises(Failure, match=r"^params.yaml: tune.space.train.speed: recipe compact has no such parameter$"):
        search.tune(settings, None, storage.address("sample"))
    assert not (project / ".studies").exists()


def test_a_study_on_a_network_file_system_is_refused_before_anything_is_made(project, monkeypatch):
    monkeypatch.delenv(storage.STORAGE, raising=False)
    mounts = [SimpleNamespace(mountpoint=str(project), fstype="beegfs")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    with pytest.raises(Failure, match=r"sample\.db: on a network file system \(beegfs\), .*OPTUNA_STORAGE=sqlite:///"):
        __main__.main()
    assert not (project / ".studies").exists()


class Toy:
    """The search with trials that train nothing: ``fit`` and ``size`` stand for training and the network's size."""

    def __init__(self, project, monkeypatch):
        self.project, self.where = project, storage.address("sample")
        self.where.file.parent.mkdir()
        self.params, self.faces = params.load(), Faces.load(project / "data/sample/balanced")
        self.baseline = {"train.learning_rate": self.params.train.learning_rate}
        self.fit = lambda config, on_epoch: 0.5
        self.size = lambda config: 10
        run = SimpleNamespace(id="r", params=id, figures=id, dataset=id, tags=id, epoch=lambda row, step: None)
        monkeypatch.setattr(work.runs, "start", lambda *_, **__: contextlib.nullcontext(run))
        monkeypatch.setattr(work, "_parent", lambda *_: contextlib.nullcontext(run))
        monkeypatch.setattr(work, "_tidy", lambda *_: None)
        monkeypatch.setattr(work.runs, "connect", lambda: None)
        monkeypatch.setattr(trial.killed, "go_on", lambda *_: None)
        monkeypatch.setattr(pipeline.training, "loop", SimpleNamespace(
            Diverged=ArithmeticError,
            build_net=lambda config: SimpleNamespace(count_params=lambda: self.size(config)),
            fit_faces=lambda config, _, on_epoch: SimpleNamespace(
                net=None, history=[{"val_accuracy": self.fit(config, on_epoch)}]),
        ), raising=False)

    def search(self, **override):
        self.params = self.params.override({f"tune.{name}": value for name, value in override.items()})
        return search.tune(self.params, self.faces, self.where)[0]

    def study(self):
        import optuna

        return optuna.load_study(study_name=search.study_name(self.params, self.faces.manifest),
                                 storage=storage.open_storage(self.where))

    def open(self):
        """The study as a worker opens it, and its slots."""
        prepared = search.prepare(self.params, self.faces)
        study = work.opened(prepared, storage.open_storage(self.where), self.where)
        return prepared, slots.Slots(study, self.where)

    def age(self):
        """Every sign of life was an hour ago."""
        with contextlib.closing(sqlite3.connect(self.where.file)) as base:
            base.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour')")
            base.commit()

    def csv(self):
        """trials.csv of the budget."""
        _, opened = self.open()
        table.write(self.project / "trials.csv", opened.counted(self.params.tune.trials), self.params.tune.space)
        return (self.project / "trials.csv").read_text()

    def states(self, slot=0):
        """The states of a slot's trials."""
        return [trial.state.name for trial in self.study().trials if trial.user_attrs["slot"] == slot]

    def values(self):
        """The values of the trials that count, by slot."""
        return {trial.user_attrs["slot"]: trial.params for trial in self.study().trials
                if trial.state.name in slots.FINISHED}


@pytest.fixture
def toy(project, monkeypatch):
    return Toy(project, monkeypatch)


@pytest.fixture
def impatient(monkeypatch):
    """Whoever finds the study's file locked gives up at once."""
    monkeypatch.setattr(storage, "WAIT", 0.1)


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
    assert toy.states() == ["FAIL", "FAIL"] and said == []
    toy.fit = calm
    assert toy.search()["trials"] == 2
    assert toy.states() == ["FAIL", "FAIL", "COMPLETE"]
    assert [trial.state.name for trial in toy.study().trials].count("COMPLETE") == 2, "the budget stays exact"
    assert toy.values()[0] == toy.baseline


def test_the_recipe_s_own_values_are_never_pruned(toy):
    """Not even when they come last and are the worst."""
    def fit(config, on_epoch):
        accuracy = 0.1 if config["train"]["learning_rate"] == toy.baseline["train.learning_rate"] else 0.4
        on_epoch({"epoch": 1, "val_accuracy": accuracy})
        on_epoch({"epoch": 2, "val_accuracy": accuracy})
        return accuracy

    toy.params, toy.fit = toy.params.override({"tune.epochs": 2}), fit
    toy.search(trials=6)
    _, opened = toy.open()
    # Its trial is lost
    with contextlib.closing(sqlite3.connect(toy.where.file)) as base:
        base.execute("UPDATE trials SET state = 'FAIL' WHERE number = 0")
        base.commit()
    assert toy.search()["own_accuracy"] == 0.1
    assert toy.states() == ["FAIL", "COMPLETE"] and len(opened.counted(6)) == 6


def test_a_trial_that_is_worse_than_the_others_is_pruned(toy, capsys):
    seen = []

    def fit(config, on_epoch):
        seen.append(config)
        for epoch in (1, 2, 3):
            on_epoch({"epoch": epoch, "val_accuracy": 0.5 / len(seen)})
        return 0.5 / len(seen)

    toy.fit = fit
    assert toy.search(trials=4, epochs=3)["trials"] == 4
    assert [toy.states(slot) for slot in range(4)] == [["COMPLETE"], ["COMPLETE"], ["PRUNED"], ["PRUNED"]]
    pruned = toy.study().trials[2]
    assert pruned.value == 0.5 / 3 and pruned.last_step == 1
    assert pruned.user_attrs["why"] == "epoch 1: 16.67 %, rank 3 of the 3 trials that came so far"
    assert "tune: trial 2 pruned" in capsys.readouterr().out


def test_a_study_ends_when_it_is_flat_and_goes_on_when_that_is_allowed(toy, capsys):
    found = toy.search(trials=8, flat=2)
    assert found["trials"] == 3
    assert found["stopped"] == "flat: the last 2 trials raised the best accuracy by 0.00 points"
    assert "tune: the study ends after 3 trials: flat" in capsys.readouterr().out
    found = toy.search(flat=0)
    assert found["trials"] == 8 and found["stopped"] == ""


def test_a_study_begins_with_the_best_values_of_older_ones_of_the_recipe(toy, capsys):
    toy.fit = lambda config, on_epoch: 0.5 - abs(config["train"]["learning_rate"] - 0.03)
    toy.search(trials=6)
    older = sorted((toy.fit({"train": {"learning_rate": values["train.learning_rate"]}}, None), values)
                   for slot, values in toy.values().items() if slot)
    toy.search(trials=4, warm_start=2, space={"train.learning_rate": {"low": 0.0005, "high": 0.2, "log": True}})
    begun = toy.values()
    assert begun[0] == toy.baseline and [begun[1], begun[2]] == [older[-1][1], older[-2][1]]
    assert begun[3] not in [values for _, values in older]
    assert toy.study().user_attrs["warm start chosen from"] == 6
    capsys.readouterr()
    toy.search(warm_start=2)
    assert "warm_start" not in capsys.readouterr().out
    toy.search(warm_start=3)
    said = [line for line in capsys.readouterr().out.splitlines() if "warm_start" in line]
    assert len(said) == 1 and "is 3" in said[0] and "was made with 2" in said[0]


@pytest.mark.parametrize("objective", ["accuracy", "accuracy_and_speed"])
def test_options_of_a_network_are_searched_only_where_it_is_chosen(toy, monkeypatch, recwarn, objective):
    trained = []
    toy.fit = lambda config, on_epoch: trained.append(config["model"]) or 0.5
    monkeypatch.setattr(trial.front, "milliseconds", lambda net: 1.0)
    toy.search(trials=10, objective=objective, space={
        "model.name": {"choices": ["compact", "seresnet"]},
        "model.width": {"choices": [4, 8], "when": {"model.name": "compact"}},
        "model.squeeze": {"low": 4, "high": 16, "when": {"model.name": "seresnet"}}})
    assert {model["name"] for model in trained} == {"compact", "seresnet"}
    for model in trained:
        assert ("stem" in model, "squeeze" in model) == ((True, False) if model["name"] == "compact" else (False, True))
    assert [str(warning.message) for warning in recwarn if "multivariate" in str(warning.message)] == []


def test_a_study_that_weighs_speed_prunes_nothing_and_takes_nothing(toy, monkeypatch):
    def fit(config, on_epoch):
        accuracy = config["train"]["batch_size"] / 1000
        for epoch in (1, 2, 3):
            on_epoch({"epoch": epoch, "val_accuracy": accuracy})
        return accuracy

    times = iter(range(1, 100))
    toy.fit = fit
    monkeypatch.setattr(trial.front, "milliseconds", lambda net: float(next(times)))
    found = toy.search(trials=8, epochs=3, objective="accuracy_and_speed",
                       space={"train.batch_size": {"low": 16, "high": 128}})
    assert [toy.states(slot) for slot in range(8)] == [["COMPLETE"]] * 8 and found["take"] == {}
    front = found["front"]
    assert front[0]["trial"] == 0 and front[0]["milliseconds"] == 1.0
    assert all(fast["accuracy"] < slow["accuracy"] for fast, slow in itertools.pairwise(front))
    assert toy.csv().splitlines()[0] == "slot,state,accuracy,epochs,train.batch_size,milliseconds"
    assert toy.csv().splitlines()[1] == "0,complete,0.032,3,32,1.0"
    assert [row.epochs for row in facts.of_study(toy.study()).rows] == [3] * 8


@pytest.mark.parametrize("step", ["set_trial_user_attr", "record_heartbeat", "set_trial_state_values"])
def test_a_worker_that_is_killed_while_it_takes_a_slot_costs_nothing(toy, monkeypatch, step):
    def kill(*_):
        raise Killed

    _, opened = toy.open()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(opened.study._storage, step, kill)
        opened.claim(2)
    assert toy.search()["trials"] == 2
    assert toy.states() == ["COMPLETE"] and toy.states(1) == ["COMPLETE"]


@pytest.mark.slow
@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), Failure("the disk burns")])
def test_a_study_that_is_locked_in_the_middle_of_the_search_is_one_line(impatient, toy, said, error):
    with contextlib.closing(sqlite3.connect(toy.where.file)) as other:

        def fit(config, on_epoch):
            other.execute("BEGIN EXCLUSIVE")
            if error:
                raise error
            on_epoch({"epoch": 1, "val_accuracy": 0.5})

        toy.fit = fit
        with pytest.raises(Failure, match=r"sample\.db: .*database is locked.*; end the other program"):
            toy.search()
    assert said == []


def test_a_sign_of_life_that_cannot_be_written_is_no_traceback_of_a_thread(impatient, toy):
    _, opened = toy.open()
    with contextlib.closing(sqlite3.connect(toy.where.file)) as other:
        other.execute("BEGIN EXCLUSIVE")
        opened.study._storage.record_heartbeat(1)


def test_a_study_whose_disk_is_full_is_one_line(toy, said):
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    toy.search(trials=1)
    with contextlib.closing(sqlite3.connect(toy.where.file)) as base:
        pages = base.execute("PRAGMA page_count").fetchone()[0]

    def no_room(connection, _):
        connection.execute(f"PRAGMA max_page_count = {pages}")

    toy.fit = lambda config, on_epoch: toy.study().set_user_attr("large", "x" * 100_000)
    event.listen(Engine, "connect", no_room)
    try:
        with pytest.raises(Failure, match=r"sample\.db: .*full.*; free some space"):
            toy.search(trials=2)
    finally:
        event.remove(Engine, "connect", no_room)
    assert said == []


def test_a_file_that_is_no_study_is_one_line(toy):
    toy.where.file.write_bytes(b"junk" * 1000)
    with pytest.raises(Failure, match=r"sample\.db: .*not a database.*; move the file away"):
        toy.search()


def test_a_study_of_another_optuna_is_one_line(toy):
    storage.open_storage(toy.where)
    with contextlib.closing(sqlite3.connect(toy.where.file)) as base:
        base.execute("UPDATE alembic_version SET version_num = 'v0.9.0.a'")
        base.commit()
    with pytest.raises(Failure, match=r"sample\.db: made by another version"):
        toy.search()


def test_whole_numbers_stay_whole(toy):
    drawn = []
    toy.fit = lambda config, on_epoch: drawn.append((config["train"]["batch_size"], config["model"]["width"])) or 0.5
    toy.search(trials=8, space={"train.batch_size": {"low": 16, "high": 128, "log": True},
                                "model.width": {"low": 8, "high": 64}})
    assert drawn[0] == (32, 4) and len(set(drawn)) > 4
    assert all(type(value) is int for pair in drawn for value in pair)


def test_a_search_that_finds_nothing_but_too_large_networks_ends(toy, capsys, monkeypatch):
    monkeypatch.setattr(trial, "DRAWS", 3)
    trained = []
    toy.fit = lambda config, on_epoch: trained.append(config) or 0.5
    toy.size = lambda config: 10 if config["train"]["learning_rate"] in toy.baseline.values() else 1_234_567
    with pytest.raises(Failure, match=r"tune\.max_parameters: 3 networks of the search had more than 900,000"):
        toy.search()
    lines = capsys.readouterr().out.splitlines()
    assert lines[4:] == ["tune: trial 1: drawn again, 1,234,567 parameters"] * 3
    assert len(trained) == 1, "none of them was trained"


def test_too_large_networks_are_drawn_again_and_cost_no_trial(toy):
    toy.size = lambda config: 10 if config["train"]["learning_rate"] < 0.02 else 1_234_567
    assert toy.search(trials=8)["trials"] == 8
    assert all(values["train.learning_rate"] < 0.02 for values in toy.values().values())


def test_a_recipe_whose_own_network_is_too_large_is_one_line(toy):
    with pytest.raises(Failure, match=r"tune\.max_parameters: the recipe's own network has 10;"):
        toy.search(max_parameters=9)


def test_after_every_trial_the_time_that_is_left_is_printed(toy, capsys):
    toy.search(trials=3)
    lines = [line for line in capsys.readouterr().out.splitlines() if "trials to run" in line]
    assert lines[0] == "tune: 3 of 3 trials to run, 1 epochs each"
    assert [line.split(", about")[0] for line in lines[1:]] == [f"tune: {left} of 3 trials to run" for left in (2, 1)]
    assert all(line.endswith(" left") for line in lines[1:])
    assert (work.duration(7.4), work.duration(150)) == ("7 s", "2 min")


def test_the_printed_values_have_four_digits(toy, capsys):
    toy.search(trials=3)
    found = [line.rsplit(" ", 1) for line in capsys.readouterr().out.splitlines() if "accuracy" in line]
    assert len(found) == 3
    assert all(line.endswith("PublicTest accuracy 0.5000 with train.learning_rate") for line, _ in found)
    assert all(len(value.strip("0.").replace(".", "")) <= 4 for _, value in found)
    assert any(len(str(values["train.learning_rate"])) > 10 for values in toy.values().values())


def test_the_same_study_gives_the_same_trials_interrupted_or_not(toy):
    """By one worker, with an error, Ctrl-C and a budget that grows in between: on values that the sampler learnt."""
    def fit(config, on_epoch):
        rate, size = config["train"]["learning_rate"], config["train"]["batch_size"]
        accuracy = 0.5 - abs(rate - 0.03) - size / 1000
        on_epoch({"epoch": 1, "val_accuracy": accuracy})
        return accuracy

    def interrupted(config, on_epoch):
        calls.append(config)
        if len(calls) in (1, 4, 7):
            on_epoch({"epoch": 1, "val_accuracy": 0.9})
            raise KeyboardInterrupt if len(calls) == 4 else Failure("the disk burns")
        return fit(config, on_epoch)

    space = {"train.learning_rate": {"low": 0.001, "high": 0.1, "log": True},
             "train.batch_size": {"choices": [16, 32, 64]}}
    calls, toy.fit = [], fit
    whole = toy.search(trials=8, space=space)
    table, values = toy.csv(), toy.values()
    assert len({value["train.learning_rate"] for value in values.values()}) == 8
    toy.where.file.unlink()
    toy.fit = interrupted
    for trials in (4, 4, 4, 8, 8):
        with contextlib.suppress(Failure, KeyboardInterrupt):
            cut = toy.search(trials=trials)
    assert len(calls) == 11 and cut == whole
    assert toy.values() == values and toy.csv() == table

    toy.where.file.unlink()
    toy.fit, toy.params = fit, toy.params.override({"seed": 2})
    toy.search()
    assert toy.values()[1] != values[1], "another seed is another study"


def test_a_trial_that_another_worker_has_run_by_now_does_not_count(toy, capsys):
    """This process was silent for too long in its second trial."""
    def fit(config, on_epoch):
        fits.append(config)
        if len(fits) == 2:
            toy.age()
            _, other = toy.open()
            claim = other.claim(3)
            assert claim.slot == 1 and claim.values["train.learning_rate"] == config["train"]["learning_rate"]
            assert other.take(claim, claim.values)
            other.finish(claim, "COMPLETE", [0.4])
        on_epoch({"epoch": 1, "val_accuracy": 0.5})
        return 0.5

    fits, toy.fit = [], fit
    assert toy.search(trials=3)["trials"] == 3 and len(fits) == 3
    assert toy.states(1) == ["FAIL", "COMPLETE"] and [toy.states(slot) for slot in (0, 2)] == [["COMPLETE"]] * 2
    assert [line.split(":")[1] for line in capsys.readouterr().out.splitlines() if "was silent for longer" in line] == [
        " trial 1"]


def test_a_space_of_fewer_values_than_slots_repeats_none_before_all_were_tried(toy):
    toy.search(trials=4, space={"train.batch_size": {"choices": [32, 64, 128]}})
    drawn = [values["train.batch_size"] for _, values in sorted(toy.values().items())]
    assert sorted(drawn[:3]) == [32, 64, 128] and len(drawn) == 4


def test_a_smaller_budget_counts_its_first_slots_alone(toy):
    toy.search(trials=4)
    found = toy.search(trials=2)
    assert found["trials"] == 2 and found["best_trial"] in (0, 1)
    assert len(toy.csv().splitlines()) == 3
    assert [row.slot for row in facts.of_study(toy.study()).rows] == [0, 1], "the report's trials are the table's"


def test_the_report_of_a_study_that_goes_on_has_no_verdict_of_fewer_trials(toy):
    toy.search(trials=2)
    assert facts.of_study(toy.study()).verdict["trials"] == 2
    seen = []

    def fit(config, on_epoch):
        seen.append(facts.of_study(toy.study()).verdict)
        if len(seen) > 1:
            raise Failure("the disk burns")
        return 0.4

    toy.fit = fit
    with pytest.raises(Failure, match="the disk burns"):
        toy.search(trials=4)
    assert seen == [{}, {}] and facts.of_study(toy.study()).verdict == {}
    toy.fit = lambda config, on_epoch: 0.4
    toy.search(trials=4)
    assert facts.of_study(toy.study()).verdict["trials"] == 4


def test_a_small_space_is_used_up_before_anything_repeats(toy, monkeypatch):
    monkeypatch.setattr(trial, "DRAWS", 2)
    toy.search(trials=13, space={"train.batch_size": {"low": 30, "high": 41}})
    drawn = [values["train.batch_size"] for _, values in sorted(toy.values().items())]
    assert sorted(drawn[:12]) == list(range(30, 42)) and drawn[12] in range(30, 42)


def test_no_slot_draws_what_another_one_will_have(toy, monkeypatch):
    """The recipe's own values are slot 0's before its worker has said so, and those of a trial that failed are its
    slot's, which will be tried again."""
    # Several workers, of which this process plays each
    monkeypatch.setattr(process, "is_this", lambda owner: False)
    toy.params = toy.params.override({"tune.space": {"train.batch_size": {"choices": [16, 32, 64, 128]}}})
    prepared, opened = toy.open()
    claims = [opened.claim(4) for _ in range(4)]
    values = {1: trial.values_for(prepared, opened, claims[1])}
    opened.finish(claims[1], "FAIL")
    for slot in (2, 3, 0):
        values[slot] = trial.values_for(prepared, opened, claims[slot])
    assert values[0] == {"train.batch_size": 32}
    assert sorted(value["train.batch_size"] for value in values.values()) == [16, 32, 64, 128]
    again = opened.claim(4)
    assert again.slot == 1 and trial.values_for(prepared, opened, again) == values[1]


class Killed(BaseException):
    """Nothing gets to say anything after it."""


def test_a_slot_that_kills_its_worker_again_and_again_counts_as_cut_short(toy, capsys):
    deadly = []

    def fit(config, on_epoch):
        rate = config["train"]["learning_rate"]
        if rate != toy.baseline["train.learning_rate"] and rate in (deadly or [rate]):
            deadly[:] = [rate]
            raise Killed
        return 0.5

    toy.fit = fit
    for _ in range(slots.ATTEMPTS):
        with pytest.raises(Killed):
            toy.search(trials=3)
    assert toy.search(trials=3)["trials"] == 3
    assert toy.states(1) == ["FAIL"] * slots.ATTEMPTS + ["PRUNED"] and toy.states(2) == ["COMPLETE"]
    assert toy.values()[1] == {"train.learning_rate": deadly[0]}
    said = [line for line in capsys.readouterr().out.splitlines() if "died" in line]
    assert said == ["tune: trial 1: 3 workers have died in it, so it counts as cut short, and nobody tries it again"]
    assert [row.why for row in facts.of_study(toy.study()).pruned] == ["its worker died 3 times"]
    assert toy.csv().splitlines()[2].startswith("1,pruned,,0,0.")


def test_a_slot_that_kills_its_worker_before_it_has_values_ends_too(toy):
    def size(config):
        if config["train"]["learning_rate"] == toy.baseline["train.learning_rate"] or len(killed) > slots.ATTEMPTS:
            return 10
        killed.append(config)
        raise Killed

    killed, toy.size = [], size
    for _ in range(slots.ATTEMPTS):
        with pytest.raises(Killed):
            toy.search(trials=3)
    killed.append(None)
    assert toy.search(trials=8)["trials"] == 8 and toy.values()[1] == {}
    assert toy.csv().splitlines()[2] == "1,pruned,,0,"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Failure("the disk burns")])
def test_an_error_or_ctrl_c_does_not_use_a_slot_up_and_the_recipe_s_own_is_never_given_up(toy, error):
    calm, first = toy.fit, toy.baseline["train.learning_rate"]

    def fit(config, on_epoch):
        raise Killed if config["train"]["learning_rate"] == first else error

    toy.fit = fit
    for _ in range(slots.ATTEMPTS + 1):
        with pytest.raises(Killed):
            toy.search()
    toy.fit = lambda config, on_epoch: calm(config, on_epoch) if config["train"]["learning_rate"] == first else fit(
        config, on_epoch)
    for _ in range(slots.ATTEMPTS + 1):
        with pytest.raises(type(error)):
            toy.search()
    toy.fit = calm
    assert toy.search()["trials"] == 2 and toy.states(1)[-1] == toy.states()[-1] == "COMPLETE"


def test_what_dead_processes_of_this_machine_run_teaches_nothing(toy, monkeypatch):
    """And another machine's trial, though its process number is nobody's here, is left alone until it is silent."""
    _, opened = toy.open()
    dead = {**process.this(), "process": f"{2 ** 22 + 1} 1000 {platform.node()}"}
    for owner, freed in ((dead, True), ({**dead, "machine": "another of this name"}, False)):
        with monkeypatch.context() as patch:
            patch.setattr(process, "this", lambda owner=owner: owner)
            claim = opened.claim(4)
        assert process.is_gone(owner) == freed
        following = slots.Claim(-1, -1, 9, None)
        assert len(opened.history(following)) == len(opened.others()) == (0 if freed else 1)
    assert claim.slot == 0, "the first one's slot was free again at once"
    assert opened.claim(4).slot == 1
    toy.age()
    assert opened.claim(4).slot == 0


def test_a_trial_that_diverges_counts_as_pruned(toy, capsys):
    def fit(config, on_epoch):
        if config["train"]["learning_rate"] != toy.baseline["train.learning_rate"]:
            raise ArithmeticError
        return 0.5

    toy.fit = fit
    assert toy.search()["trials"] == 2 and toy.states(1) == ["PRUNED"]
    assert "tune: trial 1 diverged with train.learning_rate" in capsys.readouterr().out
    assert toy.csv().splitlines()[2].startswith("1,pruned,,0,")


def test_every_trial_says_who_ran_it_and_where_its_mlflow_run_is(toy):
    toy.search()
    study = toy.study()
    assert study.metric_names == ["PublicTest accuracy"]
    for one in study.trials:
        assert one.user_attrs["host"] == platform.node() and one.user_attrs["run_id"] == "r"
        assert one.user_attrs["process"].startswith(f"{os.getpid()} ")


def test_opening_a_complete_study_writes_nothing(toy):
    toy.search()
    before = toy.where.file.read_bytes()
    toy.search()
    assert toy.where.file.read_bytes() == before
