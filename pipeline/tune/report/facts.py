"""A study as its report presents it; read from the study alone, so that any storage and a running study will do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.tune.pruning import WHY, rule
from pipeline.tune.slots import FINISHED, SLOT

# A study's user attributes: what it depends on, in words; and what best_params.yaml holds of it, once it is complete
ABOUT, VERDICT = "about", "verdict"
# The entry of ABOUT that says how long a trial is
EPOCHS = "epochs a trial"


@dataclass(frozen=True)
class Row:
    """A trial.

    Attributes:
        slot: its number in the study; 0 has the recipe's values.
        state: complete, pruned or running.
        accuracy: on PublicTest, at its end or when it was cut short; None where no epoch has ended.
        milliseconds: a face, in a study that weighs them.
        epochs: that it has run.
        values: by dimension; a dimension whose condition does not hold is missing.
        why: it was cut short.
    """

    slot: int
    state: str
    accuracy: float | None
    milliseconds: float | None
    epochs: int
    values: dict[str, Any]
    why: str = ""


@dataclass(frozen=True)
class Facts:
    """A study.

    Attributes:
        name: of the study.
        about: what the study depends on, in words: recipe, data set, epochs, images.
        dimensions: the space: for each name whether it is searched on a logarithmic scale.
        rows: sorted by slot.
        trials: Optuna's, of the complete rows.
        verdict: what best_params.yaml holds, as far as the study has come.
        rule: what cuts trials short, in words.
    """

    name: str
    about: Mapping[str, Any]
    dimensions: Mapping[str, bool]
    rows: tuple[Row, ...]
    trials: tuple[Any, ...] = field(repr=False, default=())
    verdict: Mapping[str, Any] = field(default_factory=dict)
    rule: str = ""

    @property
    def complete(self) -> list[Row]:
        """The rows of trials that ran to their end."""
        return [row for row in self.rows if row.state == "complete" and row.accuracy is not None]

    @property
    def pruned(self) -> list[Row]:
        """The rows of trials that were cut short."""
        return [row for row in self.rows if row.state == "pruned"]

    @property
    def recipe(self) -> Row | None:
        """The recipe's own trial, once it is complete."""
        return next((row for row in self.complete if row.slot == 0), None)

    @property
    def weighs_speed(self) -> bool:
        """Whether the study weighs milliseconds too."""
        return any(row.milliseconds is not None for row in self.rows)

    def best(self, most: int = 10) -> list[Row]:
        """The most accurate complete rows."""
        return sorted(self.complete, key=lambda row: (-(row.accuracy or 0.0), row.slot))[:most]

    def front(self) -> list[Row]:
        """The rows that no other beats in accuracy and milliseconds at once, the fastest first."""
        from pipeline.tune import front

        slots = {id(trial): row for trial, row in zip(self.trials, self.complete, strict=True)}
        return [slots[id(trial)] for trial in front.front(self.trials)]


def facts(name: str, trials: Mapping[int, Any], about: Mapping[str, Any], verdict: Mapping[str, Any] | None = None,
          rule: str = "") -> Facts:
    """The facts of a study.

    Args:
        trials: Optuna's, by slot: finished ones and those that run.
        about: what is printed of the study, by name.
        verdict: what best_params.yaml holds.
        rule: see ``Facts``.
    """
    ordered = dict(sorted(trials.items()))
    rows = tuple(_row(slot, trial) for slot, trial in ordered.items())
    complete = tuple(trial for trial, row in zip(ordered.values(), rows, strict=True)
                     if row.state == "complete" and row.accuracy is not None)
    return Facts(name, dict(about), _dimensions(ordered.values()), rows, complete, dict(verdict or {}), rule)


def of_study(study) -> Facts:
    """The facts of an open study of Optuna's, which may be read-only."""
    known = study.get_trials(deepcopy=False)
    trials = {trial.user_attrs[SLOT]: trial for trial in known
              if SLOT in trial.user_attrs and trial.state.name in (*FINISHED, "RUNNING")}
    about = study.user_attrs.get(ABOUT, {})
    words = rule(about[EPOCHS]) if EPOCHS in about and len(study.directions) == 1 else ""
    return facts(study.study_name, trials, about, study.user_attrs.get(VERDICT), words)


def _row(slot: int, trial) -> Row:
    accuracy, milliseconds = [*(trial.values or ()), None, None][:2]
    steps = trial.intermediate_values
    if accuracy is None and steps:
        accuracy = steps[max(steps)]
    # A study without pruning reports no epochs
    epochs = max(steps, default=0)
    return Row(slot, trial.state.name.lower(), accuracy, milliseconds, epochs, dict(trial.params),
               trial.user_attrs.get(WHY, ""))


def _dimensions(trials: Iterable[Any]) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            found.setdefault(name, bool(getattr(distribution, "log", False)))
    return found


def typed(value: Any) -> str:
    """A value for a table: numbers with four digits."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)
