"""Images a second of our training loop and of plain Keras ``fit`` with the same network, in turn, in one process.

``python -m pipeline.bench.train_speed SECONDS ROUNDS`` reads a resolved recipe from stdin and prints the figures
as JSON; ``ferpipe bench-train`` calls it for every recipe.
"""

import json
import sys
import time
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from pipeline.training import hardware, optimizers
from pipeline.training.augment import Augment
from pipeline.training.epochs import epochs_of
from pipeline.training.loop import build_net
from pipeline.training.student import Student, feed

# An epoch of FER-2013, the most that one measurement trains on
MOST = 28709
# Steps before the first measurement, and at least in one
FEWEST = 2
# Trains for so many steps and returns the images a second
Side = Callable[[int], float]


class Stopwatch(keras.callbacks.Callback):
    """From the end of the first batch to the end of the last: what ``fit`` does around an epoch does not count."""

    def __init__(self, steps: int):
        super().__init__()
        self.steps, self.begun, self.seconds = steps, 0.0, 0.0

    def on_train_batch_end(self, batch, logs=None):
        if batch in (0, self.steps - 1):
            float(logs["loss"])  # an accelerator has finished the batch when its loss is there
            now = time.perf_counter()
            self.begun, self.seconds = (now, 0.0) if batch == 0 else (self.begun, now - self.begun)


class Changed(keras.Model):
    """The augmentation alone, as a model that is compiled like any other."""

    def __init__(self, config: dict):
        super().__init__()
        self.augment = Augment(**config["augment"])

    def call(self, images):
        return self.augment(ops.cast(images, "float32"), training=True)


def ours(config: dict, images: np.ndarray, labels: np.ndarray) -> Side:
    """The loop that training uses, augmentation, mixing and all, on uint8 images ``(N, H, W)``."""
    settings = config["train"]
    with hardware.policy(hardware.precision(settings["precision"])):
        student = Student(build_net(config), config)
    student.compile(optimizer=optimizers.build(settings, len(images) // settings["batch_size"]))
    student.optimizer.build(student.trainable_variables)
    epoch = epochs_of(student, feed(config, images, labels, {}), settings["batch_size"], verbose=False)
    rng = np.random.default_rng(0)

    def side(steps: int) -> float:
        order = rng.permutation(len(images))[: steps * settings["batch_size"]]
        epoch(order[: settings["batch_size"]])
        begun = time.perf_counter()
        epoch(order[settings["batch_size"] :])
        return (len(order) - settings["batch_size"]) / (time.perf_counter() - begun)

    return side


def plain(config: dict, images: np.ndarray, labels: np.ndarray) -> Side:
    """Keras's ``fit`` on numpy arrays: float32 images that are scaled already, one-hot labels, no augmentation."""
    settings = config["train"]
    with hardware.policy(hardware.precision(settings["precision"])):
        net = build_net(config)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=settings["label_smoothing"])
    net.compile(optimizer=optimizers.build(settings, len(images) // settings["batch_size"]), loss=loss,
                metrics=["accuracy"])
    x = images[..., None].astype("float32") / 255
    y = np.eye(len(config["classes"]), dtype="float32")[labels]

    def side(steps: int) -> float:
        watch, count = Stopwatch(steps), steps * settings["batch_size"]
        net.fit(x[:count], y[:count], batch_size=settings["batch_size"], verbose=0, callbacks=[watch])
        return (count - settings["batch_size"]) / watch.seconds

    return side


def augmentation(config: dict, images: np.ndarray) -> Side | None:
    """The recipe's augmentation alone, batch by batch; None where it changes nothing."""
    if not any(value for name, value in config["augment"].items() if name not in ("strength", "fill")):
        return None
    changed, batch = Changed(config), config["train"]["batch_size"]

    def side(steps: int) -> float:
        begun = time.perf_counter()
        for step in range(steps):
            start = step * batch % (len(images) - batch + 1)
            changed.predict_on_batch(images[start : start + batch, ..., None])
        return steps * batch / (time.perf_counter() - begun)

    return side


def compare(config: dict, seconds: float, rounds: int) -> dict:
    """Images a second of every round, about ``seconds`` each; who begins changes from round to round."""
    batch = config["train"]["batch_size"]
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (max(MOST, FEWEST * batch), 48, 48), dtype="uint8")
    labels = rng.integers(0, len(config["classes"]), len(images))
    sides = {"ours": ours(config, images, labels), "plain": plain(config, images, labels)}
    if (alone := augmentation(config, images)) is not None:
        sides["augmentation"] = alone
    steps = {}
    for name, side in sides.items():
        side(FEWEST)  # traces and compiles
        most = len(images) // batch if name != "augmentation" else sys.maxsize
        steps[name] = max(FEWEST, min(most, round(seconds * side(FEWEST) / batch)))
    found: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds):
        for name in list(sides)[:: -1 if turn % 2 else 1]:
            found[name].append(round(sides[name](steps[name]), 1))
    return {"batch": batch, "precision": hardware.precision(config["train"]["precision"]),
            "parameters": build_net(config).count_params(), "machine": hardware.describe(), **found}


if __name__ == "__main__":
    print(json.dumps(compare(json.load(sys.stdin), float(sys.argv[1]), int(sys.argv[2]))))
