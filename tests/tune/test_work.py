"""The study's one MLflow run, and which process is whose: nothing that lives is ended by those who leave."""

import contextlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pipeline.faces.faces import Faces
from pipeline.params import params
from pipeline.system.failure import Failure
from pipeline.tracking import killed, runs
from pipeline.tune import process, search, slots, storage, turn, work

ROOT = Path(__file__).parents[2]


@pytest.fixture
def opened(project, database, monkeypatch):
    """A search, its open study and the slots; MLflow is a file."""
    monkeypatch.delenv(storage.STORAGE, raising=False)
    shutil.copyfile(database, project / "mlflow.db")
    prepared = search.prepare(params.load(), Faces.load(project / "data/sample/balanced"))
    where = storage.address("sample")
    study = work.opened(prepared, storage.open_storage(where), where)
    return prepared, study, slots.Slots(study, where)


@pytest.fixture
def other():
    """A process that lives: the one that started this one."""
    started = psutil.Process(os.getppid()).create_time()
    return {**process.this(), "process": f"{os.getppid()} {started:.0f} {platform.node()}"}


def left(opened, error=None):
    """The state of the study's run after this worker has left."""
    prepared, study, its = opened
    with contextlib.suppress(Failure, KeyboardInterrupt), work._parent(prepared, study, its) as run:
        assert status(run) == "RUNNING"
        if error is not None:
            raise error
    return status(run)


def status(run):
    return runs.connect().get_run(run.id).info.status


def test_the_last_worker_ends_the_study_s_run(opened, other, monkeypatch):
    _, study, its = opened
    with monkeypatch.context() as patch:
        patch.setattr(process, "this", lambda: other)
        claim = its.claim(2)
    with monkeypatch.context() as patch:
        patch.setattr(runs.Run, "__exit__", lambda *_: pytest.fail("the other one trains"))
        for error in (None, Failure("the disk burns"), KeyboardInterrupt()):
            assert left(opened, error) == "RUNNING"
    its.finish(claim, "COMPLETE", [0.5])
    study.set_user_attr(turn.TURN, {**other, turn.BEATS: 0})
    assert left(opened) == "RUNNING", "the other one trains the finalists"
    run_id = runs.find("sample-7", work.IDENTITY, study.user_attrs[work.IDENTITY])
    assert runs.connect().get_run(run_id).data.tags[killed.TAG] == other["process"], "and has the run"
    study.set_user_attr(turn.TURN, None)
    assert left(opened, Failure("the disk burns")) == "FAILED"
    assert left(opened) == "FINISHED"


def test_a_training_at_full_length_is_ended_only_when_its_process_has_lost_the_turn(opened, other, monkeypatch):
    prepared, study, its = opened
    study.set_user_attr(turn.TURN, {**other, turn.BEATS: 0})
    with work._parent(prepared, study, its) as parent:
        with monkeypatch.context() as patch:
            patch.setattr(killed, "mark", lambda: other["process"])
            full = runs.start("the recipe at full length", "sample-7", {"kind": "full length"}, parent=parent.id)
        work._tidy(study, parent)
        assert status(full) == "RUNNING"
        study.set_user_attr(turn.TURN, {**process.this(), turn.BEATS: 0})
        work._tidy(study, parent)
        assert status(full) == "KILLED"


def opened_in(prepared, file, monkeypatch):
    """The same search's study in another file, and its slots."""
    monkeypatch.setenv(storage.STORAGE, f"sqlite:///{file}")
    where = storage.address("sample")
    study = work.opened(prepared, storage.open_storage(where), where)
    return prepared, study, slots.Slots(study, where)


def run_of(opened):
    """The id of the study's run, as a worker finds or begins it."""
    with work._parent(*opened) as run:
        return run.id


def test_studies_of_one_name_in_two_storages_have_a_run_each_on_the_server_that_they_share(opened, monkeypatch):
    prepared, study, _ = opened
    colleague = opened_in(prepared, "elsewhere.db", monkeypatch)
    assert study.study_name == colleague[1].study_name
    with work._parent(*colleague) as theirs:
        trial = runs.start("trial 0", "sample-7", {"kind": "trial", "trial": 0}, parent=theirs.id)
        with work._parent(*opened) as run:
            assert run.id != theirs.id
            work._tidy(study, run)
        assert status(theirs) == status(trial) == "RUNNING", "the other study's are left alone"
    assert (run_of(opened), run_of(colleague)) == (run.id, theirs.id)


@pytest.fixture
def other_mlflow(database, project, monkeypatch):
    """Turns to another MLflow, which has no run of the study."""
    shutil.copyfile(database, project / "other.db")
    return lambda: monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")


def test_a_worker_whose_mlflow_lacks_the_run_of_a_shared_study_stops(opened, postgresql, other_mlflow, monkeypatch):
    prepared, *_ = opened
    monkeypatch.setenv(storage.STORAGE, postgresql)
    where = storage.address("sample")
    study = work.opened(prepared, storage.open_storage(where), where)
    shared = prepared, study, slots.Slots(study, where)
    first = run_of(shared)
    assert study.user_attrs[work.MLFLOW_RUN] == first == run_of(shared)
    other_mlflow()
    with pytest.raises(Failure, match=rf"other\.db: it lacks run {first} of .*; set MLFLOW_TRACKING_URI") as caught:
        run_of(shared)
    assert "\n" not in str(caught.value) and runs.find("sample-7", "kind", "tune") is None
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert run_of(shared) == first
    other_mlflow()
    # What the command does that the README names for a run that is lost
    assert f"--key {work.MLFLOW_RUN} " in (ROOT / "pipeline/tune/README.md").read_text(encoding="utf-8")
    study.set_user_attr(work.MLFLOW_RUN, "")
    assert run_of(shared) == study.user_attrs[work.MLFLOW_RUN] != first


def test_a_study_of_this_machine_goes_on_in_a_new_run_where_its_mlflow_was_removed(opened, other, other_mlflow, capsys,
                                                                                  monkeypatch):
    _, study, its = opened
    first = run_of(opened)
    with monkeypatch.context() as patch:
        patch.setattr(process, "this", lambda: other)
        claim = its.claim(2)
    other_mlflow()
    with pytest.raises(Failure, match="set MLFLOW_TRACKING_URI as the study's other workers have it"):
        run_of(opened)
    its.finish(claim, "COMPLETE", [0.5])
    assert "lacks run" not in capsys.readouterr().out
    second = run_of(opened)
    assert f"other.db: it lacks run {first} of study {study.study_name}; another one" in capsys.readouterr().out
    assert run_of(opened) == second == study.user_attrs[work.MLFLOW_RUN] != first
    assert "lacks run" not in capsys.readouterr().out


def test_the_run_of_a_study_of_an_earlier_version_is_still_its_run(opened):
    _, study, _ = opened
    first = run_of(opened)
    study.set_user_attr(work.MLFLOW_RUN, None)
    assert run_of(opened) == first == study.user_attrs[work.MLFLOW_RUN]


def test_a_process_knows_its_own_turn_though_the_clock_is_set(monkeypatch):
    before = process.this()
    begun = psutil.Process().create_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: begun + 100)
    assert process.is_this(before) and process.lives_here(before) and not process.is_gone(before)


def test_all_processes_of_a_machine_know_it_by_the_same_hash():
    program = "from pipeline.tune import process; print(process.machine())"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == process.machine()
