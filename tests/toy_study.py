"""Studies that were never run: trials of Optuna's with values made up for a test."""

import datetime
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

RATE = FloatDistribution(0.001, 0.1, log=True)
DIMENSIONS = {"train.learning_rate": RATE, "train.batch_size": IntDistribution(16, 128),
              "model.pooling": CategoricalDistribution(["depthwise", "average"])}


def trial(number: int, accuracy: float | None = None, *, state: str = "COMPLETE", milliseconds: float | None = None,
          seconds: float = 60.0, why: str = "", epochs: dict[int, float] | None = None, **values: Any):
    """A trial of Optuna's in the slot of its number; ``values`` by the parameter's last name."""
    names = {name.split(".")[-1]: name for name in DIMENSIONS}
    params = {names[name]: value for name, value in values.items()} or {
        "train.learning_rate": 0.001 * (1 + number % 90), "train.batch_size": 16 + number % 100,
        "model.pooling": ["depthwise", "average"][number % 2]}
    begun = datetime.datetime(2026, 1, 1)
    figures = [figure for figure in (accuracy, milliseconds) if figure is not None]
    made = optuna.trial.create_trial(
        state=optuna.trial.TrialState[state], params=params, distributions={name: DIMENSIONS[name] for name in params},
        values=figures if state == "COMPLETE" else None, user_attrs={"slot": number, **({"why": why} if why else {})},
        intermediate_values=epochs or {})
    made.number, made.datetime_start = number, begun
    made.datetime_complete = None if state == "RUNNING" else begun + datetime.timedelta(seconds=seconds)
    return made


def by_slot(trials) -> dict[int, Any]:
    return {made.user_attrs["slot"]: made for made in trials}
