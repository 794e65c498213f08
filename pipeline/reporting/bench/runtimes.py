"""One network under one runtime in a process of its own, for ``bench``; each imports no more than its runtime needs.

``python -m pipeline.reporting.bench.runtimes RUNTIME FILE`` loads, predicts once, says ``ready``, and answers every
line ``BATCH CALLS`` with the milliseconds of CALLS calls, as JSON. ``{batch}`` in FILE stands for the batch size.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

# From float32 images (N, 48, 48, 1) to probabilities (N, C)
Predict = Callable[[np.ndarray], np.ndarray]


def onnx(file: Path) -> Predict:
    """An ONNX file under ONNX Runtime, on one thread."""
    from pipeline.bundle.bundle import onnx_session

    session = onnx_session(file)
    return lambda images: session.run(["probabilities"], {"image": images})[0]


def litert(file: Path) -> Predict:
    """A .tflite file of one batch size under LiteRT, on one thread."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file), num_threads=1)
    interpreter.allocate_tensors()
    (image,), (probabilities,) = interpreter.get_input_details(), interpreter.get_output_details()

    def predict(images: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(image["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(probabilities["index"])

    return predict


def keras(file: Path) -> Predict:
    """A Keras file by ``predict``, on one thread."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    net = keras.saving.load_model(file, compile=False, safe_mode=True)
    return lambda images: net.predict(images, batch_size=len(images), verbose=0)


RUNTIMES = {"onnx": onnx, "litert": litert, "keras": keras}


def images(batch: int) -> np.ndarray:
    """Noise: what is in the pixels does not matter to the time."""
    return np.random.default_rng(0).integers(0, 256, (batch, 48, 48, 1)).astype("float32")


def milliseconds(predict: Predict, batch: np.ndarray, calls: int) -> list[float]:
    """The time of each call, after two that warm up."""
    times = []
    for _ in range(calls + 2):
        begun = time.perf_counter()
        predict(batch)
        times.append(round(1000 * (time.perf_counter() - begun), 4))
    return times[2:]


def main() -> None:
    """Load what the command line names, then answer the requests on stdin until it ends."""
    runtime, file = sys.argv[1:]
    loaded: dict[Path, Predict] = {}

    def get(batch: int) -> Predict:
        path = Path(file.format(batch=batch))
        if path not in loaded:
            loaded[path] = RUNTIMES[runtime](path)
        return loaded[path]

    get(1)(images(1))
    print("ready", flush=True)
    for line in sys.stdin:
        batch, calls = map(int, line.split())
        print(json.dumps(milliseconds(get(batch), images(batch), calls)), flush=True)


if __name__ == "__main__":
    main()
