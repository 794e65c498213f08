"""The loop: the network of a resolved config trained on images, epoch by epoch."""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import keras
import numpy as np

from pipeline.faces.faces import Faces
from pipeline.faces.votes import shares
from pipeline.system.failure import Failure
from pipeline.training import checkpoint as checkpoints
from pipeline.training import hardware, keras_internals, models, optimizers, towers, unfreezing
from pipeline.training.averaging import SAMPLE, averaged
from pipeline.training.config import NetConfig, ResolvedConfig, complete
from pipeline.training.epochs import Data, epochs_of
from pipeline.training.losses import cross_entropy
from pipeline.training.progress import Progress
from pipeline.training.student import Student, feed

BATCH_TO_PREDICT = 512


class Diverged(Failure):
    """The loss is infinite or NaN."""


@dataclass(frozen=True)
class Fitted:
    """What ``fit`` returns: the network (float32, with its chosen weights) and how it came about.

    Attributes:
        net: gray images ``(N, 48, 48, 1)`` with values 0 to 255 to logits ``(N, classes)``.
        history: a row an epoch.
        seconds: that training and validation took.
        best_epoch: the epoch that the weights are from, from 1.
        precision: ``float32`` or ``bfloat16``, in which it was trained.
    """

    net: keras.Model
    history: list[dict]
    seconds: float
    best_epoch: int
    precision: str


def build_net(config: NetConfig) -> keras.Model:
    """The network of a resolved config, weights drawn from its seed."""
    keras.utils.set_random_seed(config["seed"])
    return models.build(classes=len(config["classes"]), **config["model"])


def net_to_train(config: NetConfig) -> keras.Model:
    """``build_net`` without what has no weights and is there for pictures from cameras alone (``model.sharpness``): in
    training too, it would take away the damage that the network is to learn from."""
    options = {name: value for name, value in config["model"].items() if name != "sharpness"}
    return build_net(cast(NetConfig, {**config, "model": options}))


def predict(net: keras.Model, images: np.ndarray, flip: bool = False) -> np.ndarray:
    """Outputs ``(N, classes)`` of the network for uint8 images ``(N, H, W)``, for their mirror images when ``flip``."""
    if flip:
        images = images[:, :, ::-1]
    return _by_batches(net.predict_on_batch, images)


def _by_batches(answers: Callable, images: np.ndarray) -> np.ndarray:
    batches = [images[i : i + BATCH_TO_PREDICT, ..., None] for i in range(0, len(images), BATCH_TO_PREDICT)]
    return np.concatenate([answers(batch) for batch in batches])


def fit_faces(config: ResolvedConfig, faces: Faces, **options) -> Fitted:
    """``fit`` on the Training split of prepared faces, with PublicTest as the validation split."""
    train, validation = faces.split("Training"), faces.split("PublicTest")
    extra = {} if train.votes is None else {"votes": shares(train.votes)}
    if train.teacher is not None:
        extra["teacher"] = train.teacher
    return fit(config, (train.images, train.labels), (validation.images, validation.labels), extra=extra, **options)


@keras_internals.forgetting_gradients()
def fit(
    config: ResolvedConfig,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    *,
    extra: dict[str, np.ndarray] | None = None,
    checkpoint: Path | None = None,
    on_epoch: Callable[[dict], None] | None = None,
    verbose: bool = True,
) -> Fitted:
    """Train the network of a resolved config.

    Args:
        config: the resolved config.
        train: uint8 images ``(N, H, W)`` and integer labels ``(N,)``.
        validation: the same for the split that chooses the epoch.
        extra: more targets for the training images, see Student: votes, teacher.
        checkpoint: folder that holds the state after every epoch; when it already holds one, training
            continues from there to the same result as an uninterrupted run. Removed by the caller on success.
        on_epoch: called after every epoch with its row of the history; what it raises ends training.
        verbose: whether a line is printed after every epoch, and at a terminal a bar during it.

    Every random number is a function of (seed, epoch, step), so it does not matter where a run was interrupted.

    Raises Failure when the network cannot be built or targets are missing, and Diverged when the loss is infinite or
    NaN.
    """
    config = complete(config)
    settings, seed = config["train"], config["seed"]
    hardware.share_cores(settings["precision"], settings["batch_size"])
    precision = hardware.precision(settings["precision"])
    with hardware.policy(precision):
        student = Student(net_to_train(config), config)
    start, averages = student.net.get_weights(), bool(settings["ema"] or settings["start_share"])
    trainer = Trainer(student, config, feed(config, *train, extra or {}), verbose)

    # Begin, or continue where the run was interrupted
    saved = None if checkpoint is None else checkpoints.latest(checkpoint)
    if saved is None:
        progress, best_weights = Progress(), student.net.get_weights()
        trainer.enter_stage(0)
    else:
        progress, best_weights = saved.progress, saved.best_weights
        trainer.enter_stage(unfreezing.current_stage(progress.history))
        checkpoints.restore(saved, student)

    while not progress.stopped and (stage := unfreezing.next_stage(settings, progress.history)) is not None:
        if stage != unfreezing.current_stage(progress.history):
            student.net.set_weights(best_weights)
            progress.plateau = 0
            trainer.enter_stage(stage)

        # Train: the images' order and all random numbers follow from the seed and the epoch
        started = time.perf_counter()
        order = np.random.default_rng([seed, progress.epoch]).permutation(len(train[0]))
        trainer.prepare(progress.epoch)
        figures = trainer.train(order)

        # Validate, with the averaged weights where the recipe averages; those are the ones that are kept, too
        with (averaged(student, trainer.data["images"][order[:SAMPLE]], settings["ema"] > 0, start,
                       settings["start_share"]) if averages else nullcontext()):
            logits = trainer.predict(validation[0])
            weights = student.net.get_weights()
        row = {
            "epoch": progress.epoch + 1,
            **unfreezing.stage_column(settings, stage),
            "learning_rate": float(student.optimizer.learning_rate),
            "loss": figures["loss"],
            "accuracy": figures["accuracy"],
            "val_loss": cross_entropy(logits, validation[1]),
            "val_accuracy": float((logits.argmax(axis=1) == validation[1]).mean()),
        }
        if not math.isfinite(row["loss"]):
            raise Diverged(f"training: the loss of epoch {row['epoch']} is {row['loss']}; lower train.learning_rate")

        # Decide: which weights are the best so far, whether the rate falls, whether this was the last epoch
        progress.add(row, unfreezing.stage_settings(settings, stage))
        if progress.rate_is_due(settings):
            student.optimizer.learning_rate = float(student.optimizer.learning_rate) * settings["plateau_factor"]
        if settings["keep"] == "last" or progress.best_epoch == progress.epoch:
            best_weights = weights

        # Record
        progress.seconds += time.perf_counter() - started
        row["seconds"] = round(progress.seconds, 1)
        if verbose:
            # By the mean epoch so far; early stopping may end the run before
            left = progress.seconds / progress.epoch * (settings["epochs"] - progress.epoch)
            print(f"epoch {row['epoch']:>3} of {settings['epochs']}: PublicTest accuracy {row['val_accuracy']:.4f}, "
                  f"loss {row['val_loss']:.4f}, {row['seconds'] / 60:.1f} min, about {left / 60:.1f} left", flush=True)
        if checkpoint is not None:
            checkpoints.save(checkpoint, student, progress, best_weights)
        if on_epoch is not None:
            on_epoch(row)

    # Built anew: in float32, of Keras's own layers, without augmentation and second head, with ``model.sharpness``
    net = build_net(config)
    net.set_weights(best_weights)
    best_epoch = progress.best_epoch if settings["keep"] == "best" else progress.epoch
    return Fitted(net, progress.history, progress.seconds, best_epoch, precision)


class Trainer:
    """A student with its training data and the epoch that is compiled for it.

    Compiled code holds some things as constants: which layers learn, and whether the augmentation mirrors only or
    degrades. Where they change, between stages and for the last epochs, it is compiled anew; all else changes by
    variables.

    Attributes:
        data: what batches are cut from, see Student.
    """

    def __init__(self, student: Student, config: ResolvedConfig, data: Data, verbose: bool):
        self.student, self.data = student, data
        self._settings, self._seed, self._verbose = config["train"], config["seed"], verbose
        self._steps = math.ceil(len(data["images"]) / self._settings["batch_size"])
        self._answers = student.net.predict_on_batch if student.towers == 1 else towers.predictor(student.net)

    def enter_stage(self, stage: int) -> None:
        """Let the stage's layers learn, under a fresh optimiser at the stage's rate."""
        unfreezing.enter_stage(self.student.net, self._settings, stage)
        optimizer = optimizers.build(unfreezing.stage_settings(self._settings, stage), self._steps)
        self.student.compile(optimizer=optimizer)
        optimizer.build(self.student.trainable_variables)
        self._compile_epoch()

    def prepare(self, epoch: int) -> None:
        """Set what depends on the epoch (from 0) alone: random generators, augmentation, mixing."""
        self._key_random_numbers(epoch)
        epochs, augment = self._settings["epochs"], self.student.augment
        mirrors_only = epoch >= self._settings["augment_until"] * epochs
        degrades = epoch >= self._settings["degrade_from"] * epochs
        if (augment.mirrors_only, augment.degrades) != (mirrors_only, degrades):
            augment.mirrors_only, augment.degrades = mirrors_only, degrades
            keras_internals.drop_compiled_step(self.student)
            self._compile_epoch()
        if self.student.mix is not None:
            self.student.mix.active.assign(float(epoch < self._settings["mix_until"] * self._settings["epochs"]))

    def train(self, order: np.ndarray) -> dict[str, float]:
        """One epoch over the images in this order; the mean ``loss`` and ``accuracy`` in it."""
        return self._epoch(order)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The network's outputs ``(N, classes)`` for uint8 images ``(N, H, W)``."""
        return _by_batches(self._answers, images)

    def _compile_epoch(self) -> None:
        self._epoch = epochs_of(self.student, self.data, self._settings["batch_size"], self._verbose)

    def _key_random_numbers(self, epoch: int) -> None:
        """Set every generator in the student to a state that only seed, epoch and the generator's index decide."""
        for index, state in enumerate(keras_internals.random_states(self.student)):
            sequence = np.random.SeedSequence([self._seed, epoch, index])
            state.assign(sequence.generate_state(2).astype(state.dtype))
