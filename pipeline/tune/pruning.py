"""Which trials are cut short, and what is said of them.

Below eight epochs a curve has too few points for rungs, and the median of the others' accuracies at the same epoch
decides (Golovin et al. 2017, KDD, Google Vizier). From eight on it is successive halving, asynchronous as the workers
are (Li et al. 2020, MLSys, arXiv 1810.05934): at every rung, the first of which is an eighth of the schedule and each
other one twice as long as that before it, the better half goes on.
"""

from collections.abc import Iterable
from typing import Any

from pipeline.system.failure import Failure

# From how many epochs on there are rungs enough to halve at
HALVING = 8
# A trial's user attribute that says why it was cut short
WHY = "why"


def pruner(epochs: int):
    """Optuna's pruner for trials of so many epochs."""
    import optuna

    if epochs < HALVING:
        return optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1)
    return optuna.pruners.SuccessiveHalvingPruner(min_resource=epochs // 8, reduction_factor=2,
                                                  min_early_stopping_rate=0)


def rule(epochs: int) -> str:
    """The pruner in words, for the report."""
    if epochs < HALVING:
        return "Cut short: trials below the median of the others at the same epoch."
    first = epochs // 8
    rungs = [first * 2**rung for rung in range(4) if first * 2**rung < epochs]
    return f"Cut short by successive halving: after epochs {', '.join(map(str, rungs))} the better half goes on."


def reason(trials: Iterable[Any], trial: int, epoch: int, accuracy: float) -> str:
    """Why a trial is cut short after an epoch: its rank among all that came so far; ``trial`` is Optuna's number."""
    others = [other.intermediate_values[epoch] for other in trials
              if other.number != trial and other.state.name != "FAIL" and epoch in other.intermediate_values]
    rank = 1 + sum(other > accuracy for other in others)
    return (f"epoch {epoch}: {100 * accuracy:.2f} %, rank {rank} of the {len(others) + 1} trials that came so far")


def diverged(error: Failure) -> str:
    """Why a trial has no result whose loss ran away; from ``loop.Diverged``."""
    return str(error).removeprefix("training: ").split(";")[0]
