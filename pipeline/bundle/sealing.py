"""What closes every bundle, trained, in int8 or merged: the curves, the temperature, the hashes; without Keras."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.bundle.bundle import sha256
from pipeline.training.losses import cross_entropy

# What a bundle answers and what it was made of answer must agree on real faces to this much, in probability
PARITY = 1e-4


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The temperature that gives these probabilities ``(N, C)`` the least cross-entropy, by a search from .25 to 4."""
    log_p = np.log(np.maximum(probabilities, 1e-12))
    candidates = np.geomspace(0.25, 4, 200)
    return float(min(candidates, key=lambda temperature: cross_entropy(log_p / temperature, labels)).round(4))


def write_history(path: Path, history: list[dict]) -> None:
    """The curves per epoch as CSV, for ``dvc plots``."""
    columns = list(history[0])
    lines = [",".join(columns)] + [",".join(f"{row[name]:.6g}" for name in columns) for row in history]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def seal(new: Path, meta: dict[str, Any]) -> None:
    """Write bundle.json: ``meta``, which has the provenance, and the hashes of the bundle's other files."""
    about = {name: value for name, value in meta.items() if name not in ("files", "provenance")}
    files = {file.name: sha256(file) for file in sorted(new.iterdir())}
    text = json.dumps({**about, "files": files, "provenance": meta["provenance"]}, indent=2)
    (new / "bundle.json").write_text(text + "\n", encoding="utf-8")
