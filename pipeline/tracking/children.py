"""Runs inside runs: a study's trials, and the machine's load beside a training, which would fill its page."""

# The kind of the child that has a training's system metrics
MACHINE = "machine"


def inherit_data(client, parent: str, run_id: str) -> None:
    """A child has its parent's data as its input too."""
    inputs = client.get_run(parent).inputs
    if inputs and inputs.dataset_inputs:
        client.log_inputs(run_id, inputs.dataset_inputs)


def machine_of(client, run_id: str) -> str | None:
    """The child of a run that has its system metrics; None before there is one."""
    experiment = client.get_run(run_id).info.experiment_id
    found = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run_id}' AND tags.kind = '{MACHINE}'",
                               max_results=1)
    return found[0].info.run_id if found else None
