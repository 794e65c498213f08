"""A study as its report presents it; read from the study alone, so that any storage and a running study will do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.tune.process import HOST
from pipeline.tune.pruning import WHY, rule
from pipeline.tune.slots import FINISHED, SLOT, epochs_run

# A study's user attributes: what it depends on, in words; the budgets that the stage tune last set; and what
# best_params.yaml holds of it, once it is complete
ABOUT, LIMITS, VERDICT = "about", "limits", "verdict"
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
        machine: a number for the one that ran it, from 1 on in the order of the slots; names would be in git.
    """

    slot: int
    state: str
    accuracy: float | None
    milliseconds: float | None
    epochs: int
    values: dict[str, Any]
    why: str = ""
    machine: int = 1


@dataclass(frozen=True)
class Facts:
    """A study.

    Attributes:
        name: of the study.
        about: what the study depends on, in words: recipe, data set, epochs, images.
        dimensions: the space: for each name whether it is searched on a logarithmic scale.
        rows: sorted by slot.
        trials: Optuna's, of the complete rows.
        verdict: what best_params.yaml holds; empty while the study goes on.
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

    @property
    def machines(self) -> int:
        """How many machines ran the complete trials: the milliseconds of one say little of another."""
        return len({row.machine for row in self.complete})

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
    hosts = list(dict.fromkeys(trial.user_attrs.get(HOST, "") for trial in ordered.values()))
    rows = tuple(_row(slot, trial, hosts) for slot, trial in ordered.items())
    complete = tuple(trial for trial, row in zip(ordered.values(), rows, strict=True)
                     if row.state == "complete" and row.accuracy is not None)
    return Facts(name, dict(about), _dimensions(ordered.values()), rows, complete, dict(verdict or {}), rule)


def of_study(study) -> Facts:
    """The facts of an open study of Optuna's, which may be read-only: of its budget's slots, whatever else was run."""
    known = study.get_trials(deepcopy=False)
    most = study.user_attrs.get(LIMITS, {}).get("trials", len(known))
    trials = {trial.user_attrs[SLOT]: trial for trial in known
              if trial.user_attrs.get(SLOT, most) < most and trial.state.name in (*FINISHED, "RUNNING")}
    about = study.user_attrs.get(ABOUT, {})
    finished = sum(trial.state.name in FINISHED for trial in trials.values())
    verdict = study.user_attrs.get(VERDICT, {})
    # One over fewer trials says nothing of a study that goes on
    is_over = len(trials) == finished == verdict.get("trials")
    words = rule(about[EPOCHS]) if EPOCHS in about and len(study.directions) == 1 else ""
    return facts(study.study_name, trials, about, verdict if is_over else None, words)


def _row(slot: int, trial, hosts: list[str]) -> Row:
    accuracy, milliseconds = [*(trial.values or ()), None, None][:2]
    steps = trial.intermediate_values
    if accuracy is None and steps:
        accuracy = steps[max(steps)]
    return Row(slot, trial.state.name.lower(), accuracy, milliseconds, epochs_run(trial), dict(trial.params),
               trial.user_attrs.get(WHY, ""), 1 + hosts.index(trial.user_attrs.get(HOST, "")))


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
