"""The state of a training run on disk after every epoch, so that an interrupted run continues to the same result.

A folder ``epoch-00012`` holds variables.npz (the student's variables, then the optimiser's), best.npz (the network's
weights of the best epoch) and state.json (``Progress``). It appears by a rename, and only then do the epochs before it
go: a process that is killed at any moment leaves one that is whole. Random generators need no state of their own here,
because every epoch sets them anew from the seed and its number.
"""

import hashlib
import json
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np

from pipeline.system.atomic import atomic_folder
from pipeline.system.failure import Failure
from pipeline.training import code, hardware
from pipeline.training.config import ResolvedConfig
from pipeline.training.progress import Progress


class Held(Failure):
    """Another process has the run's folder."""


@dataclass(frozen=True)
class Checkpoint:
    """What ``save`` left of a run.

    Attributes:
        progress: counters and history.
        variables: the student's and its optimiser's, in their order.
        best_weights: the network's of the epoch that is kept, as ``get_weights`` gives them.
    """

    progress: Progress
    variables: list[np.ndarray]
    best_weights: list[np.ndarray]


def key(config: ResolvedConfig, data_digest: str) -> str:
    """The name of a run's folder: a hash of all that decides its result (config, faces, backend, Keras, what the
    machine chooses, this code), so that no other run continues from its state."""
    machine = hardware.choices(config["train"]["precision"], config["train"]["batch_size"])
    decisive = [config, data_digest, keras.backend.backend(), keras.__version__, machine, code.digest()]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]


def save(folder: Path, student: keras.Model, progress: Progress, best_weights: list[np.ndarray]) -> None:
    """Write the whole state as a new epoch in the run's ``folder``, then drop the epochs before it."""
    before = epochs(folder)
    with atomic_folder(folder / f"epoch-{progress.epoch:05d}") as new:
        np.savez(new / "variables.npz", *[keras.ops.convert_to_numpy(variable) for variable in _variables(student)])
        np.savez(new / "best.npz", *best_weights)
        (new / "state.json").write_text(json.dumps(asdict(progress)), encoding="utf-8")
    for epoch in before:
        shutil.rmtree(epoch)


def epochs(folder: Path) -> list[Path]:
    """The epochs that a run's folder holds, the latest one last."""
    return sorted(folder.glob("epoch-*"))


def latest(folder: Path) -> Checkpoint | None:
    """The latest epoch that can be read; None where there is none. One that cannot (the power went before the disk had
    it) is dropped."""
    for epoch in reversed(epochs(folder)):
        try:
            progress = Progress(**json.loads((epoch / "state.json").read_text(encoding="utf-8")))
            return Checkpoint(progress, _arrays(epoch / "variables.npz"), _arrays(epoch / "best.npz"))
        except (OSError, ValueError, TypeError, EOFError, KeyError, zipfile.BadZipFile) as error:
            print(f"training: {epoch} cannot be read ({error}); it is dropped", flush=True)
            shutil.rmtree(epoch)
    return None


def restore(checkpoint: Checkpoint, student: keras.Model) -> None:
    """Put the variables into a student that is compiled for the checkpoint's stage, its optimiser built."""
    for variable, value in zip(_variables(student), checkpoint.variables, strict=True):
        variable.assign(value)


def _variables(student: keras.Model) -> list[keras.Variable]:
    return [*student.variables, *student.optimizer.variables]


def _arrays(path: Path) -> list[np.ndarray]:
    # opened here, because numpy leaves a file that is no archive open
    with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return [arrays[name] for name in arrays.files]


@contextmanager
def held(parent: Path, config: ResolvedConfig, data_digest: str, keep: bool = False) -> Iterator[Path]:
    """A run's folder inside ``parent``, for this process alone; it goes when the block has ended well, unless it is to
    be kept for the same run in another process."""
    folder = parent / key(config, data_digest)
    with alone(folder, keep):
        yield folder


@contextmanager
def alone(folder: Path, keep: bool = False) -> Iterator[None]:
    """Hold the folder for one process; a sqlite file is a lock that every system has and no crash leaves behind.

    Raises Held when another process trains the very same run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            lock = stack.enter_context(closing(sqlite3.connect(folder / "lock", timeout=0, isolation_level=None)))
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise Held(f"{folder}: another process trains exactly this run; wait for it") from error
            raise Failure(f"{folder}: cannot be locked ({error}); free some space or make it writable") from error
        yield
    if not keep:
        shutil.rmtree(folder)
