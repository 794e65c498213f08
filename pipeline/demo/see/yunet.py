"""YuNet (Wu et al. 2023) from a network file: detects small, rotated and partly hidden faces that Haar misses."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.demo.see.boxes import Box
from pipeline.demo.see.crop import square
from pipeline.system.failure import Failure

# Crops are rotated upright from this roll on, in degrees: FER-2013's faces have less, and were not rotated
UPRIGHT = 15.0


class YuNetDetector:
    """OpenCV's ``FaceDetectorYN``. Raises Failure when ``file`` is no YuNet network of OpenCV's model zoo."""

    # One search finds heads of any roll
    angles = (0.0,)
    # The longer side of the resized frame, in pixels
    SIDE, FINE_SIDE = 320, 1280
    # The box's side as a share of FER-2013's crop: as for MTCNN, which was trained on the same boxes (WIDER FACE)
    SHARE = 0.81
    # The lowest confidence of a detection
    CONFIDENCE = 0.7

    def __init__(self, file: Path):
        try:
            if not file.is_file():
                raise Failure(f"{file}: no such file; YuNet's network is face_detection_yunet_*.onnx of OpenCV's model "
                              "zoo, or leave --detector yunet out")
            self._net = cv2.FaceDetectorYN.create(str(file), "", (self.SIDE, self.SIDE), self.CONFIDENCE)
            self._net.detect(np.zeros((self.SIDE, self.SIDE, 3), "uint8"))
        except cv2.error as error:
            raise Failure(f"{file}: not a YuNet network that this OpenCV can read") from error

    def find(self, frame: np.ndarray, angle: float = 0.0, fine: bool = False) -> list[Box]:
        scale = min(1.0, (self.FINE_SIDE if fine else self.SIDE) / max(frame.shape[:2]))
        if frame.ndim == 2:
            frame = cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)
        height, width = (max(1, round(side * scale)) for side in frame.shape[:2])
        small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) if scale < 1 else frame
        self._net.setInputSize((width, height))
        _, rows = self._net.detect(small)
        boxes = [self._box(row / scale) for row in (rows if rows is not None else [])]
        return sorted(boxes, key=lambda box: (-box.area, box.x, box.y))

    def near(self, frame: np.ndarray, boxes: Sequence[Box]) -> list[Box | None]:
        detected = self.find(frame)
        best = (max(detected, key=box.overlap, default=None) for box in boxes)
        return [new if new is not None and box.overlap(new) > 0.2 else None
                for box, new in zip(boxes, best, strict=True)]

    def crop(self, gray: np.ndarray, box: Box) -> np.ndarray:
        return square(gray, box, max(box.width, box.height) / self.SHARE)

    @staticmethod
    def _box(row: np.ndarray) -> Box:
        """From a row of YuNet: x, y, width, height, right eye (x, y), left eye (x, y) and more."""
        x, y, width, height, right_x, right_y, left_x, left_y = row[:8].tolist()
        roll = float(np.degrees(np.arctan2(left_y - right_y, left_x - right_x)))
        return Box(round(x), round(y), round(width), round(height), round(roll, 1) if abs(roll) > UPRIGHT else 0.0)
