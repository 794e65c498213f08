"""Runs whose process was killed: MLflow would call them RUNNING for ever; the next run here ends them."""

import os
import platform
from collections.abc import Callable, Mapping

from pipeline.tracking.mlflow_server import in_one_line

# The tag that says which process writes a run
TAG = "process"
# Seconds by which two readings of a process' start may differ
TOLERANCE = 2


def mark() -> str:
    """This process as the tag has it: number, start in seconds, machine."""
    import psutil

    return f"{os.getpid()} {psutil.Process().create_time():.0f} {platform.node()}"


def is_dead(process: str) -> bool:
    """Whether the process that a tag names was on this machine and has ended."""
    import psutil

    number, start, machine = [*process.split(" ", 2), "", ""][:3]
    if machine != platform.node() or not number.isdecimal() or not start.isdecimal():
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
        if is_dead(run.data.tags.get(TAG, "")):
            client.set_terminated(run.info.run_id, "KILLED")


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
    over = run.info.status != "RUNNING" or is_dead(run.data.tags.get(TAG, ""))
    if run.info.status != "FINISHED" and over:
        client.set_tag(run_id, "bundle", bundle_id)
        client.set_terminated(run_id, "FINISHED")
