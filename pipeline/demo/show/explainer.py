"""Explains the main face of a source's frames: in a stream not each of them, so that the picture does not stutter."""

import time

import numpy as np

from pipeline.demo.see.boxes import Face
from pipeline.demo.see.classifier import Model
from pipeline.demo.see.crop import crops
from pipeline.demo.see.occlusion import Occlusion, occlusion
from pipeline.demo.show import heat

# Seconds between two maps of a face in a stream; until then the map moves along with the face
EVERY = 0.5


class Explainer:
    """The map of one face at a time, kept until another is due.

    Attributes:
        pictures: whether each frame is a picture of its own, with other faces than the one before. Else a map holds for
            later frames with the same face and answer.
    """

    def __init__(self, model: Model):
        self.pictures = False
        self._model = model
        # The latest map, the frame that it was made of, its face and answer, and when
        self._latest: tuple[Occlusion, np.ndarray, tuple[int, int], float] | None = None

    def explain(self, frame: np.ndarray, face: Face) -> Occlusion:
        """The map for the face's answer; of an earlier frame while that is recent enough."""
        about = face.id, face.best
        if self._latest is not None:
            result, of, of_about, made = self._latest
            recent = not self.pictures and time.monotonic() < made + EVERY
            if about == of_about and (frame is of or recent):
                return result
        crop = crops(frame, [face.box], self._model.crop_margin)[0]
        # Both views, as the picture's own answer; in a stream one is enough, and half the work
        result = occlusion(self._model, crop, face.best, flip=self.pictures)
        self._latest = result, frame, about, time.monotonic()
        return result

    def painted(self, frame: np.ndarray, face: Face) -> tuple[np.ndarray, str]:
        """A copy of a BGR frame with the map over the face, and the result in two lines of words."""
        result = self.explain(frame, face)
        picture = heat.paint(frame, face.box, self._model.crop_margin, result.shares)
        classes = self._model.classes
        return picture, f"yellow speaks for {classes[result.label]}, blue against\n{result.says(classes)}"
