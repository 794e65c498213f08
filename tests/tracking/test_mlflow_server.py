"""A new mlflow.db appears whole or not at all, and what an interrupted program left of one is put right."""

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pipeline.system.failure import Failure
from pipeline.tracking import mlflow_server, runs

ROOT = Path(__file__).parents[2]


def change(database: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(database)) as content, content:
        for statement in statements:
            content.execute(statement)


def versions(database: Path) -> list[tuple]:
    with contextlib.closing(sqlite3.connect(database)) as content:
        return content.execute("SELECT version_num FROM alembic_version").fetchall()


@pytest.fixture
def making(project, monkeypatch):
    """A project without a database; MLflow's migrations are a copy of a migrated one, after what ``before`` holds."""
    from mlflow.store.tracking import sqlalchemy_store

    migrated = (project / "mlflow.db").read_bytes()
    (project / "mlflow.db").unlink()
    before = []

    class Store:
        def __init__(self, address, artefacts):
            assert artefacts == (project / "mlruns").as_uri()
            new = mlflow_server.file(address)
            new.write_bytes(migrated)
            Path(f"{new}-journal").write_bytes(b"")
            for action in before:
                action()
            Path(f"{new}-journal").unlink()
            self.engine = self

        def dispose(self):
            pass

    monkeypatch.setattr(sqlalchemy_store, "SqlAlchemyStore", Store)
    return before


def complete(project: Path) -> None:
    mlflow_server.complete(mlflow_server.uri(), project / "mlflow.db")


def test_a_making_that_is_interrupted_leaves_no_database(project, making):
    def interrupted():
        raise KeyboardInterrupt

    making.append(interrupted)
    with pytest.raises(KeyboardInterrupt):
        complete(project)
    assert not (project / "mlflow.db").exists()
    making.clear()
    complete(project)
    assert len(versions(project / "mlflow.db")) == 1
    assert [file.name for file in project.iterdir()] == ["mlflow.db"], "the journal of the first goes with it"


@pytest.mark.parametrize("half", [
    ["DELETE FROM alembic_version"],
    ["DROP TABLE alembic_version"],
    ["UPDATE alembic_version SET version_num = '451aebb31d03'", "CREATE TABLE _alembic_tmp_runs (a)"],
], ids=["no version", "no versions", "an early version"])
def test_half_a_database_is_said_and_made_again(project, making, capsys, half):
    complete(project)
    expected = versions(project / "mlflow.db")
    change(project / "mlflow.db", *half)
    complete(project)
    assert versions(project / "mlflow.db") == expected
    assert "interrupted and it holds no run; made again" in capsys.readouterr().out


def test_an_empty_file_becomes_a_database_and_its_journal_is_not_played_into_it(project, making):
    (project / "mlflow.db").touch()
    (project / "mlflow.db-journal").write_bytes(b"of a database that is gone")
    complete(project)
    assert len(versions(project / "mlflow.db")) == 1
    assert not (project / "mlflow.db-journal").exists()


def test_whatever_holds_a_run_or_tables_of_others_stays(project, making, capsys):
    complete(project)
    for statement in ("INSERT INTO runs (run_uuid) VALUES ('a')", "CREATE TABLE precious (a)"):
        change(project / "mlflow.db", statement, "DELETE FROM alembic_version")
        before = (project / "mlflow.db").read_bytes()
        complete(project)
        assert (project / "mlflow.db").read_bytes() == before
        change(project / "mlflow.db", "DELETE FROM runs")
    assert not capsys.readouterr().out


def test_a_complete_one_without_runs_stays(project):
    before = (project / "mlflow.db").read_bytes()
    complete(project)
    assert (project / "mlflow.db").read_bytes() == before


@pytest.mark.parametrize("symptom", ["table trace_info already exists", "duplicate column name: client_request_id"])
def test_an_upgrade_that_was_interrupted_says_what_to_do(project, symptom):
    from mlflow.exceptions import MlflowException

    with pytest.raises(Failure, match=r"half upgraded .* rebuild-mlflow"), mlflow_server.in_one_line():
        raise MlflowException(f"(sqlite3.OperationalError) {symptom}")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX's")
def test_a_program_that_is_killed_in_the_migrations_breaks_nothing(tmp_path, monkeypatch):
    environment = {key: value for key, value in os.environ.items() if key not in ("MLFLOW_TRACKING_URI", "DVC_ROOT")}
    environment["PYTHONPATH"] = str(ROOT)
    process = subprocess.Popen([sys.executable, "-c", "from pipeline.tracking import runs; runs.connect()"],
                               cwd=tmp_path, env=environment)
    while not any(file.stat().st_size for file in tmp_path.glob(".mlflow.db.*.new")):
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "mlflow.db").exists()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert [experiment.name for experiment in runs.connect().search_experiments()] == ["Default"]
    assert not list(tmp_path.glob(".mlflow.db.*"))


@pytest.fixture
def mute():
    """The address of a server that takes connections and says nothing."""
    listening = socket.create_server(("127.0.0.1", 0))
    yield f"127.0.0.1:{listening.getsockname()[1]}"
    listening.close()


@pytest.mark.parametrize("user", ["", "me:secret@"])
def test_a_server_that_says_nothing_is_left_after_seconds(project, mute, monkeypatch, user):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{user}{mute}")
    monkeypatch.setattr(mlflow_server.check_answers, "__defaults__", (0.4,))
    begun = time.monotonic()
    with pytest.raises(Failure, match=r"no answer within 0\.4 seconds; restart the server") as caught:
        runs.connect()
    assert time.monotonic() - begun < 5 and "secret" not in str(caught.value)


def test_a_server_that_answers_anything_is_mlflow_s_to_judge(mute):
    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(401)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        mlflow_server.check_answers(f"http://127.0.0.1:{server.server_port}")
        thread.join(10)
    mlflow_server.check_answers(f"http://127.0.0.1:{server.server_port}")  # nobody is there: MLflow says so
    mlflow_server.check_answers("sqlite:///mlflow.db")
    with pytest.raises(Failure, match="host cannot be read"):
        mlflow_server.check_answers("http://[")
