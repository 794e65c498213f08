"""The model bundle: one immutable folder that train emits, evaluate measures, promote copies and the demo reads.

Reading one needs NumPy, pydantic and ONNX Runtime alone; ``writing``, ``int8`` and ensembles' ``merging`` write one.
"""

import hashlib
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.bundle import promotion, runtime
from pipeline.bundle.manifest import BundleManifest, Provenance, Trained
from pipeline.system import processor
from pipeline.system.atomic import put_back
from pipeline.system.failure import Failure

BATCH = 64
# Files that a copy for serving may leave out (the champion in git does, for its size)
LEFT_OUT = ("model.keras",)
# Written beside a champion by promote
PROMOTION = promotion.FILE


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk. Its ``id`` is a hash over every byte in it (bundle.json names the other files' hashes)."""

    folder: Path
    manifest: BundleManifest
    id: str

    @classmethod
    def load(cls, folder: Path) -> "Bundle":
        """Open a bundle and check every file against its hash, and a champion against its promotion.

        Raises Failure when a file is missing or differs.
        """
        folder = Path(folder)
        put_back(folder)
        description = folder / "bundle.json"
        try:
            if description.exists() and not description.is_file():  # a pipe would keep its reader waiting
                raise OSError(f"{description.name} is not a regular file")
            text = description.read_bytes()
        except OSError as error:
            raise Failure(f"{folder}: no model bundle there ({error}); make one with `make run`") from error
        manifest = BundleManifest.read(text, description, "a model bundle's description", "restore the folder")
        for name, digest in manifest.files.items():
            if name in LEFT_OUT and not (folder / name).exists():
                continue
            if not (folder / name).is_file() or sha256(folder / name) != digest:
                raise Failure(f"{folder / name}: missing or not the file that the bundle was made with; restore it")
        bundle = cls(folder, manifest, hashlib.sha256(text).hexdigest()[:12])
        promotion.check_promoted(folder, bundle.id)
        return bundle

    def check_unchanged(self, folder: Path) -> None:
        """Raise Failure where its folder, or what was just copied from there, is another bundle by now, as after a
        training."""
        if (now := Bundle.load(folder)).id != self.id:
            raise Failure(f"{self.folder}: was {self.id} when it was measured, and is {now.id} now; run this again")

    @property
    def classes(self) -> tuple[str, ...]:
        return self.manifest.classes

    @property
    def class_set(self) -> str:
        return self.manifest.class_set

    @property
    def temperature(self) -> float:
        return self.manifest.temperature

    @property
    def crop_margin(self) -> float:
        return self.manifest.crop_margin

    @property
    def provenance(self) -> Provenance:
        return self.manifest.provenance

    @property
    def run_id(self) -> str | None:
        return self.provenance.run_id

    @cached_property
    def _session(self):
        path = self.folder / "model.onnx"
        model = path.read_bytes()
        # what is served is what was hashed, whatever happened to the file since
        if hashlib.sha256(model).hexdigest() != self.manifest.files["model.onnx"]:
            raise Failure(f"{path}: not the file that the bundle was made with; restore it")
        session = runtime.session(model, path)
        runtime.check(session, len(self.classes), path)
        return session

    def predict(self, images: np.ndarray, flip: bool = False) -> np.ndarray:
        """Probabilities float32 ``(N, C)`` for uint8 images ``(N, 48, 48)``; of the mirror images when ``flip``."""
        with runtime.in_one_line(self.folder / "model.onnx"):
            answers = probabilities(self._session, images, len(self.classes), flip)
        if not np.isfinite(answers).all():
            raise Failure(f"{self.folder / 'model.onnx'}: its answers are no probabilities; restore the file")
        return answers

    def milliseconds(self, calls: int = 200) -> float:
        """The median time of a call with one face, on one thread; the first calls, which are slower, do not count."""
        face, times = np.zeros((1, 48, 48, 1), "float32"), []
        for _ in range(calls + 20):
            begun = time.perf_counter()
            self._session.run(["probabilities"], {"image": face})
            times.append(time.perf_counter() - begun)
        return 1000 * float(np.median(times[20:]))

    def calibrated(self, probabilities: np.ndarray) -> np.ndarray:
        """The same with the temperature applied: softmax(log p / T) (Guo et al. 2017, arXiv 1706.04599)."""
        powered = np.maximum(probabilities, 1e-12) ** (1 / self.temperature)
        return powered / powered.sum(axis=1, keepdims=True)


def probabilities(session, images: np.ndarray, classes: int, flip: bool = False) -> np.ndarray:
    """``Bundle.predict`` for a session of ``onnx_session``; ``classes`` is their number C."""
    def of_batch(start: int) -> np.ndarray:
        batch = images[start : start + BATCH, :, ::-1 if flip else 1, None].astype("float32")
        return session.run(["probabilities"], {"image": batch})[0]

    # without images there is no batch, and still an answer of the right shape
    none, starts = np.zeros((0, classes), "float32"), range(0, len(images), BATCH)
    if len(starts) < 2:  # a frame's faces: a pool would cost more than it saves
        return np.concatenate([none, *map(of_batch, starts)])
    # a batch per core: a session itself has one thread, and releases Python's lock while it runs
    with ThreadPoolExecutor(processor.cores()) as pool:
        return np.concatenate([none, *pool.map(of_batch, starts)])


def check_faces(trained: Trained, manifest: Mapping[str, Any], where: Path) -> None:
    """Raise Failure where a model was trained on another edition than these faces: the splits may differ.

    Args:
        trained: the model's provenance.
        manifest: of the faces as they came.
        where: the model's folder, for the message.
    """
    if (trained.dataset, trained.source_digest) != (manifest["dataset"], manifest["digest"]):
        raise Failure(f"{where}: trained on {trained.dataset} ({trained.edition}, {trained.source_digest[:8]}), the "
                      f"faces here are {manifest['dataset']} ({manifest['edition']}, {manifest['digest'][:8]}), whose "
                      "splits may differ; get the same edition, or train on these")


def onnx_session(path: Path):
    """An ONNX Runtime session of a file, on one thread. Raises Failure when it cannot be opened."""
    return runtime.session(path.read_bytes(), path)


def sha256(path: Path) -> str:
    """The hash of a file's bytes, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
