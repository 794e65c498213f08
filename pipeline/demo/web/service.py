"""The demo behind the API: single pictures from any thread, and a ``Watcher`` for each live stream."""

import time
from collections.abc import Callable

import cv2
import numpy as np

from pipeline.bundle.bundle import Bundle
from pipeline.demo.see.boxes import Face
from pipeline.demo.see.classifier import classify
from pipeline.demo.see.detector import BlazeFace
from pipeline.demo.see.watcher import Watcher, look, look_at_face

# Frames of a stream are tracked with at least this longer side, in pixels: on a slow line the page sends smaller ones,
# and a face that jumped from 240 to 640 pixels would be another one to the tracker
TRACKED = 640


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

    def look(self, frame: np.ndarray, face: bool = False, times: int = 1) -> dict:
        """The faces of a BGR picture as an ``answers.Picture``. May be called from any thread.

        Args:
            face: the picture is one face already, none is looked for.
            times: how many times wider and higher the picture is than the frame.
        """
        def detect() -> list[Face]:
            return look_at_face(frame, self.bundle) if face else look(frame, self._detector, self.bundle)

        return self._answer(frame, detect, times=times)

    def watch(self) -> Callable[[np.ndarray, float], dict]:
        """A function with the same answer for the frames of one stream, each with its time in seconds.

        Faces are tracked, also over frames of the same view in other sizes; probabilities are smoothed. A time before
        an earlier frame's counts as equal to it.
        """
        watcher, latest = Watcher(self._detector, self.bundle), float("-inf")

        def see(frame: np.ndarray, seconds: float) -> dict:
            nonlocal latest
            latest = max(latest, seconds)
            scale = max(1.0, TRACKED / max(frame.shape[:2]))
            larger = cv2.resize(frame, None, fx=scale, fy=scale) if scale > 1 else frame
            return self._answer(frame, lambda: watcher.see(larger, latest), scale)

        return see

    def _answer(self, frame: np.ndarray, detect: Callable[[], list[Face]], scale: float = 1.0,
                times: int = 1) -> dict:
        """The answer about a picture ``times`` as wide and high as the frame.

        Args:
            scale: pixels in which ``detect`` gives its boxes, per pixel of the frame.
        """
        start = time.perf_counter()
        faces = [face.as_json(self.bundle.classes) for face in detect()]
        for face in faces:
            face["box"] = {side: round(value * times / scale) for side, value in face["box"].items()}
        return {"model": self.bundle.id, "width": frame.shape[1] * times, "height": frame.shape[0] * times,
                "milliseconds": round(1000 * (time.perf_counter() - start), 1), "faces": faces}
