"""One study, many workers: each slot counts once, whatever happens to those who run it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import toy_models
from ruamel.yaml import YAML

from pipeline.faces.faces import Faces
from pipeline.params import params
from pipeline.tracking import entering, ledger, runs
from pipeline.tune import search, slots, storage

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="workers are forked")
SECONDS = {"OPTUNA_HEARTBEAT": "1", "OPTUNA_GRACE": "3"}


@pytest.fixture(params=["sqlite", "postgresql"])
def team(request, crew, monkeypatch):
    """Workers on one storage, which this process sees, too."""
    monkeypatch.delenv(storage.STORAGE, raising=False)
    if request.param == "postgresql":
        monkeypatch.setenv(storage.STORAGE, request.getfixturevalue("postgresql"))
    return crew


def prepared():
    return search.prepare(params.load(), Faces.load(params.load().data / "balanced"))


def joining():
    return ["tune-worker", prepared().name]


def environment(**more):
    return {**{name: os.environ[name] for name in (storage.STORAGE,) if name in os.environ}, **more}


def trials():
    """Every trial of the study."""
    import optuna

    opened = storage.open_storage(storage.address("sample"))
    return optuna.load_study(study_name=prepared().name, storage=opened).trials


def check(count=10):
    """So many trials count, one a slot, no two with equal parameters, nothing runs; returns all trials."""
    assert Path(".studies").exists() == (storage.STORAGE not in os.environ), "on a server there is no file"
    every = trials()
    counted = [trial for trial in every if trial.state.name in slots.FINISHED]
    assert sorted(trial.user_attrs["slot"] for trial in counted) == list(range(count))
    assert len({tuple(sorted(trial.params.items())) for trial in counted}) == count
    assert {trial.state.name for trial in every} <= {*slots.FINISHED, "FAIL"}
    in_mlflow = mlflow_runs()
    assert {run.info.status for run in in_mlflow} <= {"FINISHED", "KILLED"}
    by_id = {run.info.run_id: run for run in in_mlflow}
    parent, = [run for run in in_mlflow if run.data.tags["kind"] == "tune"]
    assert parent.info.run_name == f"tune {parent.data.tags['recipe']} seed {parent.data.tags['seed']}"
    assert parent.info.status == "FINISHED"
    for trial in counted:
        tags = by_id[trial.user_attrs["run_id"]].data.tags
        assert tags["slot"] == str(trial.user_attrs["slot"]) and tags["host"] == trial.user_attrs["host"]
        assert tags["process"] == trial.user_attrs["process"]
        name = by_id[trial.user_attrs["run_id"]].info.run_name
        assert name == f"{tags['recipe']} seed {tags['seed']}, trial {tags['slot']}"
    return every


def change_params(change):
    """Change params.yaml as a tree."""
    yaml = YAML()
    tree = yaml.load(Path("params.yaml"))
    change(tree)
    yaml.dump(tree, Path("params.yaml"))


def mlflow_runs():
    client = runs.connect()
    return client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])


@pytest.mark.slow
def test_four_workers_that_start_together_share_a_study(team):
    workers = team.start(*[joining()] * 4, **environment())
    for worker in workers:
        code, output = team.wait(worker)
        assert code == 0 and "study " in output and "Traceback" not in output, output
    every = check()
    assert len({trial.user_attrs["process"] for trial in every}) > 1
    assert len(every) == 10, "none was lost, none was run twice"


@pytest.mark.slow
def test_a_trial_whose_worker_is_killed_is_run_again_once(team):
    first, = team.start(joining(), hold=2, **environment(**SECONDS))
    team.until(first, "held")
    second, = team.start(joining(), **environment(**SECONDS))
    os.kill(first, signal.SIGKILL)
    code, output = team.wait(second)
    assert code == 0, output
    every = check()
    again = [trial for trial in every if "failed_trial" in trial.system_attrs]
    assert len(again) == 1 and len(every) == 11
    lost = every[again[0].system_attrs["failed_trial"]]
    assert lost.state.name == "FAIL" and lost.user_attrs["slot"] == again[0].user_attrs["slot"]
    assert lost.params == again[0].params


@pytest.mark.slow
def test_a_worker_that_comes_back_too_late_says_so_and_counts_nothing_twice(team):
    first, = team.start(joining(), hold=2, **environment(**SECONDS))
    team.until(first, "held")
    os.kill(first, signal.SIGSTOP)
    second, = team.start(joining(), **environment(**SECONDS))
    assert team.wait(second)[0] == 0
    before = check()
    team.let_go()
    os.kill(first, signal.SIGCONT)
    code, output = team.wait(first)
    assert code == 0 and "Traceback" not in output
    late = [line for line in output.splitlines() if "silent for longer than 3 s" in line]
    assert len(late) == 1 and late[0].startswith("tune: trial 2: ")
    after = check()
    assert [(trial.state, trial.params, trial.value) for trial in after] == [
        (trial.state, trial.params, trial.value) for trial in before]


@pytest.mark.slow
def test_a_worker_of_another_study_stops_with_both_names(crew):
    expected = prepared().name
    first, = crew.start(["tune"])
    assert crew.wait(first)[0] == 0

    def other_space():
        change_params(lambda tree: tree["tune"]["space"]["train.learning_rate"].update(high=0.2))

    def other_recipe():
        change_params(lambda tree: tree["train"].update(weight_decay=0.123))

    def other_data():
        faces = Faces.load(crew.project / "data/sample/balanced")
        faces.take(np.arange(len(faces) - 1)).save(crew.project / "data/sample/balanced")

    text = (crew.project / "params.yaml").read_text()
    for change, part in ((other_space, "space"), (other_recipe, "recipe"), (other_data, "data")):
        (crew.project / "params.yaml").write_text(text)
        change()
        worker, = crew.start(["tune-worker", expected])
        code, output = crew.wait(worker)
        assert code == 1 and len(output.splitlines()) == 1
        assert f"would search {prepared().name}, expected {expected}: another {part};" in output
    unknown, = crew.start(["tune-worker", "compact-0123456789ab"])
    code, output = crew.wait(unknown)
    assert code == 1 and "there is no study compact-0123456789ab at" in output and prepared().name in output


@pytest.mark.slow
def test_the_same_study_gives_the_same_table_on_sqlite_and_on_postgresql_though_its_worker_is_killed(crew, postgresql):
    """The next one on the same machine sees at once that it is gone, and goes on where it was."""
    tables, on_server = [], {storage.STORAGE: postgresql}
    for hold, env in ((None, {}), (5, on_server)):
        worker, = crew.start(["tune"], hold=hold, **env)
        if hold is not None:
            crew.until(worker, "held")
            os.kill(worker, signal.SIGKILL)
            crew.wait(worker)
            begun = time.monotonic()
            worker, = crew.start(["tune"], **env)
        code, output = crew.wait(worker)
        assert code == 0, output
        tables.append((crew.project / "reports/sample/trials.csv").read_text())
    assert time.monotonic() - begun < storage.SHARED[1], "not even the grace period was waited for"
    assert tables[0] == tables[1] and len(tables[0].splitlines()) == 11


@pytest.mark.slow
def test_of_two_stages_one_trains_the_finalists_and_the_other_goes_on_when_it_is_killed(team):
    change_params(lambda tree: tree["tune"].update(finalists=2))
    often = environment(OPTUNA_HEARTBEAT="1")
    first, = team.start(["tune"], hold=10, **often)
    # In the recipe's training at full length, after the ten trials
    team.until(first, "held")
    second, = team.start(["tune"], **often)
    team.until(second, "trains the recipe and the finalists at full length")
    joined, = team.start(joining(), **often)
    assert team.wait(joined)[0] == 0
    running = [run.data.tags["kind"] for run in mlflow_runs() if run.info.status == "RUNNING"]
    assert sorted(running) == ["full length", "tune"], "who leaves ends nothing of those who work"
    os.kill(first, signal.SIGKILL)
    team.wait(first)
    code, output = team.wait(second)
    assert code == 0, output
    check()
    found = YAML(typ="safe").load(team.project / "reports/sample/best_params.yaml")
    slots_trained = [0, *sorted(row["trial"] for row in found["finalists"])]
    runs_of = {status: sorted(int(run.data.tags["slot"]) for run in mlflow_runs() if run.info.status == status
                              and run.data.tags["kind"] == "full length") for status in ("KILLED", "FINISHED")}
    assert runs_of == {"KILLED": [0], "FINISHED": slots_trained} and len(slots_trained) > 1


@contextlib.contextmanager
def mlflow_server(folder, port):
    """MLflow's server on the project's database, killed at the end with all of its processes."""
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", str(port),
               "--backend-store-uri", "sqlite:///mlflow.db", "--uvicorn-opts", "--log-level critical"]
    with open(folder / "server.log", "a") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True, env={
            **os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})
    try:
        while True:
            assert process.poll() is None, (folder / "server.log").read_text()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_an_mlflow_server_that_stops_in_mid_search_is_one_line_and_the_next_run_completes(crew, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    with_server = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    with mlflow_server(crew.project, port):
        worker, = crew.start(["tune"], hold=2, **with_server)
        crew.until(worker, "held")
    crew.let_go()
    code, output = crew.wait(worker)
    assert code == 1 and output.splitlines()[-1] == (
        f"tune: MLflow at http://127.0.0.1:{port}: no server answers there; start it, or unset MLFLOW_TRACKING_URI to "
        "use mlflow.db")
    assert "Traceback" not in output
    with mlflow_server(crew.project, port):
        worker, = crew.start(["tune"], **with_server)
        code, output = crew.wait(worker)
        assert code == 0 and "tune: 8 of 10 trials to run" in output, output
        assert len(check()) == 11


@pytest.mark.slow
def test_the_password_of_the_storage_is_written_nowhere(crew, postgresql, monkeypatch):
    """Neither by the stage nor by DVC, MLflow, a worker that fails, or a model that is entered into the records."""
    (crew.project / "tune.py").write_text(
        f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\nimport crew\nimport pipeline.training\n"
        "pipeline.training.loop = crew.stand_in(None)\ncrew.failure.run(crew.stage.main, 'tune')\n")
    stage = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]["tune"]
    stage.update(cmd=f'"{sys.executable}" tune.py', deps=["data/${dataset}/balanced"])
    YAML().dump({"stages": {"tune": stage}}, crew.project / "dvc.yaml")
    env = {**os.environ, storage.STORAGE: postgresql, "PYTHONPATH": str(ROOT)}
    logs = []
    for command in ("init -q --no-scm", "repro -v", "status -v"):
        done = subprocess.run([sys.executable, "-m", "dvc", *command.split()], cwd=crew.project, env=env, text=True,
                              capture_output=True)
        assert done.returncode == 0, done.stderr
        logs.append(done.stdout + done.stderr)
    assert "***@127.0.0.1" in logs[1] and "up to date" in logs[2]
    for command, environment in ((["tune-worker", "another-study"], {storage.STORAGE: postgresql}),
                                 (["tune"], {storage.STORAGE: f"{postgresql}x"})):
        worker, = crew.start(command, **environment)
        assert crew.wait(worker)[0] == 1
    monkeypatch.setenv(storage.STORAGE, postgresql)
    bundle = toy_models.bundle(crew.project / "data/sample/bundle")
    entry = entering.record(ledger.entry(bundle, toy_models.FIGURES, 0.5), bundle)
    (crew.project / "dvc.log").write_text("\n".join(logs))
    files = [path for path in crew.project.rglob("*") if path.is_file()]
    assert {"dvc.lock", "trials.csv", "study.html", "best_params.yaml", "mlflow.db", "dvc.log", entry.name} <= {
        path.name for path in files}
    for path in files:
        assert b"s3cret" not in path.read_bytes(), path
