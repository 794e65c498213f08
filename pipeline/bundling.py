"""Writing a model bundle from a trained network; see ``bundle`` for what one is."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline.atomic import atomic_folder
from pipeline.bundle import Bundle, sha256
from pipeline.failure import Failure
from pipeline.models import with_softmax
from pipeline.onnx_export import export
from pipeline.training import cross_entropy, predict

FORMAT = 1
# ONNX and Keras must agree on real faces to this much, in probability
PARITY = 1e-4
# FER-2013's crop in terms of a Haar detector's box: one side is the box's side divided by this
CROP_MARGIN = 0.97


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The temperature that gives these probabilities ``(N, C)`` the least cross-entropy, by a search from .25 to 4."""
    log_p = np.log(np.maximum(probabilities, 1e-12))
    candidates = np.geomspace(0.25, 4, 200)
    return float(min(candidates, key=lambda temperature: cross_entropy(log_p / temperature, labels)).round(4))


def write(
    folder: Path,
    net: keras.Model,
    *,
    classes: tuple[str, ...],
    class_set: str,
    provenance: dict[str, Any],
    history: list[dict],
    validation: tuple[np.ndarray, np.ndarray],
) -> Bundle:
    """Make a bundle of a trained network that ends in logits.

    Args:
        validation: uint8 images ``(N, 48, 48)`` and labels ``(N,)`` that the temperature is fitted on.

    Raises Failure when ONNX Runtime's probabilities differ from Keras's by more than 1e-4.
    """
    served = with_softmax(net)
    with atomic_folder(folder) as new:
        served.save(new / "model.keras")
        export(served, new / "model.onnx")
        write_history(new / "history.csv", history)
        draft = Bundle(new, {"classes": list(classes)}, "draft")
        probabilities = draft.predict(validation[0])
        difference = float(np.abs(probabilities[:256] - predict(served, validation[0][:256])).max())
        if not difference <= PARITY:
            raise Failure(f"{folder}: ONNX and Keras differ by {difference:.1e} (at most {PARITY:.0e}); not written")
        meta = {
            "format": FORMAT,
            "classes": list(classes),
            "class_set": class_set,
            "size": net.input_shape[1],
            "crop_margin": CROP_MARGIN,
            "temperature": fit_temperature(probabilities, validation[1]),
            "files": {file.name: sha256(file) for file in sorted(new.iterdir())},
            "provenance": {**provenance, "parity": difference, "parameters": net.count_params()},
        }
        (new / "bundle.json").write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
    return Bundle.load(folder)


def write_history(path: Path, history: list[dict]) -> None:
    """The curves per epoch as CSV, for ``dvc plots``."""
    columns = list(history[0])
    lines = [",".join(columns)] + [",".join(f"{row[name]:.6g}" for name in columns) for row in history]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
