"""When a study has searched enough: by trials, by hours, or because it is flat.

Every rule looks at the finished trials in the order of their slots, from slot 0 on without a gap, so that it ends the
study at the same slot however many workers there are. What has begun by then ends, and counts.

Flat is a study whose last N trials together have raised the best accuracy by less than half a standard error of an
accuracy on that many images: what could still be gained there is too little to be shown on them.
(``optuna.terminator`` is deprecated.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.tune.evidence import negligible
from pipeline.tune.slots import CPU


@dataclass(frozen=True)
class Budget:
    """The limits of a study; 0 is none, but for ``trials``.

    Attributes:
        trials: how many slots there are at most.
        hours: of the finished trials, whose times are added up, from slot 0 on without a gap.
        flat: so many trials in a row that brought nothing end the study.
        images: that an accuracy is measured on.
        cpu_seconds: of training, added up over the cores: the same on a busy machine as on an idle one.
    """

    trials: int
    hours: float
    flat: int
    images: int
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class Extent:
    """How many slots a study has, and why no more; ``reason`` is empty where it is all that were asked for."""

    slots: int
    reason: str = ""


def extent(counted: Mapping[int, Any], begun: int, budget: Budget) -> Extent:
    """How far a study goes, as far as its trials say now.

    Args:
        counted: the finished trials (Optuna's) by slot.
        begun: how many slots have been taken by now, by whoever: they are part of the study.
    """
    seconds = cpu = 0.0
    best: list[float] = []
    for slot in range(budget.trials):
        if slot not in counted:
            break
        trial = counted[slot]
        seconds += trial.duration.total_seconds() if trial.duration else 0.0
        cpu += trial.user_attrs.get(CPU, 0.0)
        accuracy = trial.values[0] if trial.state.name == "COMPLETE" else 0.0
        best.append(max(accuracy, best[-1] if best else 0.0))
        reason = ""
        if budget.hours and seconds >= 3600 * budget.hours:
            reason = f"{seconds / 3600:.1f} hours of training, {budget.hours:g} were allowed"
        elif budget.cpu_seconds and cpu >= budget.cpu_seconds:
            reason = f"{cpu / 60:.1f} CPU-minutes of training, {budget.cpu_seconds / 60:g} were allowed"
        elif _flat(best, budget):
            reason = (f"flat: the last {budget.flat} trials raised the best accuracy by "
                      f"{100 * (best[-1] - best[-1 - budget.flat]):.2f} points")
        if reason:
            slots = min(budget.trials, max(slot + 1, begun))
            return Extent(slots, reason if slots < budget.trials else "")
    return Extent(budget.trials)


def _flat(best: list[float], budget: Budget) -> bool:
    # Slot 0 is the recipe, which no trial before it could have raised
    if not budget.flat or len(best) <= budget.flat:
        return False
    return best[-1] - best[-1 - budget.flat] < negligible(best[-1], budget.images)
