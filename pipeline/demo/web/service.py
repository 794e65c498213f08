"""Pictures in, faces with probabilities out: single pictures from any thread, and one watch for each live stream."""

import threading
import time
from collections.abc import Callable

import cv2
import numpy as np

from pipeline.bundle.bundle import Bundle
from pipeline.demo.see.boxes import Face
from pipeline.demo.see.classifier import classify
from pipeline.demo.see.detector import Detector, HaarDetector
from pipeline.demo.see.watcher import Watcher, look


class Service:
    """The champion with a detector for each thread: OpenCV's cascade keeps its state while it searches."""

    def __init__(self, bundle: Bundle):
        self.bundle = bundle
        self._own = threading.local()
        # OpenCV tells of every broken picture; that is the client's matter
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        # Opens the model now, not under the first person's first frame
        classify(bundle, np.zeros((1, 48, 48), "uint8"))

    def look(self, frame: np.ndarray) -> dict:
        """What the API says of a BGR picture, see ``answers.Picture``."""
        if not hasattr(self._own, "detector"):
            self._own.detector = self._detector()
        return self._told(frame, lambda: look(frame, self._own.detector, self.bundle))

    def watch(self) -> Callable[[np.ndarray, float], dict]:
        """The same for the frames of one stream, each with its time in seconds: faces are followed and smoothed."""
        watcher, latest = Watcher(self._detector(), self.bundle), float("-inf")

        def see(frame: np.ndarray, seconds: float) -> dict:
            nonlocal latest
            latest = max(latest, seconds)
            return self._told(frame, lambda: watcher.see(frame, latest))

        return see

    def _detector(self) -> Detector:
        return HaarDetector(self.bundle.crop_margin)

    def _told(self, frame: np.ndarray, find: Callable[[], list[Face]]) -> dict:
        start = time.perf_counter()
        faces = [face.as_json(self.bundle.classes) for face in find()]
        return {"model": self.bundle.id, "width": frame.shape[1], "height": frame.shape[0],
                "milliseconds": round(1000 * (time.perf_counter() - start), 1), "faces": faces}
