"""Images a second of our training loop and of plain Keras ``fit`` with the same network, in turn, each in its process.

``python -m pipeline.reporting.bench.train_speed SECONDS`` reads a resolved config from stdin and prints the figures as
JSON; ``ferpipe bench-train`` calls it for every recipe.
"""

import json
import sys
import time

import keras
import numpy as np
from keras import ops

from pipeline.reporting.bench.training_side import Remote, Side, toy
from pipeline.training import hardware, optimizers
from pipeline.training.augment import Augment
from pipeline.training.config import ResolvedConfig
from pipeline.training.loop import net_to_train

# Seconds of a turn, one step at least and never more than the whole measurement: what else runs on a machine then hits
# the neighbouring turn as well
TURN = 0.4
# Turns of each side, however long they are
FEWEST = 15
# Measurements of the augmentation
LOOKS = 3

class Turns(keras.callbacks.Callback):
    """After every ``steps`` batches of ``fit``, the other side's turn; an epoch's first batches do not count.

    Attributes:
        pairs: images a second of the other side and of ``fit``, turn by turn.
    """

    def __init__(self, other: Side, batch: int, steps: int, seconds: float):
        super().__init__()
        self.other, self.images, self.steps, self.seconds = other, steps * batch, steps, seconds
        self.begun: float | None = None
        self.pairs: list[tuple[float, float]] = []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun = None

    def on_train_batch_end(self, batch, logs=None):
        if (batch + 1) % self.steps:
            return
        float(logs["loss"])  # an accelerator has finished the batch when its loss is there
        ended, others = time.perf_counter(), self.other(self.steps)
        if self.begun is not None:
            self.pairs.append((others, self.images / (ended - self.begun)))
        spent = sum(self.images / other + self.images / fit for other, fit in self.pairs)
        self.model.stop_training = len(self.pairs) >= FEWEST and spent >= self.seconds
        self.begun = time.perf_counter()


class Changed(keras.Model):
    """The augmentation alone, as a model that is compiled like any other."""

    def __init__(self, config: ResolvedConfig):
        super().__init__()
        self.augment = Augment(**config["augment"])

    def call(self, images):
        return self.augment(ops.cast(images, "float32"), training=True)


def plain(config: ResolvedConfig, images: np.ndarray, labels: np.ndarray, turns: Turns) -> None:
    """Keras's ``fit`` on numpy arrays, until the turns are over: float32 images that are scaled already, one-hot
    labels, no augmentation."""
    settings = config["train"]
    with hardware.policy(hardware.precision(settings["precision"])):
        net = net_to_train(config)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=settings["label_smoothing"])
    optimizer = optimizers.build(settings, len(images) // settings["batch_size"], stock=True)
    net.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    x = images[..., None].astype("float32") / 255
    y = np.eye(len(config["classes"]), dtype="float32")[labels]
    net.fit(x, y, batch_size=settings["batch_size"], epochs=sys.maxsize, verbose=0, callbacks=[turns])


def augmentation(config: ResolvedConfig, images: np.ndarray) -> Side | None:
    """The recipe's augmentation alone, batch by batch; None where it changes nothing."""
    if not any(value for name, value in config["augment"].items() if name not in ("strength", "fill", "severity")):
        return None
    changed, batch = Changed(config), config["train"]["batch_size"]

    def side(steps: int) -> float:
        begun = time.perf_counter()
        for step in range(steps):
            start = step * batch % (len(images) - batch + 1)
            changed.predict_on_batch(images[start : start + batch, ..., None])
        return steps * batch / (time.perf_counter() - begun)

    return side


def compare(config: ResolvedConfig, seconds: float) -> dict:
    """Images a second of our loop and of plain ``fit``, turn by turn for about ``seconds`` together."""
    batch = config["train"]["batch_size"]
    images, labels = toy(config)
    with Remote(config) as loop:
        loop(1)  # traces and compiles
        turn = min(TURN, seconds)
        steps = max(1, min(len(images) // batch // 4, round(turn * loop(1) / batch)))
        loop(steps)
        turns = Turns(loop, batch, steps, seconds)
        plain(config, images, labels, turns)
    speeds = {"ours": [round(other, 1) for other, _ in turns.pairs], "plain": [round(fit, 1) for _, fit in turns.pairs]}
    if (alone := augmentation(config, images)) is not None:
        alone(2)
        steps = max(2, round(turn * alone(2) / batch))
        speeds["augmentation"] = [round(alone(steps), 1) for _ in range(LOOKS)]
    return {"batch": batch, "precision": hardware.precision(config["train"]["precision"]),
            "parameters": net_to_train(config).count_params(), "machine": hardware.describe(), **speeds}


if __name__ == "__main__":
    print(json.dumps(compare(json.load(sys.stdin), float(sys.argv[1]))))
