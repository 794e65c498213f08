"""The loop: a resolved recipe's network trained on images, epoch by epoch, and what came of it."""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline.faces.faces import Faces
from pipeline.faces.votes import shares
from pipeline.system.failure import Failure
from pipeline.training import checkpoint as checkpoints
from pipeline.training import hardware, models, optimizers, unfreezing
from pipeline.training.averaging import SAMPLE, averaged
from pipeline.training.epochs import epochs_of
from pipeline.training.losses import cross_entropy
from pipeline.training.student import Student, feed

BATCH_TO_PREDICT = 512


class Diverged(Failure):
    """The loss is no number any more."""


@dataclass(frozen=True)
class Fitted:
    """What ``fit`` returns: the network (float32, with its chosen weights) and how it came about."""

    net: keras.Model
    history: list[dict]
    seconds: float
    best_epoch: int
    precision: str


def build_net(config: dict) -> keras.Model:
    """The network of a resolved recipe, weights drawn from its seed."""
    keras.utils.set_random_seed(config["seed"])
    return models.build(classes=len(config["classes"]), **config["model"])


def predict(net: keras.Model, images: np.ndarray, flip: bool = False) -> np.ndarray:
    """Outputs ``(N, classes)`` of the network for uint8 images ``(N, H, W)``, for their mirror images when ``flip``."""
    if flip:
        images = images[:, :, ::-1]
    batches = [images[i : i + BATCH_TO_PREDICT, ..., None] for i in range(0, len(images), BATCH_TO_PREDICT)]
    return np.concatenate([net.predict_on_batch(batch) for batch in batches])


def fit(
    config: dict,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    *,
    extra: dict[str, np.ndarray] | None = None,
    checkpoint: Path | None = None,
    on_epoch: Callable[[dict], None] | None = None,
    verbose: bool = True,
) -> Fitted:
    """Train the network of a resolved recipe.

    Args:
        config: the resolved recipe: seed, classes, model, augment, train, class_weights.
        train: uint8 images ``(N, H, W)`` and integer labels ``(N,)``.
        validation: the same for the split that chooses the epoch.
        extra: more targets for the training images, see Student: votes, teacher.
        checkpoint: folder that holds the state after every epoch; when it already holds one, training goes
            on from there to the same end as an undisturbed run. Removed by the caller on success.
        on_epoch: called after every epoch with its row of the history; what it raises ends training.

    Every random number is a function of (seed, epoch, step), so where a run was cut does not matter.
    """
    settings = config["train"]
    precision = hardware.precision(settings["precision"])
    with hardware.policy(precision):
        student = Student(build_net(config), config)
    net = student.net
    data = feed(config, *train, extra or {})
    steps = math.ceil(len(train[0]) / settings["batch_size"])
    run_epoch: Callable[[np.ndarray], dict]

    def begin(stage: int) -> None:
        nonlocal run_epoch
        unfreezing.enter(net, settings, stage)
        student.compile(optimizer=optimizers.build(unfreezing.within(settings, stage), steps))
        student.optimizer.build(student.trainable_variables)
        run_epoch = epochs_of(student, data, settings["batch_size"], verbose)

    state: dict[str, Any] = {"epoch": 0, "seconds": 0.0, "best": -1.0, "best_epoch": 0, "stalled": 0, "plateau": 0,
                             "stop": False, "history": []}
    best = net.get_weights()
    found = None if checkpoint is None else checkpoints.restore(
        checkpoint, student, lambda then: begin(unfreezing.running(then["history"])))
    if found is None:
        begin(0)
    else:
        state, best = found

    while not state["stop"] and (stage := unfreezing.upcoming(settings, state["history"])) is not None:
        if stage != unfreezing.running(state["history"]):
            net.set_weights(best)
            state["plateau"] = 0
            begin(stage)
        begun, epoch = time.perf_counter(), state["epoch"]
        order = np.random.default_rng([config["seed"], epoch]).permutation(len(train[0]))
        _key_random_numbers(student, config["seed"], epoch)
        mirrors_only = epoch >= settings["augment_until"] * settings["epochs"]
        if student.augment.mirrors_only != mirrors_only:
            student.augment.mirrors_only = mirrors_only
            student.make_train_function(force=True)
            run_epoch = epochs_of(student, data, settings["batch_size"], verbose)
        if student.mix is not None:
            student.mix.active.assign(float(epoch < settings["mix_until"] * settings["epochs"]))
        logs = run_epoch(order)
        with averaged(student, data["images"][order[:SAMPLE]]) if settings["ema"] else nullcontext():
            logits = predict(net, validation[0])
            weights = net.get_weights()
        row = {
            "epoch": epoch + 1,
            **unfreezing.column(settings, stage),
            "learning_rate": float(student.optimizer.learning_rate),
            "loss": logs["loss"],
            "accuracy": logs["accuracy"],
            "val_loss": cross_entropy(logits, validation[1]),
            "val_accuracy": float((logits.argmax(axis=1) == validation[1]).mean()),
        }
        if not math.isfinite(row["loss"]):
            raise Diverged(f"training: the loss of epoch {row['epoch']} is {row['loss']}; lower train.learning_rate")
        _step_counters(state, row, unfreezing.within(settings, stage), student.optimizer)
        if settings["keep"] == "last" or state["best_epoch"] == row["epoch"]:
            best = weights
        state["seconds"] += time.perf_counter() - begun
        row["seconds"] = round(state["seconds"], 1)
        if verbose:
            print(f"epoch {row['epoch']:>3} of {settings['epochs']}: PublicTest accuracy {row['val_accuracy']:.4f}, "
                  f"loss {row['val_loss']:.4f}, {row['seconds'] / 60:.1f} min", flush=True)
        if checkpoint is not None:
            checkpoints.save(checkpoint, student, state, best)
        if on_epoch is not None:
            on_epoch(row)

    final = build_net(config)
    final.set_weights(best)
    best_epoch = state["best_epoch"] if settings["keep"] == "best" else state["epoch"]
    return Fitted(final, state["history"], state["seconds"], best_epoch, precision)


def _key_random_numbers(model: keras.Model, seed: int, epoch: int) -> None:
    """Set every generator inside the model (augmentation, dropout) to a state that only (seed, epoch) decides."""
    generators = [v for v in model.variables if v.path.endswith("seed_generator_state")]
    for place, variable in enumerate(generators):
        variable.assign(np.random.SeedSequence([seed, epoch, place]).generate_state(2).astype(variable.dtype))


def _step_counters(state: dict, row: dict, settings: dict, optimizer) -> None:
    """Early stopping and the plateau rule, as plain numbers that the checkpoint carries."""
    state["epoch"] = row["epoch"]
    state["history"].append(row)
    if row["val_accuracy"] > state["best"]:
        state.update(best=row["val_accuracy"], best_epoch=row["epoch"], stalled=0)
    else:
        state["stalled"] += 1
    patience = settings["early_stopping"]
    state["stop"] = bool(patience) and state["stalled"] >= patience
    if settings["schedule"] == "plateau":
        losses = [r["val_loss"] for r in state["history"] if r.get("stage") == row.get("stage")]
        state["plateau"] = 0 if losses[-1] <= min(losses) else state["plateau"] + 1
        if state["plateau"] >= settings["plateau_patience"]:
            optimizer.learning_rate = float(optimizer.learning_rate) * settings["plateau_factor"]
            state["plateau"] = 0


def fit_faces(config: dict, faces: Faces, **options) -> Fitted:
    """``fit`` on the Training split of prepared faces, with PublicTest as the validation split."""
    train, validation = faces.split("Training"), faces.split("PublicTest")
    extra = {} if train.votes is None else {"votes": shares(train.votes)}
    if train.teacher is not None:
        extra["teacher"] = train.teacher
    return fit(config, (train.images, train.labels), (validation.images, validation.labels), extra=extra, **options)
