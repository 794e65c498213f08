"""The state of a training run on disk after every epoch, so that a cut run goes on to the same end."""

import hashlib
import json
import shutil
from pathlib import Path

import keras
import numpy as np

from pipeline.atomic import atomic_folder


def key(config: dict, data_digest: str) -> str:
    """The name of a run's checkpoint: a hash of all that decides its result, so that no other run takes it up."""
    here = Path(__file__).parent
    sha = hashlib.sha256(json.dumps([config, data_digest, keras.backend.backend(), keras.__version__]).encode())
    modules = ("augment", "checkpoint", "hardware", "optimizers", "training")
    for source in (*(here / f"{name}.py" for name in modules), *sorted((here / "models").glob("*.py"))):
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
    return sorted(checkpoint.glob("epoch-*"))


def restore(folder: Path, student: keras.Model) -> tuple[dict, list[np.ndarray]]:
    with np.load(folder / "variables.npz", allow_pickle=False) as saved:
        for variable, name in zip(_variables(student), saved.files, strict=True):
            variable.assign(saved[name])
    with np.load(folder / "best.npz", allow_pickle=False) as saved:
        best = [saved[name] for name in saved.files]
    return json.loads((folder / "state.json").read_text()), best
