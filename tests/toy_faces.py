"""Faces, models and cameras for the demo's tests: small and the same every time."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from pipeline.bundle import bundle as bundles
from pipeline.faces.faces import EMOTIONS

ROOT = Path(__file__).parent.parent
# FFmpeg reads this once, at the first video, which may be one that a test writes
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


def toy_bundle(folder: Path) -> Path:
    """Write a bundle whose network averages the left and right half and multiplies them with fixed weights."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    halves = np.zeros((48, 48, 2), "float32")
    halves[:, :24, 0] = halves[:, 24:, 1] = 1 / (255 * 48 * 24)
    weights = halves.reshape(-1, 2) @ np.random.default_rng(0).normal(0, 3, (2, 7)).astype("float32")
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["image"], ["flat"]), helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
         helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1)],
        "toy", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 48, 48, 1])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 7])],
        [numpy_helper.from_array(weights, "weights")],
    )
    net = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(net, folder / "model.onnx")
    meta = {"format": 1, "classes": list(EMOTIONS), "class_set": "7", "size": 48, "crop_margin": 0.97,
            "temperature": 2.0, "files": {"model.onnx": bundles.sha256(folder / "model.onnx")}, "provenance": {
                "dataset": "sample", "edition": "drawn", "protocol": "published", "class_set": "7", "data_digest": "d",
                "source_digest": "d", "recipe": "toy", "config": {}, "seed": 1, "epochs_run": 1, "epochs_asked": 1,
                "best_epoch": 1, "seconds": 1.0, "finished": "2026-01-01T00:00:00+00:00", "hardware": "a box",
                "backend": "none", "precision": "float32", "parameters": 14}}
    (folder / "bundle.json").write_text(json.dumps(meta))
    return folder


def face_frame(size=(640, 480), centre=(300, 220), radius=90) -> np.ndarray:
    """A drawn face that detectors find, on an even background: uint8 BGR ``(height, width, 3)``."""
    frame = np.full((size[1], size[0], 3), (120, 130, 110), "uint8")
    (x, y), r = centre, radius

    def oval(dx, dy, w, h, gray):
        cv2.ellipse(frame, (round(x + dx * r), round(y + dy * r)), (round(w * r), round(h * r)), 0, 0, 360,
                    (gray, gray, gray), -1, cv2.LINE_AA)

    oval(0, -0.35, 1.0, 1.2, 45)  # hair
    oval(0, 0, 0.85, 1.15, 205)
    for side in (-1, 1):
        oval(side * 0.36, -0.2, 0.26, 0.16, 110)  # the eye's hollow
        oval(side * 0.36, -0.18, 0.17, 0.09, 235)
        oval(side * 0.36, -0.18, 0.08, 0.09, 30)
        oval(side * 0.36, -0.42, 0.25, 0.06, 60)
        oval(side * 0.13, 0.25, 0.07, 0.05, 110)
    oval(0, 0.05, 0.07, 0.22, 222)
    oval(0, 0.58, 0.36, 0.1, 95)
    return cv2.GaussianBlur(frame, (0, 0), r / 40)


def write_clip(path: Path, frames=8, empty=4) -> Path:
    """Write a video of ten frames a second: ``frames`` with a face that moves to the right, then ``empty`` without."""
    codec = "VP80" if path.suffix == ".webm" else "mp4v"
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), 10, (640, 480))
    for step in range(frames + empty):
        empty_frame = np.full((480, 640, 3), 99, "uint8")
        writer.write(empty_frame if step >= frames else face_frame(centre=(250 + 8 * step, 220)))
    writer.release()
    return path


def retimed(path: Path, milliseconds: list[int], duration: bool = True) -> Path:
    """Rewrite the time stamps of a .webm's frames in place, and take its duration away where it is to have none."""
    data, stamps = bytearray(path.read_bytes()), iter(milliseconds)

    def size(at: int) -> tuple[int, int]:
        """Value and length of a number of variable length."""
        length = 9 - data[at].bit_length()
        return int.from_bytes(data[at : at + length], "big") & ((1 << 7 * length) - 1), length

    def walk(at: int, end: int) -> None:
        while at < end:
            start, length = at, 9 - data[at].bit_length()
            name = data[at : at + length].hex()
            content, width = size(at + length)
            at += length + width
            if name in ("18538067", "1f43b675", "1549a966"):  # segment, cluster, info
                walk(at, min(end, at + content))
            elif name == "e7":  # a cluster's own time
                data[at : at + content] = bytes(content)
            elif name == "a3":  # a frame, relative to its cluster
                data[at + 1 : at + 3] = next(stamps).to_bytes(2, "big")
            elif name == "4489" and not duration:
                data[start : at] = b"\xec" + bytes([0x80 | (at - start - 2 + content)]) + bytes(at - start - 2)
            at += content

    walk(0, len(data))
    path.write_bytes(data)
    return path


def scores_for(name: str, classes=EMOTIONS, top=0.7) -> np.ndarray:
    """Probabilities ``(C,)`` with ``top`` for one class and the rest shared by the others."""
    scores = np.full(len(classes), (1 - top) / (len(classes) - 1), "float32")
    scores[classes.index(name)] = top
    return scores


def frames_of(path: Path) -> list[np.ndarray]:
    """All frames of a video."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1])
    return frames


class FakeCamera:
    """Stands in for ``cv2.VideoCapture``: gives some frames and is then unplugged; each new one gives some again."""

    opened: ClassVar[list] = []

    def __init__(self, index=0, *_, frames=3):
        self.index, self.frames, self.freed = index, frames, False
        self.opened.append(self)

    def isOpened(self):
        return not self.freed

    def set(self, *_):
        return True

    def get(self, _):
        return 0.0

    def read(self):
        time.sleep(0.02)
        self.frames -= 1
        return (True, face_frame()) if self.frames >= 0 else (False, None)

    def release(self):
        self.freed = True


def python(*arguments, **options) -> subprocess.Popen:
    """Start a new Python at the project's root, its output as text."""
    settings = {"cwd": ROOT, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen([sys.executable, *map(str, arguments)], **settings)
