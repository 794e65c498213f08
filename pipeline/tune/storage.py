"""The search's study: a sqlite file with a heartbeat, so that a trial whose process was killed is queued again."""

import contextlib
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.system.failure import Failure

# Seconds between two heartbeats of a trial, and without one until it is queued again
HEARTBEAT, GRACE = 5, 20
# Seconds to wait for another program that writes to the file
WAIT = 5
FINISHED = ("COMPLETE", "PRUNED")
# Mark of a trial whose network was not trained for its size; it does not count against the budget
TOO_LARGE = "too large"
# What to do about an error of sqlite, by a word of its message
ADVICE = {
    "locked": "end the other program that holds it (a second search, a database browser), then run again",
    "full": "free some space, then run again",
    "readonly": "look at the file's rights, then run again",
    "unable to open": "look at the folder's rights, then run again",
}


@contextlib.contextmanager
def in_one_line(file: Path) -> Iterator[None]:
    """Turn every error of the study's file into a Failure that names it."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except Failure:
        raise
    except Exception as error:
        # Optuna wraps the error, or trips over it while it closes the trial
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, SQLAlchemyError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        reason = str(getattr(cause, "orig", None) or cause)
        advice = next((text for word, text in ADVICE.items() if word in reason), "move the file away to search anew")
        raise Failure(f"{file}: the study cannot be read or written ({reason}); {advice}") from error


def open_storage(file: Path):
    """The study's storage; the file is created even when ``tune.trials`` is 0."""
    import optuna

    # At lower levels Optuna prints a traceback for what failure.run prints as one line
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # experimental since 2020: the version is pinned
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)

    class Storage(optuna.storages.RDBStorage):
        def record_heartbeat(self, trial_id: int) -> None:
            # Runs in a thread, where an error is a traceback; the trial itself meets the same error
            with contextlib.suppress(optuna.exceptions.StorageInternalError):
                super().record_heartbeat(trial_id)

    file.parent.mkdir(parents=True, exist_ok=True)
    with in_one_line(file):
        try:
            return Storage(
                f"sqlite:///{file.as_posix()}",
                engine_kwargs={"connect_args": {"timeout": WAIT}},
                heartbeat_interval=HEARTBEAT,
                grace_period=GRACE,
                heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(),
            )
        except RuntimeError as error:
            raise Failure(f"{file}: made by another version of Optuna; move the file away to search anew") from error


def queue_cut_trials_again(study, storage) -> None:
    """Wait until every trial marked as running has sent a heartbeat, or is queued again because its process died."""
    import optuna

    for _ in range(GRACE + 1):
        optuna.storages.fail_stale_trials(study)
        if not _running(study):
            return
        time.sleep(1)
    # A trial whose process died before its first heartbeat gets one: without it, the trial would count as running for
    # ever
    for trial in _running(study):
        storage.record_heartbeat(trial._trial_id)


def queue_baseline(study, baseline: dict[str, Any], *, budget_left: bool) -> None:
    """Queue the baseline, the recipe's values, where no trial has run it or will: one that failed is never run again.

    Without a budget that other trials could use, a trial that runs in another process is not waited for.
    """
    states = ("COMPLETE", "WAITING", "RUNNING") if budget_left else ("COMPLETE", "WAITING")
    # In the queue, and after a kill -9 between two values, not all values are among the parameters
    if not any(trial.state.name in states and trial.system_attrs.get("fixed_params", trial.params) == baseline
               for trial in study.trials):
        study.enqueue_trial(baseline)


def complete(study, baseline: dict[str, Any] | None = None) -> list:
    """The trials that ran to their end; where a baseline is named, those with its values."""
    return [trial for trial in study.trials if trial.state.name == "COMPLETE" and baseline in (None, trial.params)]


def finished(study) -> int:
    """The number of trials that count against the budget."""
    return sum(trial.state.name in FINISHED and TOO_LARGE not in trial.user_attrs for trial in study.trials)


def left_out(study) -> int:
    """The number of trials whose network was too large."""
    return sum(TOO_LARGE in trial.user_attrs for trial in study.trials)


def _running(study) -> list:
    return [trial for trial in study.trials if trial.state.name == "RUNNING"]
