"""A study's slots: its budget. Slot 0 to N - 1 each end with exactly one trial that counts, whoever runs it.

A trial that fails, because its process died or an error ended it, frees its slot. The next trial of that slot repeats
it: Optuna gives it another number, and it inherits the slot and the values. A slot that has lost ``ATTEMPTS``
processes, which its values may have killed, ends as cut short.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.tune import process
from pipeline.tune.pruning import WHY
from pipeline.tune.storage import Address

FINISHED = ("COMPLETE", "PRUNED")
# Names of a trial's user attributes
SLOT, RUN = "slot", "run_id"
# Seconds of all cores that it took, and how many epochs it has run where it reports no accuracies
CPU, EPOCHS_RUN = "cpu_seconds", "epochs"
# Of a trial that failed: that its process did not live to say so, or was silent for too long
LOST = "lost"
# How many processes a slot may lose. Slot 0 may lose any number: without the recipe's own trial there is no study
ATTEMPTS = 3
# Where Optuna looks for the values that a trial must take, and for the trials that a trial repeats
VALUES, REPEATS, HISTORY = "fixed_params", "failed_trial", "retry_history"


class TooLate(Exception):
    """This process was silent for longer than the grace period; its trial counts as dead, and another has its slot."""


@dataclass(frozen=True)
class Claim:
    """A trial of this process.

    Attributes:
        id: Optuna's.
        number: Optuna's, which counts the trials that failed, too.
        values: those of the trial that it repeats; None where nothing is to be repeated.
    """

    id: int
    number: int
    slot: int
    values: dict[str, Any] | None


@dataclass
class Slots:
    """The slots of an open study; what changes them holds the storage's lock.

    Attributes:
        study: Optuna's.
        where: its storage.
        freed: whether the last claim has found trials whose process is dead.
        given_up: the slots that the last claim has ended, because they have lost too many processes.
    """

    study: Any
    where: Address
    freed: bool = field(default=False, init=False)
    given_up: list[int] = field(default_factory=list, init=False)

    def counted(self, budget: int) -> dict[int, Any]:
        """The finished trial of every slot of the budget that has one, sorted by slot."""
        finished = {trial.user_attrs[SLOT]: trial for trial in self._trials() if trial.state.name in FINISHED}
        return {slot: finished[slot] for slot in sorted(finished) if slot < budget}

    def running(self, budget: int) -> list[Any]:
        """The trials of the budget that are being run."""
        return [trial for trial in self._trials() if trial.state.name == "RUNNING" and trial.user_attrs[SLOT] < budget]

    def others(self) -> list[Any]:
        """The trials that other processes run, of the budget or not, without those whose process is dead."""
        lost = {trial._trial_id for trial in self._lost()}
        return [trial for trial in self._trials() if trial.state.name == "RUNNING" and trial._trial_id not in lost]

    def begun(self) -> int:
        """How many slots have been taken by now, up to the highest."""
        return 1 + max((trial.user_attrs[SLOT] for trial in self._trials()), default=-1)

    def history(self, claim: Claim) -> list[Any]:
        """The trials that the sampler may learn from, sorted by slot.

        They are the finished trials of lower slots, and what others run now: with one worker the same trials whether
        it was interrupted or not. A slot that was given up before it had values teaches nothing.
        """
        def may_teach(trial) -> bool:
            if trial.state.name == "RUNNING":
                return trial._trial_id != claim.id and not process.is_gone(trial.user_attrs)
            return trial.user_attrs[SLOT] < claim.slot and trial.state.name in FINISHED and bool(trial.params)

        return sorted(filter(may_teach, self._trials()), key=lambda trial: trial.user_attrs[SLOT])

    def claim(self, budget: int) -> Claim | None:
        """Take the lowest free slot of the budget; None where there is none."""
        with self.where.alone():
            self.freed, self.given_up = self._free(), []
            trials = self._trials()
            held = {trial.user_attrs[SLOT] for trial in trials if trial.state.name in (*FINISHED, "RUNNING")}
            for slot in (slot for slot in range(budget) if slot not in held):
                before = [trial for trial in trials if trial.user_attrs[SLOT] == slot]
                failed = [trial for trial in before if trial.state.name == "FAIL"]
                # Whose process was killed in the middle of this function
                waiting = [trial for trial in before if trial.state.name == "WAITING"]
                if waiting or slot == 0 or sum(LOST in trial.user_attrs for trial in failed) < ATTEMPTS:
                    return self._begin(slot, failed, waiting[0]._trial_id if waiting else self._new(slot, failed))
                self._give_up(slot, failed)
                self.given_up.append(slot)
            return None

    def _begin(self, slot: int, failed: list[Any], id: int) -> Claim:
        """Let this process run a waiting trial."""
        from optuna.trial import TrialState

        storage = self.study._storage
        for name, value in process.this().items():
            storage.set_trial_user_attr(id, name, value)
        # Before it runs: a running trial without a heartbeat would never count as dead
        storage.record_heartbeat(id)
        storage.set_trial_state_values(id, TrialState.RUNNING)
        return Claim(id, storage.get_trial(id).number, slot, _values_to_repeat(failed))

    def _new(self, slot: int, failed: list[Any], **changes: Any) -> int:
        """The id of a new trial for a slot, which repeats those that failed; it waits, unless ``changes`` say so."""
        import optuna

        numbers = [trial.number for trial in failed]
        made = optuna.create_trial(**{
            "state": optuna.trial.TrialState.WAITING, "user_attrs": {SLOT: slot},
            "system_attrs": {REPEATS: numbers[0], HISTORY: numbers} if numbers else {}, **changes})
        return self.study._storage.create_new_trial(self.study._study_id, made)

    def _give_up(self, slot: int, failed: list[Any]) -> None:
        """End a slot as cut short, with the values that its trials had."""
        from optuna.trial import TrialState

        known = next((trial for trial in reversed(failed) if trial.params), None)
        why = f"its worker died {ATTEMPTS} times"
        self._new(slot, failed, state=TrialState.PRUNED, params=known.params if known else {},
                  distributions=known.distributions if known else {},
                  user_attrs={SLOT: slot, WHY: why, **process.this()})

    def taken(self, claim: Claim) -> list[dict[str, Any]]:
        """The values of the other slots; also of trials that failed, for another one will repeat them."""
        return [values_of(trial) for trial in self._trials() if trial.user_attrs[SLOT] != claim.slot]

    def take(self, claim: Claim, values: Mapping[str, Any], *, reserved: Iterable[Mapping[str, Any]] = (),
             equal: bool = False) -> bool:
        """Give a trial its values; False, and nothing is done, where another slot has the same, unless ``equal``.

        Args:
            reserved: what other slots will have, though no trial of theirs has begun.
        """
        with self.where.alone(), in_time():
            if not equal and values in (*reserved, *self.taken(claim)):
                return False
            self.study._storage.set_trial_system_attr(claim.id, VALUES, dict(values))
            return True

    def finish(self, claim: Claim, state: str, values: list[float] | None = None) -> None:
        """End a trial as COMPLETE, PRUNED or FAIL. Raises TooLate where another process has ended it."""
        from optuna.trial import TrialState

        with self.where.alone(), in_time():
            self.study._storage.set_trial_state_values(claim.id, TrialState[state], values)

    def _trials(self) -> list[Any]:
        return [trial for trial in self.study.get_trials(deepcopy=False) if SLOT in trial.user_attrs]

    def _lost(self) -> list[Any]:
        """The running trials whose process is dead: silent for too long, or seen to be gone from this machine. Those of
        this process too, which looks only between two trials."""
        silent = self.study._storage._get_stale_trial_ids(self.study._study_id)
        return [trial for trial in self._trials() if trial.state.name == "RUNNING" and (
            trial._trial_id in silent or process.is_this(trial.user_attrs) or process.is_gone(trial.user_attrs))]

    def _free(self) -> bool:
        """Fail the trials whose process is dead."""
        from optuna.trial import TrialState

        lost = self._lost()
        for trial in lost:
            # another process that lives on this machine was only silent, as on a laptop that slept
            if not process.lives_here(trial.user_attrs) or process.is_this(trial.user_attrs):
                self.study._storage.set_trial_user_attr(trial._trial_id, LOST, True)
            self.study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        return bool(lost)


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    """Turn Optuna's error for a trial that another process has ended into TooLate."""
    import optuna

    try:
        yield
    except optuna.exceptions.UpdateFinishedTrialError as error:
        raise TooLate from error


def values_of(trial) -> dict[str, Any]:
    """A trial's values by path, also of one that has only just begun."""
    return trial.system_attrs.get(VALUES, trial.params)


def epochs_run(trial) -> int:
    """How many epochs a trial of Optuna's has run; one whose study prunes nothing reports no accuracies."""
    return trial.user_attrs.get(EPOCHS_RUN, trial.last_step or 0)


def _values_to_repeat(failed: Iterable[Any]) -> dict[str, Any] | None:
    values = [trial.system_attrs[VALUES] for trial in failed if VALUES in trial.system_attrs]
    return values[-1] if values else None
