"""MLflow runs made again: where a server lacks a model's run, it is made from the ledger's entry."""

from collections.abc import Mapping
from typing import Any

from pipeline.bundle.bundle import Bundle
from pipeline.bundle.manifest import Trained
from pipeline.tracking import killed, runs
from pipeline.tracking.entry import Entry
from pipeline.tracking.mlflow_server import in_one_line


def tags_of(record: Trained | Entry) -> dict[str, Any]:
    """The tags of a run's recipe and data; ``runs.tags_of`` has them before the training."""
    return {name: getattr(record, name) for name in runs.TAGS}


def data_of(record: Trained | Entry) -> dict[str, str]:
    """The keys of the faces' manifest that ``Run.dataset`` reads."""
    return {"dataset": record.dataset, "edition": record.edition, "protocol": record.protocol,
            "digest": record.data_digest}


def restore(entry: Entry, bundle: Bundle | None = None, tags: Mapping[str, Any] | None = None) -> str:
    """The id of an entry's run, made from the entry where the server lacks it; the bundle becomes its model.

    Args:
        tags: further tags, for a run that has to be made.
    """
    entry_tags = tags_of(entry)
    experiment = runs.experiment_of(entry_tags)
    run_id = entry.run_id if runs.exists(entry.run_id) else runs.find(experiment, "bundle", entry.bundle)
    if run_id is None:
        entry_tags |= {"bundle": entry.bundle, "kind": "train", "rebuilt": "true", "trained_as": entry.run_id}
        name = runs.run_name(entry_tags) + (" in int8" if entry.quantised else "")
        with runs.start(name, experiment, {**entry_tags, **(tags or {})}) as run:
            run.params(entry.config)
            run.dataset(data_of(entry))
            run.history(entry.history)
            run.evaluation(entry.all_figures)
            run_id = run.id
    if bundle is not None:
        client = runs.connect()
        runs.Run(client, run_id).model(bundle)
        with in_one_line():
            killed.complete(client, run_id, bundle.id)
    return run_id
