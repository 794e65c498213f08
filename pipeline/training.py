"""The one training loop, used by tune and train; keras and numpy alone, under TensorFlow or JAX.

Also a program for machines that have nothing else, a Colab or a plain GPU box::

    python -m pipeline.training CONFIG.json FACES OUT

CONFIG.json is a resolved recipe (``ferpipe resolve``), FACES a folder with images.npy and faces.csv,
OUT receives net.keras, history.json and run.json, which ``ferpipe import-run OUT`` brings home.
"""

import json
import math
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline import checkpoint as checkpoints
from pipeline import hardware, models, optimizers, stages
from pipeline.atomic import atomic_file
from pipeline.averaging import SAMPLE, averaged
from pipeline.epochs import epochs_of
from pipeline.faces import Faces
from pipeline.failure import Failure
from pipeline.metrics import cross_entropy
from pipeline.student import Student, feed
from pipeline.votes import shares

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
        net = build_net(config)
        student = Student(net, config)
    data = feed(config, *train, extra or {})
    steps = math.ceil(len(train[0]) / settings["batch_size"])
    run_epoch: Callable[[np.ndarray], dict]

    def begin(stage: int) -> None:
        nonlocal run_epoch
        stages.enter(net, settings, stage)
        student.compile(optimizer=optimizers.build(stages.within(settings, stage), steps))
        student.optimizer.build(student.trainable_variables)
        run_epoch = epochs_of(student, data, settings["batch_size"], verbose)

    state: dict[str, Any] = {"epoch": 0, "seconds": 0.0, "best": -1.0, "best_epoch": 0, "stalled": 0, "plateau": 0,
                             "stop": False, "history": []}
    best = net.get_weights()
    found = None if checkpoint is None else checkpoints.restore(
        checkpoint, student, lambda then: begin(stages.running(then["history"])))
    if found is None:
        begin(0)
    else:
        state, best = found

    while not state["stop"] and (stage := stages.upcoming(settings, state["history"])) is not None:
        if stage != stages.running(state["history"]):
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
            **stages.column(settings, stage),
            "learning_rate": float(student.optimizer.learning_rate),
            "loss": logs["loss"],
            "accuracy": logs["accuracy"],
            "val_loss": cross_entropy(logits, validation[1]),
            "val_accuracy": float((logits.argmax(axis=1) == validation[1]).mean()),
        }
        if not math.isfinite(row["loss"]):
            raise Diverged(f"training: the loss of epoch {row['epoch']} is {row['loss']}; lower train.learning_rate")
        _step_counters(state, row, stages.within(settings, stage), student.optimizer)
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


def main(argv: list[str] | None = None) -> None:
    """Train from a resolved recipe and a faces folder; the result is for ``ferpipe import-run``."""
    arguments = sys.argv[1:] if argv is None else argv
    if len(arguments) != 3:
        raise Failure("usage: python -m pipeline.training CONFIG.json FACES OUT")
    config_file, faces_folder, out = map(Path, arguments)
    try:
        config = json.loads(config_file.read_text(encoding="utf-8"))
        missing = [name for name in ("recipe", "seed", "classes", "model", "augment", "train") if name not in config]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")
    except (OSError, ValueError, TypeError) as error:
        raise Failure(f"{config_file}: not a resolved recipe ({error}); make one with `ferpipe resolve`") from error
    hardware.share_devices(config["train"]["batch_size"])
    train_into(out, config, Faces.load(faces_folder))
    print(f"{out}: bring it home with `ferpipe import-run {out}`")


def train_into(out: Path, config: dict, faces: Faces) -> None:
    """Train a resolved recipe on prepared faces and leave net.keras, history.json and run.json in ``out``."""
    state = out / "checkpoint" / checkpoints.key(config, faces.manifest["digest"])
    with checkpoints.alone(state):
        leave(out, config, faces, fit_faces(config, faces, checkpoint=state))


def leave(out: Path, config: dict, faces: Faces, fitted: Fitted) -> None:
    """Write net.keras, history.json and run.json, the last one last: where it stands, the others are its own."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "run.json").unlink(missing_ok=True)
    fitted.net.save(out / "net.keras")
    for name, told in (("history.json", fitted.history), ("run.json", provenance(config, faces, fitted))):
        with atomic_file(out / name) as new:
            new.write_text(json.dumps(told, indent=1), encoding="utf-8")


def fit_faces(config: dict, faces: Faces, **options) -> Fitted:
    """``fit`` on the Training split of prepared faces, with PublicTest as the validation split."""
    train, validation = faces.split("Training"), faces.split("PublicTest")
    extra = {} if train.votes is None else {"votes": shares(train.votes)}
    if train.teacher is not None:
        extra["teacher"] = train.teacher
    return fit(config, (train.images, train.labels), (validation.images, validation.labels), extra=extra, **options)


def provenance(config: dict, faces: Faces, fitted: Fitted) -> dict:
    """What a bundle and the ledger say of how a network came about."""
    manifest = faces.manifest
    return {
        **{name: manifest[name] for name in ("dataset", "edition", "protocol", "class_set")},
        "data_digest": manifest["digest"],
        "source_digest": manifest.get("source_digest", manifest["digest"]),
        "recipe": config["recipe"],
        "config": config,
        "seed": config["seed"],
        "epochs_run": len(fitted.history),
        "epochs_asked": config["train"]["epochs"],
        "best_epoch": fitted.best_epoch,
        "seconds": round(fitted.seconds, 1),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "hardware": hardware.describe(),
        "backend": keras.backend.backend(),
        "precision": fitted.precision,
        **({"weights": fitted.net.started_from} if hasattr(fitted.net, "started_from") else {}),
    }


if __name__ == "__main__":
    from pipeline import failure

    failure.run(main, "training")
