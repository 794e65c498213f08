"""The state of a training run on disk after every epoch, so that a cut run goes on to the same end."""

import hashlib
import json
import shutil
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import keras
import numpy as np

from pipeline.system.atomic import atomic_folder
from pipeline.system.failure import Failure


def key(config: dict, data_digest: str) -> str:
    """The name of a run's checkpoint: a hash of all that decides its result, so that no other run takes it up."""
    sha = hashlib.sha256(json.dumps([config, data_digest, keras.backend.backend(), keras.__version__]).encode())
    here = Path(__file__).parent
    for source in sorted(here.rglob("*.py")):
        sha.update(source.read_bytes())
    return sha.hexdigest()[:16]


def _variables(student: keras.Model) -> list:
    return [*student.variables, *student.optimizer.variables]


def save(checkpoint: Path, student: keras.Model, state: dict, best: list[np.ndarray]) -> None:
    """Write the whole state as one folder that appears by a rename, then drop the epochs before."""
    before = saved(checkpoint)
    with atomic_folder(checkpoint / f"epoch-{state['epoch']:05d}") as new:
        np.savez(new / "variables.npz", *[keras.ops.convert_to_numpy(v) for v in _variables(student)])
        np.savez(new / "best.npz", *best)
        (new / "state.json").write_text(json.dumps(state))
    for folder in before:
        shutil.rmtree(folder)


def saved(checkpoint: Path) -> list[Path]:
    """The epochs that stand there, the last one last."""
    return sorted(checkpoint.glob("epoch-*"))


def restore(checkpoint: Path, student: keras.Model,
            prepare: Callable[[dict], None]) -> tuple[dict, list[np.ndarray]] | None:
    """Put the last epoch's state into the model; returns the counters and the best weights, or None for a fresh start.

    ``prepare`` is given the counters first: it compiles the model as it was then, with the optimiser of that stage.

    A state that cannot be read (the power went before the disk had it) is dropped.
    """
    for folder in reversed(saved(checkpoint)):
        try:
            state = json.loads((folder / "state.json").read_text())
            prepare(state)
            values, best = _arrays(folder / "variables.npz"), _arrays(folder / "best.npz")
            for variable, value in zip(_variables(student), values, strict=True):
                variable.assign(value)
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            print(f"training: {folder} cannot be read ({error}); it is dropped", flush=True)
            shutil.rmtree(folder)
            continue
        return state, best
    return None


def _arrays(file: Path) -> list[np.ndarray]:
    # opened here, because numpy leaves a file that is no archive open
    with open(file, "rb") as stream, np.load(stream, allow_pickle=False) as saved:
        return [saved[name] for name in saved.files]


@contextmanager
def held(place: Path, config: dict, data_digest: str) -> Iterator[Path]:
    """A run's folder inside ``place``, for this process alone; it goes when the block has ended well."""
    folder = place / key(config, data_digest)
    with alone(folder):
        yield folder


@contextmanager
def alone(checkpoint: Path) -> Iterator[None]:
    """Hold the folder for one process; a sqlite file is a lock that every system has and no crash leaves behind.

    Raises Failure when another process trains the very same run.
    """
    checkpoint.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(checkpoint / "lock", timeout=0, isolation_level=None)) as gate:
        try:
            gate.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise Failure(f"{checkpoint}: another process trains exactly this run ({error}); wait for it") from error
        yield
    shutil.rmtree(checkpoint)
