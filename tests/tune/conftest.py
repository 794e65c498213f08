"""A small project to search in, a PostgreSQL, and workers in processes of their own."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import toy_models
import toy_servers
from ruamel.yaml import YAML

from pipeline.faces.faces import EMOTIONS, SPLITS, Faces

ROOT = Path(__file__).parents[2]
# With what an address must be told for: braces are fields to Optuna, % begins an escape
PASSWORD = "s3cret{word}%25x"


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
    tree["tune"].update(trials=2, epochs=1, finalists=0)
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


@pytest.fixture(scope="session")
def server():
    """The address of a PostgreSQL of this session, without a database."""
    with toy_servers.postgresql("worker", PASSWORD.replace("%25", "%")) as port:
        yield f"postgresql+psycopg2://worker:{PASSWORD}@127.0.0.1:{port}"


@pytest.fixture
def postgresql(server, request):
    """The address of an empty database."""
    import sqlalchemy

    name = f"db{abs(hash(request.node.nodeid))}"
    engine = sqlalchemy.create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return f"{server}/{name}"


@pytest.fixture(scope="module")
def forks():
    """The process whose forks are workers: it imports once what they all need."""
    process = subprocess.Popen([sys.executable, Path(__file__).with_name("crew.py")], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    yield process
    process.stdin.close()
    process.wait()


class Crew:
    """Workers whose training takes no time; several start at one instant."""

    def __init__(self, project, forks):
        self.project, self.process, self.outputs = project, forks, {}

    def _ask(self, **message):
        print(json.dumps(message), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def start(self, *commands, hold=None, **environment):
        """Start a worker for every command, such as ``["tune-worker", STUDY]`` or ``["tune"]``; their numbers.

        Args:
            hold: the trial, of those that a worker trains, in whose second epoch it waits for ``let_go``.
        """
        first = len(self.outputs)
        logs = [str(self.project / f"worker-{first + index}.log") for index in range(len(commands))]
        numbers = self._ask(start=commands, logs=logs, hold=hold, environment=environment, folder=str(self.project))
        self.outputs.update(zip(numbers, map(Path, logs), strict=True))
        return numbers

    def let_go(self):
        (self.project / "go").touch()

    def output(self, number):
        return self.outputs[number].read_text()

    def wait(self, number):
        """The exit code of a worker, and what it printed."""
        return self._ask(wait=number), self.output(number)

    def until(self, number, text):
        """Wait until a worker has printed a text."""
        end = time.monotonic() + 60
        while text not in self.output(number):
            assert time.monotonic() < end, self.output(number)
            time.sleep(0.02)


@pytest.fixture
def crew(project, database, forks):
    """Workers in a project of ten trials of two epochs, whose MLflow is a file."""
    shutil.copyfile(database, project / "mlflow.db")
    yaml = YAML()
    tree = yaml.load(project / "params.yaml")
    tree["tune"].update(trials=10, epochs=2)
    tree["tune"]["space"]["train.batch_size"] = {"choices": [16, 32, 64]}
    yaml.dump(tree, project / "params.yaml")
    return Crew(project, forks)
