"""The best few trials and the recipe at full length, and what of them is taken; see ``evidence`` for why.

What a training at full length got right is kept in the study, so that it is trained once, whoever goes on, and by one
process at a time (``turn``). A finalist that falls behind the recipe is stopped. The one whose values the next stage
trains with leaves its checkpoint: train continues from there, and finds nothing to do.
"""

import base64
import contextlib
import functools
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.faces.faces import Faces
from pipeline.params.params import Params
from pipeline.params.resolved import resolve
from pipeline.system import project
from pipeline.tracking import killed, runs
from pipeline.training import code
from pipeline.training.config import ResolvedConfig
from pipeline.training.importing import quiet
from pipeline.tune import evidence, process, turn, warm
from pipeline.tune.slots import TooLate
from pipeline.tune.space import Space
from pipeline.tune.storage import Address

# Begins the names of the study's user attributes that hold what slots got right at full length
FULL = "full length "
# Of the attributes' values: what a slot got right, and of how many images; its accuracy after every epoch; or instead
# of these why it was stopped
CORRECT, IMAGES, CURVE, STOPPED = "correct", "images", "curve", "stopped"


def contenders(counted: Mapping[int, Any], most: int) -> list[int]:
    """The slots to train at full length beside the recipe's: the best complete ones that beat it, at most so many."""
    recipe = counted[0].value
    better = [slot for slot, trial in counted.items()
              if slot and trial.state.name == "COMPLETE" and trial.value > recipe]
    return sorted(better, key=lambda slot: (-counted[slot].value, slot))[:most]


def verdict(space: Space, faces: Faces, study, where: Address, counted: Mapping[int, Any],
            parent: runs.Run) -> dict[str, Any]:
    """Train the contenders and the recipe at full length, or wait for the process that does; what best_params.yaml
    holds of it.

    Args:
        study: an open study of Optuna's.
        where: its storage.
        counted: its finished trials by slot.
        parent: the study's MLflow run.
    """
    slots = contenders(counted, space.params.tune.finalists)
    trials = len(counted) - 1 + study.user_attrs.get(warm.CHOSEN_FROM, 0)

    def judged(recipe: np.ndarray, correct: Mapping[int, np.ndarray | evidence.Behind]) -> list[evidence.Finalist]:
        return evidence.judged(recipe, correct, trials, space.params.tune.confidence, space.params.seed)

    def missing() -> list[int]:
        """What is not trained yet; the recipe comes first, and its error ends the search."""
        if slots and _name(0) not in study.user_attrs:
            return [0]
        return [slot for slot in finalists() if _name(slot) not in study.user_attrs]

    @functools.cache
    def finalists() -> list[int]:
        """The contenders, or none where even one that gets every image right would not be taken; asked for when the
        recipe is trained."""
        if not slots:
            return []
        recipe = _correct(study, 0)
        return slots if evidence.taken(judged(recipe, {slots[0]: np.ones_like(recipe)})) is not None else []

    waiting = False
    while missing():
        trained = True
        try:
            with turn.taken(study, where, missing) as mine:
                while mine and trained and (slot := next(iter(missing()), None)) is not None:
                    trained = _train(study, slot, space.override(counted[slot].params), faces, where, parent)
        except TooLate:
            print(f"tune: at full length: this process was silent for longer than {where.grace} s, so another worker "
                  "trains instead", flush=True)
        if not trained:
            # Such as a stage that was stopped for longer than the grace period and does not know it yet
            if not waiting:
                print("tune: at full length: another process of this machine holds the checkpoint; this one waits for "
                      "it", flush=True)
            waiting = True
            turn.pause(where)
    recipe = _correct(study, 0) if slots else None
    rows = [] if recipe is None else judged(recipe, {slot: _kept(study, slot) for slot in finalists()})
    taken = evidence.taken(rows)
    # Those of earlier verdicts, over fewer trials, too
    losers = [slot for slot in counted if _name(slot) in study.user_attrs and slot != (taken or 0)]
    _drop_checkpoints([space.override(counted[slot].params) for slot in losers], faces, where)
    if recipe is not None and not rows:
        print(f"tune: at full length: the recipe gets {recipe.sum()} of {len(recipe)} images of PublicTest right, "
              "which no trial could beat beyond chance", flush=True)
    for row in rows:
        outcome = (f"stopped after epoch {row.stopped}, {-100 * row.gain:.2f} points behind the recipe"
                   if row.stopped is not None else
                   f"PublicTest accuracy {row.accuracy:.4f}, {100 * row.gain:+.2f} points, a gain with probability "
                   f"{row.probability:.4f}, {row.needed:.4f} needed")
        print(f"tune: trial {row.trial} at full length: {outcome}", flush=True)
    return {
        "recipe_accuracy": None if recipe is None else round(float(recipe.mean()), 6),
        "finalists": [{name: round(value, 6) if isinstance(value, float) else value
                       for name, value in asdict(row).items()} for row in rows],
        "taken": taken,
        "take": {} if taken is None else space.changes(counted[taken].params),
    }


def _train(study, slot: int, params: Params, faces: Faces, where: Address, parent: runs.Run) -> bool:
    """Train at full length; the study keeps what it got right on PublicTest, or why it was stopped. A network whose
    loss runs away got nothing right, unless it is the recipe's own. False, and nothing is trained, where another
    process has the checkpoint.

    Raises TooLate where another process has the turn by now.
    """
    import optuna

    with quiet():
        from pipeline.training import checkpoint, loop

    config, public = resolve(params, faces.manifest), faces.split("PublicTest")
    epochs, recipe = config["train"]["epochs"], _curve(study)
    title = f"{f'trial {slot}' if slot else 'the recipe'} at full length"
    tags = {**runs.tags_of(config, faces.manifest), "kind": "full length", "slot": slot,
            process.HOST: process.this()[process.HOST]}
    with _held(config, faces, keep=True) as state:
        if state is None:
            return False
        print(f"tune: {title}, {epochs} epochs", flush=True)
        saved = checkpoint.latest(state)
        curve = [row["val_accuracy"] for row in saved.progress.history] if saved else []
        killed.go_on(runs.connect(), parent.id)
        stopped: evidence.Behind | None = None

        def on_epoch(row: dict) -> None:
            turn.check(study)
            run.epoch(row, int(row["epoch"]))
            curve.append(row["val_accuracy"])
            stop_if_behind()

        def stop_if_behind() -> None:
            nonlocal stopped
            if stopped := evidence.behind(recipe, curve, epochs, len(public.labels)):
                raise optuna.TrialPruned(f"epoch {stopped.epoch}: {100 * stopped.deficit:.2f} points behind the recipe")

        def keep(result: dict[str, Any]) -> None:
            with where.alone():
                turn.check(study)
                study.set_user_attr(_name(slot), result)

        # The study keeps what came of it before MLflow's run ends: it counts, whatever comes of that
        with (contextlib.suppress(optuna.TrialPruned),
              runs.start(f"{runs.run_name(tags)}, {title}", f"{params.dataset}-{params.classes}", tags,
                         parent=parent.id) as run):
            run.params(params.model_dump(include={"augment", "model", "train"}, mode="json"))
            try:
                # Of an interrupted one, too, whose last epoch nobody has judged
                stop_if_behind()
                fitted = loop.fit_faces(config, faces, checkpoint=state, on_epoch=on_epoch)
                keep(_result(loop.predict(fitted.net, public.images).argmax(axis=1) == public.labels, curve))
            except loop.Diverged:
                if slot == 0:
                    raise
                keep(_result(np.zeros(len(public.labels), bool), curve))
            except optuna.TrialPruned as error:
                assert stopped is not None
                keep({STOPPED: asdict(stopped)})
                run.tags({"pruned": "true", "why": str(error)})
                raise
    return True


def _name(slot: int) -> str:
    """The attribute of what a slot got right. What other code trained does not count: the stage train could not go on
    from its checkpoint.

    Not the checkpoint's key, which differs from machine to machine: they take over each other's results.
    """
    return f"{FULL}{slot}, code {code.digest()}"


def _result(correct: np.ndarray, curve: list[float]) -> dict[str, Any]:
    """What the study keeps of a training that was not stopped; ``_kept`` reads it."""
    bits = base64.b64encode(np.packbits(correct).tobytes()).decode()
    return {CORRECT: bits, IMAGES: len(correct), CURVE: [round(accuracy, 6) for accuracy in curve]}


def _curve(study) -> list[float]:
    """The recipe's accuracy after every epoch; empty where it is not trained yet, or was by an earlier version."""
    return study.user_attrs.get(_name(0), {}).get(CURVE, [])


def _kept(study, slot: int) -> np.ndarray | evidence.Behind:
    """What a finalist got right at full length, or why it was stopped."""
    stopped = study.user_attrs[_name(slot)].get(STOPPED)
    return evidence.Behind(**stopped) if stopped else _correct(study, slot)


def _correct(study, slot: int) -> np.ndarray:
    """What a slot got right at full length."""
    kept = study.user_attrs[_name(slot)]
    bits = np.frombuffer(base64.b64decode(kept[CORRECT]), "uint8")
    return np.unpackbits(bits, count=kept[IMAGES]).astype(bool)


@contextlib.contextmanager
def _held(config: ResolvedConfig, faces: Faces, keep: bool = False) -> Iterator[Path | None]:
    """A training's checkpoint, for this process alone; None where another one has it."""
    with quiet():
        from pipeline.training import checkpoint

    with contextlib.ExitStack() as stack:
        state = None
        with contextlib.suppress(checkpoint.Held):
            state = stack.enter_context(
                checkpoint.held(project.root() / ".checkpoints", config, faces.manifest["digest"], keep=keep))
        yield state


def _drop_checkpoints(losers: list[Params], faces: Faces, where: Address) -> None:
    """Remove these trainings' checkpoints, but for one that another process has."""
    # One process at a time: another stage that has waited for the finalists drops the same ones
    with where.alone():
        for params in losers:
            with _held(resolve(params, faces.manifest), faces):
                pass
