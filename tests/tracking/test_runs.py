"""MLflow shows what happened: the right status, no holes in a curve, one run per model; one line when it is away."""

import http.server
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import toy_models
import toy_servers

from pipeline.system.failure import Failure
from pipeline.tracking import (
    children,
    entering,
    figures,
    killed,
    ledger,
    mlflow_server,
    registry,
    restoring,
    runs,
    ui,
)
from pipeline.tracking.machine import machine

ROOT = Path(__file__).parents[2]


def facts(run_id):
    return runs.connect().get_run(run_id)


def curve(run_id, name):
    return [(point.step, point.value) for point in runs.connect().get_metric_history(run_id, name)]


def test_the_database_lies_in_the_project_whatever_dvc_runs_in(project, tmp_path, monkeypatch):
    assert runs.uri() == f"sqlite:///{project.as_posix()}/mlflow.db"
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "parent"))
    assert runs.uri() == f"sqlite:///{tmp_path.as_posix()}/parent/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    assert runs.uri() == f"sqlite:///{tmp_path.as_posix()}/parent/other.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somewhere:5000")
    assert runs.uri() == "http://somewhere:5000"
    assert mlflow_server.artefacts(runs.uri()) is None


def test_connecting_leaves_the_environment_as_it_was(project):
    runs.connect()
    assert "MLFLOW_TRACKING_URI" not in os.environ, "the next folder in this process would write to this one's database"


def test_a_tree_becomes_one_level():
    tree = {"train": {"epochs": 2, "rate": {"peak": 0.1}}, "seed": 1, "none": {}}
    assert runs.flat(tree) == {"train.epochs": 2, "train.rate.peak": 0.1, "seed": 1, "none": {}}


def test_a_run_holds_parameters_curves_figures_data_and_tags(project, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "brave-name")
    with runs.start("one", "sample-7", {"recipe": "toy", "seed": 1}) as run:
        run.params({"train": {"epochs": 2}})
        for row in toy_models.HISTORY:
            run.epoch(row, row["epoch"])
        run.evaluation(toy_models.FIGURES)
        run.dataset({"dataset": "my-moods", "edition": "csv", "digest": "f" * 64,
                     "counts": {"Training": {"happy": 3}}})
        (project / "note.txt").write_text("hello")
        run.files([project / "note.txt"], "reports")
    data = facts(run.id).data
    assert data.params == {"train.epochs": "2"}
    assert curve(run.id, "val_accuracy") == [(1, 0.25), (2, 0.5)]
    assert set(data.metrics) == {"accuracy/PublicTest", "macro_f1/PublicTest", "loss/PublicTest", "val_accuracy",
                                 "val_loss"}
    assert {"recipe": "toy", "seed": "1", "DVC_EXP_NAME": "brave-name"}.items() <= data.tags.items()
    (given,) = facts(run.id).inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("my-moods", "f" * 12)
    assert facts(run.id).info.status == "FINISHED"
    assert list(project.glob("mlruns/sample-7/*/artifacts/reports/note.txt")), "artefacts lie beside the database"


def test_a_run_s_page_has_the_headline_figures_as_metrics_and_all_of_them_as_tables(project):
    """Some thirty metrics with the six curves, not one for every view of every split."""
    measured = toy_models.figures()
    corrupted = {"mean": 0.4, "worst": 0.2, "n": 28, "accuracy": {"fog": 0.4}}
    measured = {**measured, "Training": {"single": measured["test"]["single"]}, "copy_free": toy_models.figures(),
                "corrupted": {"PublicTest": corrupted, "PrivateTest": corrupted}}
    metrics = figures.headline(measured)
    assert len(metrics) == 22
    for split in ("PublicTest", "PrivateTest"):
        assert {name for name in metrics if split in name} == {
            f"{figure}/{split}" for figure in ("accuracy", "macro_f1", "loss")} | {
            f"accuracy/{split}_{view}" for view in ("flip", "copy_free", "corrupted", "corrupted_worst")}
    assert (metrics["accuracy/PublicTest"], metrics["accuracy/PublicTest_flip"]) == (0.65, 0.67)
    rows = figures.tables(measured)["splits"]["data"]
    assert {"PublicTest_copy_free", "test", "Training"} <= {row[0] for row in rows} and len(rows) == 13


class TrialPruned(Exception):
    """Optuna's, by name."""


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED"),
                                               (TrialPruned, "KILLED")])
def test_what_ends_a_run_decides_its_status_and_goes_on_up(project, error, status):
    with pytest.raises(error), runs.start("one", "sample-7", {}) as run:
        raise error
    assert facts(run.id).info.status == status


def test_a_killed_run_goes_on_and_a_lost_one_begins_anew(project):
    run = runs.start("one", "sample-7", {})
    run.params({"seed": 2})
    run.dataset({"dataset": "sample", "edition": "csv", "digest": "f" * 64})
    run.epoch(toy_models.HISTORY[0], 1)
    with runs.start("one", "sample-7", {"seed": 2}, run_id=run.id) as again:
        again.params({"seed": 2})
        again.dataset({"dataset": "sample", "edition": "csv", "digest": "f" * 64})
        again.history(toy_models.HISTORY)
        again.history(toy_models.HISTORY)
    assert again.id == run.id
    assert curve(run.id, "val_loss") == [(1, 1.5), (2, 1.0)], "every epoch once"
    assert len(facts(run.id).inputs.dataset_inputs) == 1
    assert facts(run.id).info.status == "FINISHED"
    with runs.start("one", "sample-7", {}, run_id="a" * 32) as other:
        pass
    assert other.id not in (run.id, "a" * 32)
    assert runs.exists(other.id)
    assert not runs.exists("a" * 32)
    assert not runs.exists(None)


def as_of(process: int, monkeypatch, name: str = "one", **changes):
    """A run that a process began and has not ended."""
    with monkeypatch.context() as patched:
        patched.setattr(killed, "mark", lambda: f"{process} {psutil.Process().create_time():.0f} {platform.node()}")
        return runs.start(name, "sample-7", {}, **changes)


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_next_run_ends_what_killed_processes_left_running(project, monkeypatch, dead):
    left = [as_of(dead, monkeypatch), as_of(dead, monkeypatch, parent="a" * 32)]
    living = [runs.start("mine", "sample-7", {}), runs.start("child", "sample-7", {}, parent="b" * 32)]
    foreign = as_of(dead, monkeypatch)
    runs.connect().set_tag(foreign.id, killed.TAG, f"{dead} 1700000000 another-machine")
    unknown = as_of(dead, monkeypatch)
    runs.connect().delete_tag(unknown.id, killed.TAG)
    with runs.start("next", "sample-7", {}):
        pass
    assert {facts(run.id).info.status for run in left} == {"KILLED"}
    assert {facts(run.id).info.status for run in (*living, foreign, unknown)} == {"RUNNING"}


def test_a_killed_run_that_goes_on_is_its_new_process_s(project, monkeypatch, dead):
    run = as_of(dead, monkeypatch)
    again = runs.start("one", "sample-7", {}, run_id=run.id)
    with runs.start("another", "sample-7", {}):
        assert facts(again.id).info.status == "RUNNING"


@pytest.mark.parametrize("process", ["", "x", "1 2", "a b c", "1 x y", f"-1 1 {platform.node()}",
                                     pytest.param(f"{os.getpid()} {psutil.Process().create_time():.0f} "
                                                  f"{platform.node()}", id="this one")])
def test_who_cannot_be_looked_up_is_not_dead(process):
    assert not killed.is_dead(process)


def test_a_number_that_another_process_has_now_is_a_dead_one_s():
    assert killed.is_dead(f"{os.getpid()} 1000 {platform.node()}")
    assert killed.is_dead(f"{os.getpid()} 1000 {platform.node()} {machine()}")
    assert not killed.is_dead(killed.mark())


def test_a_process_has_the_mark_that_it_had_though_the_clock_is_set_and_a_fork_has_its_own(monkeypatch):
    before, begun = killed.mark(), psutil.Process().create_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: begun + 100)
    assert killed.mark() == before and not killed.is_dead(before)
    monkeypatch.setattr(os, "getpid", os.getppid)
    assert killed.mark().startswith(f"{os.getppid()} ")


def test_on_a_server_a_process_of_another_machine_of_the_same_name_is_not_called_dead(project, monkeypatch, dead):
    run = as_of(dead, monkeypatch)
    runs.connect().set_tag(run.id, killed.TAG, f"{dead} 1700000000 {platform.node()} 0123456789ab")
    with monkeypatch.context() as server:
        server.setattr(mlflow_server, "file", lambda address: None)
        with runs.start("next", "sample-7", {}):
            pass
        assert facts(run.id).info.status == "RUNNING"
    with runs.start("next", "sample-7", {}):
        pass
    assert facts(run.id).info.status == "KILLED", "a file is this machine's, which has been started anew since"


def test_a_run_killed_after_its_model_was_complete_is_finished_with_it(project, monkeypatch, dead):
    """The bundle is on its shelf, and the process was killed before it became the run's model."""
    run = as_of(dead, monkeypatch)
    bundle = toy_models.bundle(project / "made", run_id=run.id)
    with runs.start("another", "sample-7", {}):
        assert facts(run.id).info.status == "KILLED"
    entering.record(ledger.entry(bundle, toy_models.FIGURES, 0.5), bundle)
    assert facts(run.id).info.status == "FINISHED"
    assert facts(run.id).data.tags["bundle"] == bundle.id
    assert len(facts(run.id).outputs.model_outputs) == 1


def test_a_trial_is_a_child_of_the_search(project):
    with runs.start("tune", "sample-7", {"kind": "tune"}) as parent:
        parent.dataset({"dataset": "sample", "edition": "drawn", "digest": "f" * 64})
        with runs.start("trial 0", "sample-7", {"kind": "trial"}, parent=parent.id) as child:
            pass
    assert facts(child.id).data.tags["mlflow.parentRunId"] == parent.id
    assert facts(parent.id).info.experiment_id == facts(child.id).info.experiment_id
    assert facts(child.id).inputs.dataset_inputs[0].dataset.name == "sample", "a trial's data is its study's"


def test_system_metrics_are_a_childs_which_lasts_as_long_and_goes_on_with_its_run(project, monkeypatch):
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    client = runs.connect()
    with runs.start("one", "sample-7", {}, system_metrics=True) as run:
        child = children.machine_of(client, run.id)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and not facts(child).data.metrics:
            time.sleep(0.1)
        assert facts(child).info.status == "RUNNING"
    assert "system/cpu_utilization_percentage" in facts(child).data.metrics and not facts(run.id).data.metrics
    assert facts(child).info.run_name == "one, machine" and facts(child).info.status == "FINISHED"
    with pytest.raises(ValueError), runs.start("one", "sample-7", {}, run_id=run.id, system_metrics=True):
        assert facts(child).info.status == "RUNNING", "one child, however often its run goes on"
        raise ValueError
    assert facts(child).info.status == "FAILED"


def test_everything_measured_is_in_tables_that_mlflow_shows_and_a_second_time_adds_nothing(project):
    robustness = {"n": 280, "mean": 0.4, "worst": 0.1, "accuracy": {"blur": 0.1, "noise": 0.7}}
    with runs.start("one", "sample-7", {}) as run:
        for _ in range(2):
            run.evaluation({**toy_models.FIGURES, "corrupted": {"PublicTest": robustness}})
    client = runs.connect()
    tables = {name: client.load_table(facts(run.id).info.experiment_id, f"figures/{name}.json", [run.id])
              for name in ("splits", "per_class", "corruptions")}
    (happy,), (public,) = (tables[name].round(6).to_dict("records") for name in ("per_class", "splits"))
    assert happy == {"split": "PublicTest", "view": "single", "class": "happy", "precision": 0.7, "recall": 0.75,
                     "f1": 0.72, "n": 4}
    assert (public["n"], public["accuracy"], public["interval_low"], public["interval_high"]) == (280, 0.5, 0.4, 0.6)
    assert tables["corruptions"]["accuracy"].round(6).tolist() == [0.1, 0.7]
    assert facts(run.id).data.metrics["accuracy/PublicTest_corrupted_worst"] == 0.1


def test_the_comparison_of_runs_opens_on_accuracy(project):
    """MLflow's charts have a section for what is before the slash, sorted, and within it the metrics, sorted."""
    with runs.start("one", "sample-7", {}) as run:
        run.evaluation({**toy_models.figures(), "corrupted": {
            "PublicTest": {"n": 1, "mean": 0.4, "worst": 0.1, "accuracy": {"blur": 0.1}}}})
    experiment = runs.connect().get_experiment_by_name("sample-7")
    assert experiment.tags["mlflow.experiment.primaryMetric.name"] == "accuracy/PublicTest"
    assert "data set sample" in experiment.tags["mlflow.note.content"]
    assert sorted({name.rpartition("/")[0] for name in facts(run.id).data.metrics})[0] == "accuracy"
    assert len(facts(run.id).data.metrics) == 14


def test_a_model_is_logged_once_with_its_signature_and_the_whole_bundle(project):
    bundle = toy_models.bundle(project / "made")
    with runs.start("one", "sample-7", {}) as run:
        assert run.model(bundle) == run.model(bundle)
    logged = runs.connect().get_logged_model(facts(run.id).outputs.model_outputs[0].model_id)
    assert logged.experiment_id == facts(run.id).info.experiment_id
    (file,) = project.glob("mlruns/sample-7/models/*/artifacts/MLmodel")
    for shape in ("[-1, 48, 48, 1]", "[-1, 7]"):
        assert shape in " ".join(file.read_text().split())
    (copy,) = project.glob("mlruns/sample-7/*/artifacts/bundle")
    assert {one.name for one in copy.iterdir()} == {"bundle.json", "model.onnx", "model.keras", "history.csv"}


def test_a_version_is_a_bundle_and_comes_back_byte_for_byte(project, tmp_path):
    bundle = toy_models.bundle(project / "made")
    with runs.start("one", "sample-7", {}) as run:
        pass
    version = registry.register("sample-7", bundle, run.id)
    assert registry.register("sample-7", bundle, run.id) == version
    assert registry.champion("sample-7") is None
    assert registry.champion("nobody-7") is None
    registry.alias("sample-7", "champion", version)
    assert registry.champion("sample-7") == (version, bundle.id)
    assert registry.download_bundle("sample-7", version, tmp_path / "back").id == bundle.id


def test_another_bundle_is_another_version_and_lost_files_are_one_line(project, tmp_path):
    versions = []
    for off in (0, 1):
        with runs.start("one", "sample-7", {}) as run:
            versions.append(registry.register("sample-7", toy_models.bundle(project / f"off{off}", off=off), run.id))
    assert versions[0] != versions[1]
    shutil.rmtree(project / "mlruns")
    with pytest.raises(Failure, match=r"files of run .* are gone"):
        registry.download_bundle("sample-7", versions[0], tmp_path / "back")


def test_a_missing_run_is_made_of_the_ledger_entry_once(project):
    bundle = toy_models.bundle(project / "made", run_id="b" * 32)
    entry = ledger.entry(bundle, toy_models.FIGURES, 0.5)
    run_id = restoring.restore(entry, bundle)
    assert run_id != "b" * 32
    assert restoring.restore(entry, bundle) == run_id
    run = facts(run_id)
    assert run.data.params == {"train.epochs": "2", "model.name": "toy"}
    assert run.data.metrics["accuracy/PublicTest"] == 0.5
    assert run.data.tags["rebuilt"] == "true"
    assert len(run.outputs.model_outputs) == 1


def test_an_evaluation_joins_the_run_that_trained_the_bundle(project):
    with runs.start("one", "sample-7", {}) as run:
        run.epoch(toy_models.HISTORY[0], 1)
    bundle = toy_models.bundle(project / "made", run_id=run.id)
    (project / "metrics.json").write_text("{}")
    entering.record(ledger.entry(bundle, toy_models.FIGURES, 0.5), bundle, None, [project / "metrics.json"])
    assert facts(run.id).data.metrics["accuracy/PublicTest"] == 0.5
    assert curve(run.id, "val_loss") == [(1, 1.5), (2, 1.0)], "the hole is filled"
    assert facts(run.id).info.status == "FINISHED"
    assert list(project.glob("mlruns/sample-7/*/artifacts/reports/metrics.json"))


def test_a_locked_database_is_one_line(project, monkeypatch):
    monkeypatch.setattr(mlflow_server, "WAIT", 0.2)
    holder = sqlite3.connect(project / "mlflow.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    begun = time.monotonic()
    with pytest.raises(Failure, match=r"mlflow\.db: locked by another program; end it") as caught:
        runs.connect()
    assert "\n" not in str(caught.value)
    assert time.monotonic() - begun < 10
    holder.close()
    runs.connect()


def test_a_lock_in_the_middle_of_a_run_is_the_same_line(project):
    from mlflow.exceptions import MlflowException

    @mlflow_server.in_one_line()
    def log():
        raise MlflowException("(sqlite3.OperationalError) database is locked\n[SQL: INSERT ...]")

    with pytest.raises(Failure, match="locked by another program"):
        log()


def test_a_file_that_is_no_database_is_one_line_and_stays(project):
    (project / "mlflow.db").write_bytes(b"precious notes, not a database" * 40)
    with pytest.raises(Failure, match="not an MLflow database"):
        runs.connect()
    assert (project / "mlflow.db").read_bytes().startswith(b"precious")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("password", ["secret", "s@cretpart", "s/cretpart", "s:cr#tpart?", "s%40cretpart",
                                      "12/cretpart", "12@cretpart/more"])
def test_a_server_that_is_away_is_one_line_without_its_password(project, monkeypatch, scheme, password):
    address = f"127.0.0.1:{toy_servers.free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{scheme}://me:{password}@{address}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    # With / or # in it a library reads another address, or none
    expected = "MLflow at" if set(password) & {"/", "#"} else "no server answers there; start it"
    with pytest.raises(Failure, match=expected) as caught:
        runs.connect()
    assert not toy_servers.shows(str(caught.value), password)
    assert f"{scheme}://***@{address}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_without_https_is_not_taken_for_one_that_is_away(project, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"https://127.0.0.1:{server.server_port}")
        with pytest.raises(Failure, match="it speaks no https, or its certificate is not trusted") as caught:
            runs.connect()
        server.shutdown()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("password", ["s[cretpart", "s@[cretpart]"])
def test_a_server_whose_address_cannot_be_read_is_one_line_without_its_password(project, monkeypatch, password):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{password}@127.0.0.1:5000")
    with pytest.raises(Failure, match=r"MLFLOW_TRACKING_URI: its host cannot be read; .* as %5B and %5D") as caught:
        runs.connect()
    assert not toy_servers.shows(str(caught.value), password)


def test_the_password_of_a_server_is_not_printed_by_ui(monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:s@cret@server:5000")
    ui.main([])
    assert capsys.readouterr().out == "MLFLOW_TRACKING_URI names a server: open https://***@server:5000\n"


def test_errors_of_our_own_are_not_taken_for_the_server_s():
    with pytest.raises(ZeroDivisionError), mlflow_server.in_one_line():
        raise ZeroDivisionError


@pytest.mark.slow
def test_two_processes_that_open_a_new_database_do_not_race(tmp_path):
    code = "from pipeline.tracking import runs; print(len(runs.connect().search_experiments()))"
    environment = {key: value for key, value in os.environ.items() if key not in ("MLFLOW_TRACKING_URI", "DVC_ROOT")}
    environment["PYTHONPATH"] = str(ROOT)
    both = [subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    answers = [one.communicate(timeout=200) for one in both]
    assert [out.strip() for out, _ in answers] == ["1", "1"], answers
