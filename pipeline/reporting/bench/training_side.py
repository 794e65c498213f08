"""Our training loop in a process of its own, which trains for so many steps whenever it is told to.

In its own, because TensorFlow takes its number of threads once: what it is compared with has others.
``python -m pipeline.reporting.bench.training_side`` reads a line of JSON from stdin, with the resolved config and what
to switch off, then numbers of steps, and answers each with images a second.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from pipeline.system.failure import Failure
from pipeline.training.config import ResolvedConfig

# FER-2013's Training
IMAGES = 28709
# Trains for that many steps and returns the images a second
Side = Callable[[int], float]


class Remote:
    """The loop of a resolved config in another process, with all techniques of ``hardware.Technique`` or without one.

    Attributes:
        gains: whether this machine uses the one that is left out.
        precision: ``float32`` or ``bfloat16``.
        machine: in words.
    """

    def __init__(self, config: ResolvedConfig, without: str | None = None):
        self._process = subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)
        answer = json.loads(self._ask(json.dumps({"config": config, "without": without})))
        self.gains, self.precision, self.machine = answer["gains"], answer["precision"], answer["machine"]

    def __call__(self, steps: int) -> float:
        return float(self._ask(str(steps)))

    def __enter__(self) -> "Remote":
        return self

    def __exit__(self, *_) -> None:
        self._process.communicate()

    def _ask(self, line: str) -> str:
        process = self._process
        assert process.stdin and process.stdout
        print(line, file=process.stdin, flush=True)
        if not (answer := process.stdout.readline()):
            raise Failure(f"the training that is measured ended with {process.wait()}")
        return answer


def toy(config: ResolvedConfig) -> tuple[np.ndarray, np.ndarray]:
    """Random images ``(N, 48, 48)`` and labels ``(N,)``, as many as FER-2013's or a few batches."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (max(IMAGES, 8 * config["train"]["batch_size"]), 48, 48), dtype="uint8")
    return images, rng.integers(0, len(config["classes"]), len(images))


def loop(config: ResolvedConfig) -> Side:
    """The loop that training uses, augmentation, mixing and all."""
    from pipeline.training import hardware, optimizers
    from pipeline.training.epochs import epochs_of
    from pipeline.training.loop import net_to_train
    from pipeline.training.student import Student, feed

    (images, labels), settings = toy(config), config["train"]
    hardware.share_cores(settings["precision"], settings["batch_size"])
    with hardware.policy(hardware.precision(settings["precision"])):
        student = Student(net_to_train(config), config)
    student.compile(optimizer=optimizers.build(settings, len(images) // settings["batch_size"]))
    student.optimizer.build(student.trainable_variables)
    epoch = epochs_of(student, feed(config, images, labels, {}), settings["batch_size"], verbose=False)
    rng = np.random.default_rng(0)

    def side(steps: int) -> float:
        order = rng.permutation(len(images))[: steps * settings["batch_size"]]
        begun = time.perf_counter()
        epoch(order)
        return len(order) / (time.perf_counter() - begun)

    return side


def main() -> None:
    """Answer until stdin ends."""
    from pipeline.training import hardware

    request = json.loads(sys.stdin.readline())
    config, without = request["config"], request["without"]
    gains = without is not None and hardware.gains(without)
    hardware.switched_off |= {without}
    side = loop(config)
    print(json.dumps({"gains": gains, "precision": hardware.precision(config["train"]["precision"]),
                      "machine": hardware.describe()}), flush=True)
    for line in sys.stdin:
        print(side(int(line)), flush=True)


if __name__ == "__main__":
    main()
