"""What closes every bundle, trained, in int8 or merged: the curves, the temperature, the hashes; without Keras."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.bundle.bundle import sha256
from pipeline.bundle.manifest import BundleManifest
from pipeline.training.losses import cross_entropy

# A bundle and what it was made of must agree on real faces to this much, in probability: float32 sums in another
# order differ by less than a hundredth of it, a graph that was exported wrongly by far more
PARITY = 1e-4


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The temperature that gives these probabilities ``(N, C)`` the least cross-entropy, by a search from .25 to 4.

    A grid does: the loss has one minimum in log T, and 200 steps of 1.4 % are finer than the labels can tell apart.
    (Guo et al. 2017, arXiv 1706.04599.)
    """
    log_p = np.log(np.maximum(probabilities, 1e-12))
    candidates = np.geomspace(0.25, 4, 200)
    return float(min(candidates, key=lambda temperature: cross_entropy(log_p / temperature, labels)).round(4))


def write_history(path: Path, history: list[dict]) -> None:
    """The curves per epoch as CSV, for ``dvc plots``."""
    columns = list(history[0])
    lines = [",".join(columns)] + [",".join(f"{row[name]:.6g}" for name in columns) for row in history]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def seal(folder: Path, fields: dict[str, Any]) -> None:
    """Write bundle.json: these fields of ``BundleManifest``, and the hashes of the files that the folder has so far.

    It comes last: a bundle's id is the hash of bundle.json, and so of every byte in the folder.
    """
    files = {file.name: sha256(file) for file in sorted(folder.iterdir())}
    manifest = BundleManifest.model_validate({**fields, "files": files})
    (folder / "bundle.json").write_text(json.dumps(manifest.as_json(), indent=2) + "\n", encoding="utf-8")
