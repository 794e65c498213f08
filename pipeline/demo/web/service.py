"""The demo behind the API: single pictures from any thread, and a ``Watcher`` for each live stream."""

import time
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from pipeline.bundle.bundle import Bundle
from pipeline.demo.see.boxes import Face
from pipeline.demo.see.classifier import classify
from pipeline.demo.see.detector import BlazeFace
from pipeline.demo.see.watcher import Watcher, look, look_at_face


class Service:
    """A model and a detector, which all threads share."""

    def __init__(self, bundle: Bundle):
        self.bundle = bundle
        self._detector = BlazeFace()
        # OpenCV would print a warning for every broken picture of a client
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        # Loads model and detector now rather than with the first frame
        classify(bundle, np.zeros((1, 48, 48), "uint8"))
        self._detector.find(np.zeros((48, 48, 3), "uint8"))

    def look(self, frame: np.ndarray, face: bool = False, scale: int = 1) -> dict:
        """The faces of a BGR picture as an ``answers.Picture``. May be called from any thread.

        Args:
            face: the picture is one face already, none is looked for.
            scale: how many times wider and higher the picture is than the frame.
        """
        def detect() -> list[Face]:
            return look_at_face(frame, self.bundle) if face else look(frame, self._detector, self.bundle)

        return self._answer(frame, detect, scale)

    def watch(self) -> Callable[[np.ndarray, float], dict]:
        """A function with the same answer for the frames of one stream, each with its time in seconds.

        Faces are tracked, probabilities smoothed. A time before an earlier frame's counts as equal to it.
        """
        watcher, latest = Watcher(self._detector, self.bundle), float("-inf")

        def see(frame: np.ndarray, seconds: float) -> dict:
            nonlocal latest
            latest = max(latest, seconds)
            return self._answer(frame, lambda: watcher.see(frame, latest))

        return see

    def _answer(self, frame: np.ndarray, detect: Callable[[], list[Face]], scale: int = 1) -> dict:
        start = time.perf_counter()
        faces = [replace(face, box=face.box.scaled(scale)).as_json(self.bundle.classes) for face in detect()]
        return {"model": self.bundle.id, "width": frame.shape[1] * scale, "height": frame.shape[0] * scale,
                "milliseconds": round(1000 * (time.perf_counter() - start), 1), "faces": faces}
