"""The model bundle: one immutable folder that train emits, evaluate measures, promote copies and the demo reads.

Reading one needs numpy and ONNX Runtime alone; only ``write`` needs keras.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.atomic import atomic_folder
from pipeline.failure import Failure

if TYPE_CHECKING:
    import keras

FORMAT = 1
BATCH = 64
# ONNX and Keras must agree on real faces to this much, in probability
PARITY = 1e-4
# What a copy that only serves may leave out (the champion in git does, for its size)
LEFT_OUT = ("model.keras",)
# FER-2013's crop in terms of a Haar detector's box: one side is the box's side divided by this
CROP_MARGIN = 0.97


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk. Its ``id`` is a hash over every byte in it (bundle.json names the other files' hashes)."""

    folder: Path
    meta: dict[str, Any]
    id: str

    @classmethod
    def load(cls, folder: Path) -> "Bundle":
        """Open a bundle and check every file against its hash. Raises Failure when one is missing or differs."""
        folder = Path(folder)
        try:
            text = (folder / "bundle.json").read_bytes()
            meta = json.loads(text)
            files = meta["files"]
        except (OSError, ValueError, KeyError) as error:
            raise Failure(f"{folder}: no model bundle there ({error}); make one with `make run`") from error
        for name, digest in files.items():
            if name in LEFT_OUT and not (folder / name).exists():
                continue
            if not (folder / name).is_file() or _sha256(folder / name) != digest:
                raise Failure(f"{folder / name}: missing or not the file that the bundle was made with; restore it")
        return cls(folder, meta, hashlib.sha256(text).hexdigest()[:12])

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.meta["classes"])

    @property
    def class_set(self) -> str:
        return self.meta["class_set"]

    @property
    def temperature(self) -> float:
        return self.meta["temperature"]

    @property
    def crop_margin(self) -> float:
        return self.meta["crop_margin"]

    @property
    def provenance(self) -> dict[str, Any]:
        return self.meta["provenance"]

    @property
    def run_id(self) -> str | None:
        return self.provenance.get("run_id")

    @cached_property
    def _session(self):
        return onnx_session(self.folder / "model.onnx")

    def predict(self, images: np.ndarray, flip: bool = False) -> np.ndarray:
        """Probabilities float32 ``(N, C)`` for uint8 images ``(N, 48, 48)``; of the mirror images when ``flip``."""
        if flip:
            images = images[:, :, ::-1]
        rows = [np.zeros((0, len(self.classes)), "float32")]
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH, ..., None].astype("float32")
            rows.append(self._session.run(["probabilities"], {"image": batch})[0])
        return np.concatenate(rows)

    def calibrated(self, probabilities: np.ndarray) -> np.ndarray:
        """The same with the temperature applied: softmax(log p / T) (Guo et al. 2017, arXiv 1706.04599)."""
        powered = np.maximum(probabilities, 1e-12) ** (1 / self.temperature)
        return powered / powered.sum(axis=1, keepdims=True)


def onnx_session(path: Path):
    """An ONNX Runtime session on one thread: two swing wildly on a busy machine."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The temperature that gives these probabilities ``(N, C)`` the least cross-entropy, by a search from .25 to 4."""
    log_p = np.log(np.maximum(probabilities, 1e-12))
    rows = np.arange(len(labels))

    def loss(temperature: float) -> float:
        scaled = log_p / temperature
        top = scaled.max(axis=1)
        return float((top + np.log(np.exp(scaled - top[:, None]).sum(axis=1)) - scaled[rows, labels]).mean())

    return float(min(np.geomspace(0.25, 4, 200), key=loss).round(4))


def write(
    folder: Path,
    net: "keras.Model",
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
    from pipeline.models import with_softmax
    from pipeline.onnx_export import export
    from pipeline.training import predict

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
            "files": {file.name: _sha256(file) for file in sorted(new.iterdir())},
            "provenance": {**provenance, "parity": difference, "parameters": net.count_params()},
        }
        (new / "bundle.json").write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
    return Bundle.load(folder)


def write_history(path: Path, history: list[dict]) -> None:
    """The curves per epoch as CSV, for ``dvc plots``."""
    columns = list(history[0])
    lines = [",".join(columns)] + [",".join(f"{row[name]:.6g}" for name in columns) for row in history]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
