"""One repeat of one arm: its trials, and the one network that comes of it.

A study's trials are those of the stage tune (pipeline.tune), with a budget of CPU time. Then the best values are
trained for as many epochs as the rest of the budget buys, by what an epoch of their trial took. Interrupted, it goes
on from the last trial, or from the last epoch of that training.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.experiments.prepare import prepared, recipe_on
from pipeline.experiments.tuning.plan import ARMS, RECIPE, SEARCH, VALUES, Halves, halves
from pipeline.faces.faces import Faces
from pipeline.params.params import Params
from pipeline.params.resolved import resolve
from pipeline.system import project
from pipeline.training.config import ResolvedConfig
from pipeline.training.importing import quiet
from pipeline.tune import search as searches
from pipeline.tune import storage as studies
from pipeline.tune import work
from pipeline.tune.budget import Budget
from pipeline.tune.slots import CPU
from pipeline.tune.trial import shown

# The study's user attributes: what is trained at length, and the CPU seconds of its epochs by now
CHOSEN, SPENT = "at length", "at length, CPU seconds"


@dataclass(frozen=True)
class Length:
    """What is trained at length: a slot's values, for so many epochs."""

    slot: int
    epochs: int


@dataclass(frozen=True)
class Network:
    """What came of it.

    Attributes:
        seconds: CPU seconds of its training.
        best_epoch: from 1; 0 where the loss ran away.
        chosen: whether each image of the half that chooses is right.
        held_out: the same of the other half.
    """

    seconds: float
    best_epoch: int
    chosen: np.ndarray
    held_out: np.ndarray


def run(name: str, repeat: int, minutes: float, dataset: str, record: Callable[[dict[str, Any]], None]) -> None:
    """Run what is missing of an arm's repeat and ``record`` its row of tuning.csv, accuracies as hits/images."""
    with quiet():
        from pipeline.training import checkpoint, hardware

    arm = ARMS[name]
    params, faces = recipe_of(dataset, repeat)
    parts = halves(prepared(params, faces), repeat)
    search = searches.prepare(params, parts.seen)
    search = replace(search, name=f"{search.name}-{name}-{minutes:g}-minutes", learns=arm.learns)
    where = studies.address(dataset)
    storage = studies.open_storage(where)
    with studies.in_one_line(where):
        study = work.opened(search, storage, where)
        budget = Budget(arm.trials, 0.0, 0, search.images, 60 * minutes * SEARCH)
        trials = work.work(search, study, where, lambda: budget)
        searched = sum(trial.user_attrs.get(CPU, 0.0) for trial in trials.values())
        length = _length(study, trials, 60 * minutes - searched)
        values = trials[length.slot].params
        config = resolve(search.space.override(values).override({"train.epochs": length.epochs}), parts.seen.manifest)
        with checkpoint.held(project.root() / ".checkpoints", config, parts.seen.manifest["digest"]) as state:
            print(f"tune: trial {length.slot} at length, {length.epochs} epochs", flush=True)
            network = _trained(config, study, parts, state)
            record({
                "arm": name, "repeat": repeat, "minutes": f"{minutes:g}", "trials": len(trials),
                "pruned": sum(trial.state.name == "PRUNED" for trial in trials.values()),
                "search": f"{searched / 60:.2f}", "slot": length.slot, "epochs": length.epochs,
                "best_epoch": network.best_epoch, "length": f"{network.seconds / 60:.2f}",
                "chosen": share(network.chosen), "held_out": share(network.held_out), "values": shown(values),
                "study": search.name, "machine": hardware.describe(),
            })


def recipe_of(dataset: str, repeat: int) -> tuple[Params, Faces]:
    """The recipe of every arm in a repeat, whose seed it is, and the faces of the data set."""
    params, faces = recipe_on(dataset, RECIPE, {})
    tune = {**params.tune.model_dump(), "hours": 0.0, "flat": 0, "objective": "accuracy", "warm_start": 0,
            **VALUES["tune"]}
    if not params.train.votes:
        # Of faces without them
        tune["space"] = {path: span for path, span in tune["space"].items() if path != "train.votes"}
    return params.override({**VALUES, "seed": repeat, "tune": tune}), faces


def share(right: np.ndarray) -> str:
    """``hits/images``."""
    return f"{int(right.sum())}/{len(right)}"


def _length(study, trials: Mapping[int, Any], seconds: float) -> Length:
    """The best complete trial's values, for what the rest of the budget buys at the pace of that trial."""
    if (kept := study.user_attrs.get(CHOSEN)) is None:
        complete = {slot: trial for slot, trial in trials.items() if trial.state.name == "COMPLETE"}
        best = max(complete, key=lambda slot: (complete[slot].value, -slot))
        pace = complete[best].user_attrs[CPU] / complete[best].last_step
        kept = [best, max(1, int(seconds / pace))]
        study.set_user_attr(CHOSEN, kept)
    return Length(*kept)


def _trained(config: ResolvedConfig, study, parts: Halves, state: Path) -> Network:
    """Train at length. A network whose loss runs away gets nothing right."""
    with quiet():
        from pipeline.training import loop

    public = parts.seen.split("PublicTest")
    before, begun = study.user_attrs.get(SPENT, 0.0), time.process_time()

    def on_epoch(row: dict) -> None:
        study.set_user_attr(SPENT, round(before + time.process_time() - begun, 2))

    try:
        fitted = loop.fit_faces(config, parts.seen, checkpoint=state, on_epoch=on_epoch)
    except loop.Diverged:
        return Network(study.user_attrs.get(SPENT, 0.0), 0, np.zeros(len(public), bool),
                       np.zeros(len(parts.held_out), bool))
    right = [loop.predict(fitted.net, faces.images).argmax(axis=1) == faces.labels
             for faces in (public, parts.held_out)]
    return Network(study.user_attrs[SPENT], fitted.best_epoch, *right)
