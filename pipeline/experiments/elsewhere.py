"""Trainings on the nodes of a Ray cluster, a task each: ``--on ray`` or ``--on ray://HOST:10001``.

A task is the contract for machines without the rest of this project (``ferpipe resolve``, ``python -m
pipeline.training``, ``ferpipe import-run``): the driver, which is the command that was called, sends config, faces and
code, and takes home what the training leaves. It alone writes ledger and MLflow.
"""

import argparse
import hashlib
import json
import logging
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.experiments import node
from pipeline.faces.faces import Faces
from pipeline.system import project, telemetry
from pipeline.system.atomic import atomic_folder
from pipeline.system.failure import Failure
from pipeline.training.config import ResolvedConfig

HERE, PREFIX = "ray", "ray://"
# Of pipeline/: what a training needs, see test_walls
CODE = ("__init__.py", "training/**/*.py", "faces/*.py", "system/*.py", "experiments/__init__.py",
        "experiments/node.py")
# How often a training begins again whose node is lost
RETRIES = 5
# Seconds for a cluster's address to answer
WAIT = 5
# Where a GPU is shared, no training may take all of its memory at its start
SHARED_GPU = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
# Since April 2026 (pull request 62492) Ray itself leaves all GPUs of a node to a task that has asked for none
NO_GPU = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}


@dataclass(frozen=True)
class Where:
    """Where trainings run, and what each of them gets of a node.

    Attributes:
        address: ``ray``, the cluster of this machine, or ``ray://HOST:PORT``.
        cpus: cores; Ray counts them, a training may use more.
        gpus: a fraction lets several trainings share one.
        shared: a folder that all nodes have under this path, for checkpoints; None for none.
    """

    address: str
    cpus: float = 1
    gpus: float = 0
    shared: str | None = None


@dataclass(frozen=True)
class Trained:
    """A training that has ended.

    Attributes:
        tag: as it was submitted with.
        out: the folder with net.keras, history.json and run.json; None where it failed.
        error: why it failed, in one line.
        diverged: whether that is that the loss was infinite or NaN.
    """

    tag: Any
    out: Path | None
    error: str = ""
    diverged: bool = False


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of a command that trains."""
    group = parser.add_argument_group("on a Ray cluster", "the trainings run beside each other on its nodes, which "
                                      "need Ray, Keras, NumPy and TensorFlow or JAX; the extra `cluster` brings Ray")
    group.add_argument("--on", metavar="ADDRESS", help="ray://HOST:10001, or ray for a cluster on this machine, which "
                       "is started where none runs")
    group.add_argument("--gpus", type=float, default=0, metavar="N",
                       help="of each training; 0.25 lets four share one (default: 0, on the CPU alone)")
    group.add_argument("--cpus", type=float, default=1, metavar="N", help="of each training (default: 1)")
    group.add_argument("--shared", metavar="PATH", help="a folder that all nodes have there, for checkpoints: a "
                       "training whose node is lost goes on from its last epoch")


def where(options: argparse.Namespace) -> Where | None:
    """What ``add_options`` were given; None without ``--on``. Raises Failure for options that cannot be."""
    if options.on is None:
        if options.gpus or options.shared:
            raise Failure("--gpus and --shared are for trainings on a cluster; say --on ray or --on ray://HOST:10001")
        return None
    if options.on != HERE:
        _host_and_port(options.on)
    if options.gpus < 0 or options.cpus < 0 or (options.gpus > 1 and options.gpus % 1):
        raise Failure(f"--gpus {options.gpus:g} --cpus {options.cpus:g}: expected numbers from 0 on, of GPUs a "
                      "fraction or whole ones")
    if options.shared and not Path(options.shared).is_absolute():
        raise Failure(f"--shared {options.shared}: expected a full path, which is the same on every node")
    return Where(options.on, options.cpus, options.gpus, options.shared)


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.removeprefix(PREFIX).rpartition(":")
    if not address.startswith(PREFIX) or not host or not port.isdecimal():
        raise Failure(f"--on {address}: expected ray://HOST:PORT, as in ray://10.0.0.1:10001, or ray for a cluster on "
                      "this machine")
    return host.strip("[]"), int(port)


class Cluster:
    """Takes trainings and gives them back as they end; ``connected`` makes one."""

    def __init__(self, ray, at: Where):
        self._ray, self._at = ray, at
        self._code = code()
        self._sent_code = ray.put(self._code)
        self._faces: dict[str, Any] = {}
        self._waiting: list[tuple[Any, str]] = []  # of an earlier call, whose files are here
        self._running: dict[Any, tuple[Any, str]] = {}
        # GPUs are filled one after the other, so that fractions of one meet on one
        self._options = {"num_cpus": at.cpus, "num_gpus": at.gpus, "max_retries": RETRIES,
                         "scheduling_strategy": "DEFAULT" if at.gpus else "SPREAD"}
        self._train = ray.remote(node.train)
        self._forget = ray.remote(node.forget).options(num_cpus=0)

    def submit(self, tag: Any, name: str, config: ResolvedConfig, faces: Faces) -> None:
        """Queue a training.

        Args:
            tag: comes back with the result.
            name: for people; before every line that the training prints.
            faces: as balance leaves them.
        """
        text = json.dumps(config, sort_keys=True)
        sha = hashlib.sha256(f"{text} {faces.manifest['digest']}".encode())
        for path, content in sorted(self._code.items()):
            sha.update(path.encode() + content)
        key = f"{config['recipe']}-seed{config['seed']}-{sha.hexdigest()[:16]}"
        if (_home(key) / node.FILES[-1]).exists():
            self._waiting.append((tag, key))
            return
        reference = self._train.options(**self._options, name=name).remote(
            key, text, self._sent_code, self._sent(faces), self._at.shared or "", self._environment())
        self._running[reference] = tag, key

    def results(self) -> Iterator[Trained]:
        """Every submitted training as it ends."""
        for tag, key in self._waiting:
            yield from self._at_home(tag, key)
        while self._running:
            (reference, *_), _ = self._ray.wait(list(self._running), num_returns=1)
            tag, key = self._running.pop(reference)
            outcome = self._outcome(reference)
            if outcome["error"]:
                yield Trained(tag, None, outcome["error"], outcome["diverged"])
                continue
            with atomic_folder(_home(key)) as new:
                for name, content in outcome["files"].items():
                    (new / name).write_bytes(content)
            yield from self._at_home(tag, key)

    def _at_home(self, tag: Any, key: str) -> Iterator[Trained]:
        """A training whose files are here until the next one is asked for: who fails to take it in finds it again."""
        yield Trained(tag, _home(key))
        shutil.rmtree(_home(key), ignore_errors=True)
        if self._at.shared:
            self._ray.get(self._forget.remote(key, self._at.shared))

    def _outcome(self, reference) -> node.Outcome:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error  # Ray wraps what a task raised
            return {"files": {}, "error": f"{type(cause).__name__}: {_first_line(cause)}", "diverged": False}

    def _sent(self, faces: Faces) -> Any:
        """The faces in the cluster, once for all trainings that have the same."""
        key = json.dumps(faces.manifest, sort_keys=True)
        if key not in self._faces:
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch, "faces")
                faces.save(folder)
                self._faces[key] = self._ray.put({file.name: file.read_bytes() for file in folder.iterdir()})
        return self._faces[key]

    def _environment(self) -> dict[str, str]:
        backend = {name: os.environ[name] for name in ("KERAS_BACKEND",) if os.environ.get(name)}
        gpu = NO_GPU if self._at.gpus == 0 else SHARED_GPU if self._at.gpus < 1 else {}
        return {"PYTHONUTF8": "1", **gpu, **backend}


def _home(key: str) -> Path:
    """Where a training's files wait until they are in the records."""
    return project.root() / ".checkpoints" / f"ray-{key}"


def code() -> dict[str, bytes]:
    """What a node needs of this project: the contents of its files by path."""
    package = Path(__file__).parents[1]
    files = sorted({file for pattern in CODE for file in package.glob(pattern)})
    return {file.relative_to(package.parent).as_posix(): file.read_bytes() for file in files}


@contextmanager
def connected(at: Where, say: Callable[[str], None] = print) -> Iterator[Cluster]:
    """A cluster inside the block; one that was started for it ends with it.

    Raises Failure where none answers, or one of another version of Python or Ray.
    """
    telemetry.switch_off()
    # Lines of different trainings that read alike are different lines
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    if not sys.stdout.isatty():
        os.environ.setdefault("RAY_COLOR_PREFIX", "0")
    if at.address != HERE:
        _check_that_it_answers(at.address)
    import ray
    import ray.cloudpickle

    # a node has not got this module: it travels with the task
    ray.cloudpickle.register_pickle_by_value(node)
    try:
        ray.init(None if at.address == HERE else at.address, logging_level=logging.ERROR, include_dashboard=False)
    # Ray has no common type for them: versions that differ are a RuntimeError, a server that is busy a ConnectionError
    except Exception as error:
        raise Failure(f"Ray at {at.address}: {_first_line(error)}") from error
    try:
        nodes = [found["Resources"] for found in ray.nodes() if found["Alive"]]
        say(f"{len(nodes)} {'node' if len(nodes) == 1 else 'nodes'}, "
            f"{sum(found.get('CPU', 0) for found in nodes):g} CPUs and "
            f"{sum(found.get('GPU', 0) for found in nodes):g} GPUs, at {at.address}")
        if not at.gpus and any(found.get("GPU", 0) for found in nodes):
            say("without --gpus the trainings use none of the GPUs")
        if not any(found.get("CPU", 0) >= at.cpus and found.get("GPU", 0) >= at.gpus for found in nodes):
            say(f"no node has {at.cpus:g} CPUs and {at.gpus:g} GPUs for a training; it waits for one, Ctrl-C ends it")
        yield Cluster(ray, at)
    except ConnectionError as error:
        raise Failure(f"Ray at {at.address}: the connection is lost ({_first_line(error)}); the same command goes "
                      "on") from error
    finally:
        ray.shutdown()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _check_that_it_answers(address: str) -> None:
    """Ray itself would try for half a minute."""
    host, port = _host_and_port(address)
    try:
        socket.create_connection((host, port), WAIT).close()
    except OSError as error:
        raise Failure(f"no Ray cluster answers at {address} ({error.strerror or error}); start one there with `ray "
                      f"start --head --ray-client-server-port={port}`, or look at the address") from error
