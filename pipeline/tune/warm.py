"""A study's first trials after the recipe itself: the best values of older studies of the same recipe.

An older study had another space, schedule or data, so that its accuracies say nothing here; its best values are still
where to look first. They are chosen when the study is made, and kept in it: every worker runs the same ones.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.tune.slots import FINISHED
from pipeline.tune.space import Space

# The study's user attributes that hold the values, how many there were to be, and how many trials they were chosen from
WARM, MOST, CHOSEN_FROM = "warm start", "warm start at most", "warm start chosen from"


@dataclass(frozen=True)
class Older:
    """An older study: its name and its trials (Optuna's)."""

    name: str
    trials: Sequence[Any]


def first_values(older: Iterable[Older], space: Space, most: int) -> list[dict[str, Any]]:
    """The values of the first trials, at most so many: the best trial of each study, then the second best of each...

    Only values that this space has count, the recipe's own do not, and of a study only what was not worse there than
    the recipe.

    Args:
        older: the newest first.
    """
    ranked = [_ranked(study.trials, space) for study in older]
    chosen: list[dict[str, Any]] = []
    for rank in range(max(map(len, ranked), default=0)):
        for values in (study[rank] for study in ranked if rank < len(study)):
            if values not in chosen and len(chosen) < most:
                chosen.append(values)
    return chosen


def chosen_from(older: Iterable[Older]) -> int:
    """How many finished trials the older studies have: what is taken in the end must be better than chance among them,
    too."""
    return sum(trial.state.name in FINISHED for study in older for trial in study.trials)


def values(study) -> list[dict[str, Any]]:
    """What the slots of an open study begin with, from slot 1 on."""
    return study.user_attrs.get(WARM, [])


def values_of_slot(study, slot: int) -> dict[str, Any] | None:
    """What a slot of an open study begins with; None where it is drawn. Slot 0 is the recipe's."""
    known = values(study)
    return known[slot - 1] if 0 < slot <= len(known) else None


def _ranked(trials: Sequence[Any], space: Space) -> list[dict[str, Any]]:
    complete = [trial for trial in trials if trial.state.name == "COMPLETE" and len(trial.values) == 1]
    recipe = max((trial.value for trial in complete if trial.params == space.baseline), default=0.0)
    best = sorted(complete, key=lambda trial: (-trial.value, trial.number))
    return [dict(trial.params) for trial in best
            if trial.value >= recipe and trial.params != space.baseline and space.holds(trial.params)]


def older_studies(storage, name: str, recipe: str, dataset: str) -> list[Older]:
    """The other studies of a recipe and data set in a storage of Optuna's, the newest first."""
    import optuna

    summaries = [summary for summary in optuna.get_all_study_summaries(storage, include_best_trial=False)
                 if summary.study_name != name and summary.study_name.rpartition("-")[0] == recipe
                 and summary.user_attrs.get("dataset") == dataset]
    summaries.sort(key=lambda summary: summary._study_id, reverse=True)
    return [Older(summary.study_name, storage.get_all_trials(summary._study_id, deepcopy=False))
            for summary in summaries]
