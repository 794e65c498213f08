"""What the search draws: the sampler, seeded by the study's seed and the trial's slot alone.

Reproducible: with one worker, the same study gives the same trials, interrupted or not, on any storage: a slot's
sampler is made anew from seed and slot, and learns from the finished trials of lower slots alone. Not reproducible:
with several workers, what a sampler has seen depends on who was faster; the seeds still differ from slot to slot, and
a value that another slot has, or is known to get, is drawn again. Training is as reproducible as the hardware
(pipeline.training).
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pipeline.tune.pruning import pruner

# Random trials before the sampler learns from those that there are
STARTUP = 4


def sampler(seed: int, slot: int, conditional: bool = False):
    """The sampler of one slot; in a ``conditional`` space it looks at what belongs together, group by group."""
    import optuna

    own = int(np.random.SeedSequence([seed, slot]).generate_state(1)[0])
    # Optuna warns where only the groups say that it is multivariate
    return optuna.samplers.TPESampler(seed=own, n_startup_trials=STARTUP, group=conditional,
                                      multivariate=True if conditional else None)


def drawing(seed: int, slot: int, history: Iterable[Any], conditional: bool = False,
            directions: Sequence[Any] = ("maximize",)):
    """A study in memory whose next trials are a slot's candidates; what is drawn there reaches the storage by
    ``Slots.take`` alone.

    Args:
        history: the trials that the sampler learns from.
        directions: the study's.
    """
    import optuna

    study = optuna.create_study(directions=directions, sampler=sampler(seed, slot, conditional))
    for trial in history:
        study.add_trial(trial)
    return study


def order(seed: int, slot: int, count: int) -> list[int]:
    """The numbers below ``count`` in an order of the slot's own."""
    return np.random.default_rng([seed, slot]).permutation(count).tolist()


def judged(study, epochs: int):
    """The same study as a pruner should see it: without the trials that failed, whose slots another trial repeats."""
    import optuna

    class Judged(optuna.Study):
        def get_trials(self, deepcopy=True, states=None):
            return [trial for trial in super().get_trials(deepcopy, states) if trial.state.name != "FAIL"]

    return Judged(study.study_name, study._storage, pruner=pruner(epochs))
