"""The best trials at full length: who gets there, what is taken of them, and that nothing is trained twice."""

import contextlib
import platform
from types import SimpleNamespace

import numpy as np
import pytest
from optuna import TrialPruned
from toy_study import by_slot, trial

import pipeline.training
from pipeline.faces.faces import Faces
from pipeline.params import params
from pipeline.params.resolved import resolve
from pipeline.system.failure import Failure
from pipeline.tune import declared, finals, process, turn

OWN, EPOCHS = 0.003, 10
WHERE = SimpleNamespace(alone=contextlib.nullcontext, heartbeat=5, grace=20)
OTHER = {"host": "grace", "process": "7 1000 grace", "machine": "elsewhere", "beats": 0}


class Checkpoints:
    """Only counted: which are kept, and how often another process has one, by learning rate."""

    class Held(Failure):
        """As the real module's."""

    def __init__(self):
        self.kept, self.busy, self.saved = set(), {}, []

    @contextlib.contextmanager
    def held(self, parent, config, digest, keep=False):
        rate = config["train"]["learning_rate"]
        if self.busy.get(rate):
            self.busy[rate] -= 1
            raise self.Held(f"{parent}: another process trains exactly this run")
        yield parent
        self.kept.add(rate) if keep else self.kept.discard(rate)


    def latest(self, folder):
        """Accuracies of the epochs that an interrupted training has left."""
        return self.saved and SimpleNamespace(progress=SimpleNamespace(
            history=[{"val_accuracy": accuracy} for accuracy in self.saved]))


class Finals:
    """A finished search of trials by their learning rates, whose training at full length gets so many images right."""

    def __init__(self, project, monkeypatch):
        public = Faces.load(project / "data/sample/balanced")
        labels = np.zeros(400, "int64")
        self.faces = SimpleNamespace(manifest=public.manifest,
                                     split=lambda name: SimpleNamespace(images=labels, labels=labels))
        self.right, self.ran, self.study, self.meanwhile = {}, [], Study(), id
        self.curves, self.epochs, self.ended = {}, {}, []
        self.checkpoints = Checkpoints()
        self.run = contextlib.nullcontext(SimpleNamespace(
            id="r", params=id, tags=id, epoch=lambda row, step: None))
        monkeypatch.setattr(finals.runs, "start", self._start)
        monkeypatch.setattr(finals.runs, "connect", lambda: None)
        monkeypatch.setattr(finals.killed, "go_on", lambda *_: None)
        monkeypatch.setattr(pipeline.training, "checkpoint", self.checkpoints, raising=False)
        monkeypatch.setattr(pipeline.training, "loop", SimpleNamespace(
            Diverged=ArithmeticError, fit_faces=self._fit, predict=self._predict), raising=False)

    @contextlib.contextmanager
    def _start(self, *_, **__):
        """MLflow's run; how each ended is remembered."""
        self.ended.append(None)
        try:
            with self.run as run:
                yield run
        except BaseException as error:
            self.ended[-1] = type(error)
            raise

    def _fit(self, config, faces, checkpoint, on_epoch):
        self.ran.append((config["train"]["learning_rate"], config["train"]["epochs"]))
        self.meanwhile(config)
        for epoch, accuracy in enumerate(self.curves.get(config["train"]["learning_rate"], [0.5]), 1):
            if epoch > len(self.checkpoints.saved):
                self.epochs[config["train"]["learning_rate"]] = epoch
                on_epoch({"epoch": epoch, "val_accuracy": accuracy})
        if self.right[self.ran[-1][0]] is None:
            raise ArithmeticError("the loss is nan")
        return SimpleNamespace(net=self.right[self.ran[-1][0]])

    def _predict(self, right, images):
        """Logits of which the first ``right`` are right."""
        return np.eye(2)[(np.arange(len(images)) >= right).astype(int)]

    def verdict(self, finalists=2, where=WHERE):
        own = params.load()
        settings = own.override({
            "tune.finalists": finalists, "train.epochs": EPOCHS, "train.learning_rate": OWN,
            "tune.space": {"train.learning_rate": {"low": 0.001, "high": 0.1}}})
        self.space = declared.space_of(settings)
        counted = by_slot([trial(0, 0.5, learning_rate=OWN), trial(1, 0.52, learning_rate=0.01),
                           trial(2, 0.51, learning_rate=0.02), trial(3, 0.49, learning_rate=0.03),
                           trial(4, state="PRUNED", epochs={1: 0.9}, learning_rate=0.04),
                           trial(5, 0.53, learning_rate=0.05)])
        return finals.verdict(self.space, self.faces, self.study, where, counted, SimpleNamespace(id="parent"))


class Study:
    def __init__(self):
        self.user_attrs = {}

    def set_user_attr(self, name, value):
        self.user_attrs[name] = value


@pytest.fixture
def final(project, monkeypatch):
    return Finals(project, monkeypatch)


def test_the_best_trials_that_beat_the_recipe_are_trained_at_full_length_beside_it(final):
    final.right = {OWN: 200, 0.05: 202, 0.01: 190}
    found = final.verdict()
    assert final.ran == [(OWN, EPOCHS), (0.05, EPOCHS), (0.01, EPOCHS)]
    assert found["recipe_accuracy"] == 0.5 and found["taken"] is None and found["take"] == {}
    assert [(row["trial"], row["accuracy"]) for row in found["finalists"]] == [(5, 0.505), (1, 0.475)]
    assert final.checkpoints.kept == {OWN}, "train goes on from the recipe's"


def test_a_real_gain_is_taken_and_train_goes_on_from_its_checkpoint(final):
    final.right = {OWN: 200, 0.05: 210, 0.01: 260}
    found = final.verdict()
    assert found["taken"] == 1 and found["take"] == {"train.learning_rate": 0.01}
    assert found["finalists"][0]["needed"] == pytest.approx(1 - 0.1 / 5), "five trials could have become finalists"
    assert final.checkpoints.kept == {0.01}


def test_the_trials_of_older_studies_that_the_first_values_are_from_count_too(final):
    final.right, final.study.user_attrs["warm start chosen from"] = {OWN: 200, 0.05: 210, 0.01: 190}, 95
    assert final.verdict()["finalists"][0]["needed"] == pytest.approx(1 - 0.1 / 100)


def test_no_finalist_is_trained_where_not_even_a_perfect_one_would_be_taken(final, capsys):
    final.right = {OWN: 398}
    found = final.verdict()
    assert [rate for rate, _ in final.ran] == [OWN] and final.checkpoints.kept == {OWN}
    assert found == {"recipe_accuracy": 0.995, "finalists": [], "taken": None, "take": {}}
    assert capsys.readouterr().out.endswith(
        "the recipe gets 398 of 400 images of PublicTest right, which no trial could beat beyond chance\n")
    final.ran.clear()
    assert final.verdict() == found and final.ran == [], "nothing is missing"
    final.study, final.right = Study(), {OWN: 380, 0.05: 400, 0.01: 390}
    assert final.verdict()["taken"] == 5


def test_what_was_trained_at_full_length_is_not_trained_again(final):
    final.right = {OWN: 200, 0.05: 205, 0.01: 260}
    first = final.verdict()
    final.ran.clear()
    assert final.verdict() == first and final.ran == []


def test_an_interruption_costs_the_training_in_which_it_came(final):
    final.right = {OWN: 200, 0.05: 205}
    with pytest.raises(KeyError):
        final.verdict()
    final.right[0.01] = 260
    final.ran.clear()
    assert final.verdict()["taken"] == 1 and [rate for rate, _ in final.ran] == [0.01]


def test_a_finalist_whose_loss_runs_away_is_not_taken_and_the_recipe_s_ends_the_search(final):
    final.right = {OWN: 200, 0.05: None}
    found = final.verdict(finalists=1)
    assert found["taken"] is None and found["finalists"][0]["accuracy"] == 0
    final.right, final.study = {OWN: None}, Study()
    with pytest.raises(ArithmeticError):
        final.verdict(finalists=1)


def test_a_finalist_that_falls_behind_the_recipe_is_stopped_and_not_trained_again(final, capsys):
    final.right = {OWN: 200, 0.05: 399, 0.01: 199}
    # A standard error on 400 images is 2.5 points
    final.curves = {OWN: [0.5] * EPOCHS, 0.05: [0.45] * EPOCHS, 0.01: [0.4, *[0.49] * (EPOCHS - 1)]}
    found = final.verdict()
    assert final.epochs == {OWN: EPOCHS, 0.05: 5, 0.01: EPOCHS}
    assert [(row["trial"], row["stopped"]) for row in found["finalists"]] == [(1, None), (5, 5)]
    assert found["finalists"][1]["gain"] == pytest.approx(-0.05) and found["finalists"][1]["probability"] == 0
    line = "tune: trial 5 at full length: stopped after epoch 5, 5.00 points behind the recipe\n"
    assert line in capsys.readouterr().out and final.ended == [None, TrialPruned, None]
    assert found["taken"] is None and final.checkpoints.kept == {OWN}
    final.ran.clear()
    assert final.verdict() == found and final.ran == [] and line in capsys.readouterr().out


@pytest.mark.parametrize("saved", [3, 5])
def test_a_finalist_that_was_interrupted_is_stopped_where_it_would_have_been_without(final, saved):
    final.right = {OWN: 200, 0.05: 200}
    final.curves = {OWN: [0.5] * EPOCHS, 0.05: [0.45] * EPOCHS}
    without = final.verdict(finalists=1)
    del final.study.user_attrs[finals._name(5)]
    final.checkpoints.saved = final.curves[0.05][:saved]
    assert final.verdict(finalists=1) == without


def test_no_finalists_train_nothing_and_take_nothing(final):
    assert final.verdict(finalists=0) == {"recipe_accuracy": None, "finalists": [], "taken": None, "take": {}}
    assert final.ran == []


def test_what_other_code_has_trained_decides_nothing(final, monkeypatch):
    final.right = {OWN: 200, 0.05: 202, 0.01: 260}
    assert final.verdict()["taken"] == 1
    final.ran.clear()
    monkeypatch.setattr(finals.code, "digest", lambda: "other code")
    final.right[0.01] = 201
    assert final.verdict()["taken"] is None and [rate for rate, _ in final.ran] == [OWN, 0.05, 0.01]


def test_the_checkpoint_of_an_earlier_verdict_is_not_kept_for_ever(final):
    final.right = {OWN: 200, 0.05: 260}
    assert final.verdict(finalists=1)["taken"] == 5 and final.checkpoints.kept == {0.05}
    assert final.verdict(finalists=0)["taken"] is None and final.checkpoints.kept == set()


def test_a_result_is_written_only_by_whose_turn_it_is(final, monkeypatch):
    """The lock is held from the look at the turn until the result is written."""
    inside, written = [], []

    @contextlib.contextmanager
    def alone():
        inside.append(True)
        yield
        inside.pop()

    def write(name, value):
        written.append((name, bool(inside)))
        final.study.user_attrs[name] = value

    final.right = {OWN: 200, 0.05: 205, 0.01: 190}
    monkeypatch.setattr(final.study, "set_user_attr", write)
    check = turn.check
    monkeypatch.setattr(turn, "check", lambda study: (written.append(("check", bool(inside))), check(study)))
    final.verdict(where=SimpleNamespace(alone=alone, heartbeat=5, grace=20))
    results = [index for index, (name, _) in enumerate(written) if name.startswith(finals.FULL)]
    assert len(results) == 3 and all(written[index][1] for index in results)
    assert all(written[index - 1] == ("check", True) for index in results)


def test_a_result_is_kept_though_mlflow_cannot_be_reached_when_its_run_ends(final):
    class Unreachable(contextlib.nullcontext):
        def __exit__(self, *error):
            raise Failure("no server answers there")

    final.right = {OWN: 200, 0.05: 205}
    calm, final.run = final.run, Unreachable(final.run.enter_result)
    with pytest.raises(Failure, match="no server answers"):
        final.verdict(finalists=1)
    final.run = calm
    final.verdict(finalists=1)
    assert [rate for rate, _ in final.ran] == [OWN, 0.05]


class Clock:
    """Time that passes only while this process waits, in which another one may do something."""

    def __init__(self, monkeypatch, meanwhile=lambda: None):
        self.now, self.meanwhile = 0.0, meanwhile
        monkeypatch.setattr(turn, "time", SimpleNamespace(monotonic=lambda: self.now, sleep=self.sleep))

    def sleep(self, seconds):
        self.now += seconds
        self.meanwhile()


class Elsewhere:
    """A stage on another machine, which trains what this one would, and a sign of life comes with every step."""

    def __init__(self, final):
        self.verdict, self.study = final.verdict(), Study()
        self.left = [(name, kept) for name, kept in final.study.user_attrs.items() if name.startswith(finals.FULL)]
        final.study = self.study
        final.ran.clear()

    def begin(self, _=None):
        self.study.set_user_attr(turn.TURN, OTHER)

    def step(self):
        known = self.study.user_attrs[turn.TURN]
        self.study.set_user_attr(turn.TURN, {**known, "beats": known["beats"] + 1})
        if self.study.user_attrs[turn.TURN]["beats"] % 10 == 0:
            self.study.set_user_attr(*self.left.pop(0))


def test_a_second_stage_waits_in_one_line_for_the_first_and_takes_its_result_over(final, monkeypatch, capsys):
    final.right = {OWN: 200, 0.05: 202, 0.01: 260}
    other = Elsewhere(final)
    other.begin()
    capsys.readouterr()
    clock = Clock(monkeypatch, other.step)
    assert final.verdict() == other.verdict and final.ran == []
    assert clock.now > 5 * WHERE.grace, "however long it takes, as long as there are signs of life"
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "trial" not in line] == [
        "tune: grace trains the recipe and the finalists at full length (process 7); this process waits for the result"]


def test_a_checkpoint_that_another_process_still_has_is_waited_for_in_one_line(final, monkeypatch, capsys):
    """Such as a stage that is stopped: it has lost the turn, but not the lock of its checkpoint."""
    final.right, final.checkpoints.busy = {OWN: 200, 0.05: 202, 0.01: 190}, {OWN: 3}
    clock = Clock(monkeypatch)
    final.verdict()
    assert clock.now == 3 * WHERE.heartbeat and [rate for rate, _ in final.ran] == [OWN, 0.05, 0.01]
    out = capsys.readouterr().out
    assert out.count("another process of this machine holds the checkpoint") == 1
    assert out.count("the recipe at full length, ") == 1


def test_a_checkpoint_that_another_process_has_is_not_dropped_and_costs_no_verdict(final):
    final.right = {OWN: 200, 0.05: 202, 0.01: 190}
    found = final.verdict()
    final.checkpoints.busy, final.checkpoints.kept = {0.05: 9}, {OWN, 0.05, 0.01}
    assert final.verdict() == found and final.checkpoints.kept == {OWN, 0.05}


def test_a_checkpoint_that_cannot_be_locked_is_an_error(final, monkeypatch):
    def full(*_, **__):
        raise Failure("cannot be locked (disk is full)")

    final.right = {OWN: 200}
    monkeypatch.setattr(final.checkpoints, "held", full)
    with pytest.raises(Failure, match="disk is full"):
        final.verdict()


@pytest.mark.parametrize("owner", ["this machine", "another machine"])
def test_what_a_dead_process_has_left_is_trained_by_the_next(final, monkeypatch, owner):
    final.right = {OWN: 200, 0.05: 202, 0.01: 190}
    dead = {**process.this(), "process": f"{2 ** 22 + 1} 1000 {platform.node()}", "beats": 3}
    final.study.set_user_attr(turn.TURN, dead if owner == "this machine" else OTHER)
    clock = Clock(monkeypatch)
    final.verdict()
    assert [rate for rate, _ in final.ran] == [OWN, 0.05, 0.01]
    waited = 0 if owner == "this machine" else WHERE.grace
    assert waited <= clock.now <= waited + WHERE.heartbeat
    assert final.study.user_attrs[turn.TURN] is None, "nobody's turn any more"


def test_a_stage_that_was_silent_for_too_long_says_so_and_takes_over_what_another_one_trains(final, monkeypatch,
                                                                                             capsys):
    final.right = {OWN: 200, 0.05: 202, 0.01: 260}
    other = Elsewhere(final)
    final.meanwhile = other.begin
    capsys.readouterr()
    Clock(monkeypatch, other.step)
    assert final.verdict() == other.verdict and [rate for rate, _ in final.ran] == [OWN]
    assert "tune: at full length: this process was silent for longer than 20 s" in capsys.readouterr().out
    assert final.study.user_attrs[turn.TURN]["host"] == "grace"


def test_the_turn_has_a_heartbeat(monkeypatch):
    import threading

    study, beat = Study(), threading.Event()
    monkeypatch.setattr(study, "set_user_attr", lambda name, value: (study.user_attrs.update({name: value}),
                                                                     value and value["beats"] > 2 and beat.set()))
    where = SimpleNamespace(alone=contextlib.nullcontext, heartbeat=0.01, grace=20)
    with turn.taken(study, where, lambda: True) as mine:
        assert mine and beat.wait(10)
        turn.check(study)
    assert study.user_attrs[turn.TURN] is None


@pytest.mark.slow
def test_a_run_whose_checkpoint_was_kept_has_nothing_left_to_train(project):
    from pipeline.training import checkpoint, loop

    faces, rows, answers = Faces.load(project / "data/sample/balanced"), [], []
    config = resolve(params.load(), faces.manifest)
    for keep in (True, False):
        with checkpoint.held(project / ".checkpoints", config, "digest", keep=keep) as state:
            fitted = loop.fit_faces(config, faces, checkpoint=state, on_epoch=rows.append, verbose=False)
            answers.append(loop.predict(fitted.net, faces.images[:8]))
            assert len(fitted.history) == len(rows) == config["train"]["epochs"]
        assert any((project / ".checkpoints").iterdir()) == keep
    np.testing.assert_array_equal(*answers)
