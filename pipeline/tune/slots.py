"""A study's slots: its budget. Slot 0 to N - 1 each end with exactly one trial that counts, whoever runs it.

A trial that fails, because its process died or an error ended it, frees its slot. The next trial of that slot repeats
it: Optuna gives it another number, and it inherits the slot and the values.
"""

import contextlib
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.tracking import killed
from pipeline.tune.storage import Address

FINISHED = ("COMPLETE", "PRUNED")
# Names of a trial's user attributes
SLOT, HOST, PROCESS, RUN = "slot", "host", "process", "run_id"
# Seconds of all cores that it took
CPU = "cpu_seconds"
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
    """

    study: Any
    where: Address
    freed: bool = field(default=False, init=False)

    def counted(self, budget: int) -> dict[int, Any]:
        """The finished trial of every slot of the budget that has one, sorted by slot."""
        finished = {trial.user_attrs[SLOT]: trial for trial in self._trials() if trial.state.name in FINISHED}
        return {slot: finished[slot] for slot in sorted(finished) if slot < budget}

    def running(self, budget: int) -> list[Any]:
        """The trials of the budget that are being run."""
        return [trial for trial in self._trials() if trial.state.name == "RUNNING" and trial.user_attrs[SLOT] < budget]

    def begun(self) -> int:
        """How many slots have been taken by now, up to the highest."""
        return 1 + max((trial.user_attrs[SLOT] for trial in self._trials()), default=-1)

    def history(self, claim: Claim) -> list[Any]:
        """The trials that the sampler may learn from, sorted by slot.

        They are the finished trials of lower slots, and what others run now: with one worker the same trials whether
        it was interrupted or not.
        """
        def may_teach(trial) -> bool:
            lower = trial.user_attrs[SLOT] < claim.slot
            return trial._trial_id != claim.id and (trial.state.name == "RUNNING" or
                                                    (lower and trial.state.name in FINISHED))

        return sorted(filter(may_teach, self._trials()), key=lambda trial: trial.user_attrs[SLOT])

    def claim(self, budget: int) -> Claim | None:
        """Take the lowest free slot of the budget; None where there is none."""
        from optuna.trial import TrialState

        with self.where.alone():
            self.freed = self._free()
            trials = self._trials()
            held = {trial.user_attrs[SLOT] for trial in trials if trial.state.name in (*FINISHED, "RUNNING")}
            slot = next((slot for slot in range(budget) if slot not in held), None)
            if slot is None:
                return None
            before = [trial for trial in trials if trial.user_attrs[SLOT] == slot]
            failed = [trial for trial in before if trial.state.name == "FAIL"]
            # Whose process was killed in the middle of this function
            waiting = [trial for trial in before if trial.state.name == "WAITING"]
            storage, id = self.study._storage, waiting[0]._trial_id if waiting else self._new(slot, failed)
            storage.set_trial_user_attr(id, HOST, platform.node())
            storage.set_trial_user_attr(id, PROCESS, killed.mark())
            # Before it runs: a running trial without a heartbeat would never count as dead
            storage.record_heartbeat(id)
            storage.set_trial_state_values(id, TrialState.RUNNING)
            values = [trial.system_attrs[VALUES] for trial in failed if VALUES in trial.system_attrs]
            return Claim(id, storage.get_trial(id).number, slot, values[-1] if values else None)

    def _new(self, slot: int, failed: list[Any]) -> int:
        """The id of a new trial for a slot, which repeats those that failed."""
        import optuna

        numbers = [trial.number for trial in failed]
        waiting = optuna.create_trial(state=optuna.trial.TrialState.WAITING, user_attrs={SLOT: slot},
                                      system_attrs={REPEATS: numbers[0], HISTORY: numbers} if numbers else {})
        return self.study._storage.create_new_trial(self.study._study_id, waiting)

    def take(self, claim: Claim, values: Mapping[str, Any], *, equal: bool = False) -> bool:
        """Give a trial its values; False, and nothing is done, where another slot has the same, unless ``equal``."""
        with self.where.alone(), in_time():
            others = [values_of(trial) for trial in self._trials()
                      if trial._trial_id != claim.id and trial.state.name != "FAIL"]
            if values in others and not equal:
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

    def _free(self) -> bool:
        """Fail the trials whose process is dead: silent for too long, or seen to be gone on the only machine."""
        import optuna
        from optuna.trial import TrialState

        running = [trial for trial in self._trials() if trial.state.name == "RUNNING"]
        if self.where.file:
            for trial in running:
                process = trial.user_attrs.get(PROCESS, "")
                # This process claims only when it runs nothing
                if process == killed.mark() or killed.is_dead(process):
                    self.study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        optuna.storages.fail_stale_trials(self.study)
        return len(running) > sum(trial.state.name == "RUNNING" for trial in self._trials())


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
