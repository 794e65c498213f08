"""Runs whose process was killed: MLflow would call them RUNNING for ever; the next run here ends them, on a server
unless the machine has been started anew since."""

import functools
import os
import platform
from collections.abc import Callable, Mapping

from pipeline.tracking import mlflow_server
from pipeline.tracking.machine import machine
from pipeline.tracking.mlflow_server import in_one_line

# The tag that says which process writes a run
TAG = "process"
# Seconds by which two readings of a process' start may differ
TOLERANCE = 2


def mark() -> str:
    """This process as the tag has it: number, start in seconds, the machine's name and hash."""
    return _mark(os.getpid())


@functools.cache
def _mark(number: int) -> str:
    """Read once: a start is told by the clock, which may be set meanwhile. A fork has another number."""
    import psutil

    return f"{number} {psutil.Process(number).create_time():.0f} {platform.node()} {machine()}"


def is_dead(process: str, by_name: bool = False) -> bool:
    """Whether the process that a tag names was on this machine and has ended.

    Args:
        by_name: whether the name alone tells this machine from others; its hash changes when it is started anew.
    """
    import psutil

    # A name may have blanks. Older tags have no hash
    number, start, rest = [*process.split(" ", 2), "", ""][:3]
    name, _, known = rest.rpartition(" ") if " " in rest else (rest, "", "")
    is_here = known == machine() or (name == platform.node() and (by_name or not known))
    if process == mark() or not is_here or not number.isdecimal() or not start.isdecimal():
        return False
    try:
        other = psutil.Process(int(number))
        # after a while the system gives the number to another process
        return abs(other.create_time() - int(start)) > TOLERANCE or other.status() == psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, OverflowError):
        return True
    except psutil.AccessDenied:
        return False


def end(client) -> None:
    """Call the runs KILLED that dead processes of this machine left RUNNING."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    for run in client.search_runs(experiments, "attributes.status = 'RUNNING'", max_results=1000):
        if _is_left(client, run):
            client.set_terminated(run.info.run_id, "KILLED")


def _is_left(client, run) -> bool:
    """Whether a run's process is dead; a server may be other machines' too, a file is this one's."""
    return is_dead(run.data.tags.get(TAG, ""), by_name=mlflow_server.file(client.tracking_uri) is not None)


@in_one_line()
def go_on(client, run_id: str, process: str | None = None) -> None:
    """Call a run RUNNING, by this process or the one that is named: several may work on the same run, and one that was
    the last of them for a while has ended it."""
    client.set_tag(run_id, TAG, process or mark())
    client.update_run(run_id, "RUNNING")


@in_one_line()
def end_children(client, parent_id: str, states: Callable[[], Mapping[str, str]]) -> None:
    """End the runs of trials that are over, though their process did not live to say so.

    Args:
        parent_id: the study's run.
        states: gives the state of every trial by its number, as Optuna calls it, and RUNNING for the process that has
            children which are no trials; what it leaves out is over.
    """
    experiment = client.get_run(parent_id).info.experiment_id
    children = client.search_runs(
        [experiment], f"attributes.status = 'RUNNING' and tags.`mlflow.parentRunId` = '{parent_id}'", max_results=1000)
    # In this order: a trial begins before its run does
    by_name = states() if children else {}
    for run in children:
        state = by_name.get(run.data.tags.get("trial") or run.data.tags.get(TAG, ""), "FAIL")
        if state != "RUNNING":
            client.set_terminated(run.info.run_id, "FINISHED" if state == "COMPLETE" else "KILLED")


def complete(client, run_id: str, bundle_id: str) -> None:
    """The run of a model that is complete is FINISHED, though its process was killed, or failed to store it, right
    after it had written it."""
    run = client.get_run(run_id)
    over = run.info.status != "RUNNING" or _is_left(client, run)
    if run.info.status != "FINISHED" and over:
        client.set_tag(run_id, "bundle", bundle_id)
        client.set_terminated(run_id, "FINISHED")
