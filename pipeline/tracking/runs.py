"""Experiment tracking: the only module that imports mlflow.

MLflow is the live view for people. Everything in it can be made again from the ledger and the bundles (``restoring``).
"""

import contextlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.bundle.bundle import Bundle
from pipeline.faces import protocols
from pipeline.tracking import children, killed, logged, mlflow_server
from pipeline.tracking.figures import PRIMARY_TAG, Table, experiment_tags, headline, tables
from pipeline.tracking.mlflow_server import in_one_line, uri

TAGS = ("recipe", "seed", "dataset", "edition", "data_digest", "protocol", "class_set")
_opened: set[str] = set()


def flat(tree: Mapping[str, Any], separator: str = ".") -> dict[str, Any]:
    """A tree of dicts as one level: ``{"train": {"epochs": 2}}`` -> ``{"train.epochs": 2}``."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        inner = flat(value, separator) if isinstance(value, dict) else None
        leaves.update({f"{key}{separator}{name}": leaf for name, leaf in inner.items()} if inner else {key: value})
    return leaves


def tags_of(config: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The tags of a run's recipe and data, from the resolved config and the faces' manifest."""
    values = {**manifest, **config, "data_digest": manifest["digest"]}
    return {name: values[name] for name in TAGS if name in values}


def run_name(tags: Mapping[str, Any]) -> str:
    """``hour seed 1``, or ``hour seed 1, without exact copies``: twins must be distinguishable in MLflow's list."""
    protocol = protocols.title(tags.get("protocol", "published"))
    return f"{tags['recipe']} seed {tags['seed']}" + ("" if protocol == "published" else f", {protocol}")


@in_one_line()
def connect():
    """MLflow's client for ``uri()``; the first call of a process makes or checks the database."""
    address = uri()
    mlflow_server.quieten()
    import mlflow

    inherited = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(address)
    # MLflow writes the address into the environment, where it would outlive a change of folder
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    if inherited is not None:
        os.environ["MLFLOW_TRACKING_URI"] = inherited
    database = mlflow_server.file(address)
    new = address not in _opened
    with mlflow_server.alone(database) if database and new else contextlib.nullcontext():
        if database and new:
            mlflow_server.complete(address, database)
        elif new:
            mlflow_server.check_answers(address)
        client = mlflow.MlflowClient(address)
        if new:
            client.search_experiments(max_results=1)
            _opened.add(address)
    return client


class Run:
    """A run on the server; as a context manager it ends FINISHED, FAILED or, after Ctrl-C or pruning, KILLED."""

    def __init__(self, client, run_id: str, machine: "Run | None" = None, monitor=None):
        self._client, self.id, self._machine, self._monitor = client, run_id, machine, monitor

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, kind, error, trace) -> None:
        status = "FINISHED"
        if kind is not None:
            status = "KILLED" if kind.__name__ in ("KeyboardInterrupt", "TooLate", "TrialPruned") else "FAILED"
        if self._monitor is not None:
            self._monitor.finish()
        if self._machine is not None:
            self._machine.__exit__(kind, error, trace)
        try:
            with in_one_line():
                self._client.set_terminated(self.id, status)
        except mlflow_server.Failure:
            # The error on its way out matters more than that the server missed it
            if kind is None:
                raise

    @in_one_line()
    def params(self, values: Mapping[str, Any]) -> None:
        """Parameters, a tree or flat."""
        from mlflow.entities import Param

        entities = [Param(name, str(value)) for name, value in flat(values).items()]
        # a server takes a hundred parameters at a time
        for first in range(0, len(entities), 100):
            self._client.log_batch(self.id, params=entities[first : first + 100])

    @in_one_line()
    def tags(self, values: Mapping[str, Any]) -> None:
        """Set tags; a value becomes text."""
        from mlflow.entities import RunTag

        self._client.log_batch(self.id, tags=[RunTag(name, str(value)) for name, value in values.items()])

    def epoch(self, row: Mapping[str, float], step: int) -> None:
        """One row of the history: a point on every curve."""
        self._metrics({name: value for name, value in row.items() if name != "epoch"}, step)

    @in_one_line()
    def history(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Log the epochs that the curves lack: all of them, or those that were lost when the process was killed."""
        logged = {point.step for point in self._client.get_metric_history(self.id, "val_accuracy")}
        for row in rows:
            if int(row["epoch"]) not in logged:
                self.epoch(row, int(row["epoch"]))

    def figures(self, values: Mapping[str, float]) -> None:
        """Numbers as metrics, by name."""
        self._metrics(values, 0)

    def evaluation(self, measured: Mapping[str, Any]) -> None:
        """What evaluate measured (``Entry.all_figures``): the headline figures as metrics, everything as tables."""
        self._metrics(headline(measured), 0)
        for name, table in tables(measured).items():
            self._table(f"figures/{name}.json", table)

    @in_one_line()
    def _table(self, path: str, table: Table) -> None:
        """A JSON artefact that MLflow shows as a table. MLflow's own ``log_table`` would add the rows to those of an
        earlier call."""
        listed = json.loads(self._client.get_run(self.id).data.tags.get("mlflow.loggedArtifacts", "[]"))
        self._client.log_dict(self.id, table, path)
        if not any(entry["path"] == path for entry in listed):
            self._client.set_tag(self.id, "mlflow.loggedArtifacts",
                                 json.dumps([*listed, {"path": path, "type": "table"}]))

    @in_one_line()
    def _metrics(self, values: Mapping[str, Any], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self.id, [Metric(name, float(value), now, step) for name, value in values.items()])

    @in_one_line()
    def files(self, paths: Iterable[Path], folder: str = "") -> None:
        """Files, and folders with what is in them, as artefacts."""
        for path in paths:
            log = self._client.log_artifacts if path.is_dir() else self._client.log_artifact
            log(self.id, str(path), folder or None)

    @in_one_line()
    def dataset(self, manifest: Mapping[str, Any]) -> None:
        """The data as an input of the run, under the data set's name, with edition, digest and counts."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        tags = {name: manifest[name] for name in ("dataset", "edition", "protocol", "digest") if name in manifest}
        # Its lists show name and digest side by side; MLflow would hold 36 characters, and the tags have all
        data = Dataset(manifest["dataset"], manifest["digest"][:12], "code", json.dumps({"tags": tags}),
                       profile=json.dumps(manifest.get("counts", {})))
        self._client.log_inputs(self.id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])

    @in_one_line()
    def model(self, bundle: Bundle) -> str:
        """The bundle: its files under ``bundle`` and its ONNX as an MLflow model (``served``), once; returns the
        model's id."""
        bundle.check_unchanged(bundle.folder)
        known = logged.model_of(self._client, self.id, bundle)
        if known is not None:
            return known
        self.files([bundle.folder], "bundle")
        return logged.log(self._client, self.id, bundle)


@in_one_line()
def start(name: str, experiment: str, tags: Mapping[str, Any], parent: str | None = None, run_id: str | None = None,
          system_metrics: bool = False) -> Run:
    """Begin a run, as a child of ``parent``; or continue ``run_id`` if the server has it, killed or finished.

    What killed processes left RUNNING is ended first.

    Args:
        system_metrics: whether a child of the run gets the machine's load while it lasts.
    """
    client = connect()
    if parent is None:
        killed.end(client)
    tags = {**tags, killed.TAG: killed.mark()}
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
    from mlflow.tracking.context.registry import resolve_tags

    if run_id and exists(run_id):
        Run(client, run_id).tags(tags)
        client.update_run(run_id, "RUNNING")
    else:
        dvc = {key: os.environ[key] for key in ("DVC_EXP_NAME", "DVC_STAGE") if os.environ.get(key)}
        nested = {"mlflow.parentRunId": parent} if parent else {}
        all_tags = resolve_tags({key: str(value) for key, value in {**dvc, **tags, **nested}.items()})
        run_id = client.create_run(_experiment(client, experiment), run_name=name, tags=all_tags).info.run_id
        if parent and exists(parent):
            children.inherit_data(client, parent, run_id)
    if not system_metrics:
        return Run(client, run_id)
    machine = start(f"{name}, machine", experiment, {"kind": children.MACHINE}, parent=run_id,
                    run_id=children.machine_of(client, run_id))
    monitor = SystemMetricsMonitor(machine.id, resume_logging=True, tracking_uri=uri())
    monitor.start()
    return Run(client, run_id, machine, monitor)


def _experiment(client, name: str) -> str:
    """The id of an experiment, made or restored where it is missing; its pages know which metric counts."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        folder = mlflow_server.artefacts(uri())
        experiment_id = client.create_experiment(name, f"{folder}/{name}" if folder else None)
    else:
        experiment_id = experiment.experiment_id
        if experiment.lifecycle_stage == "deleted":
            client.restore_experiment(experiment_id)
    if experiment is None or PRIMARY_TAG not in experiment.tags:
        for tag, value in experiment_tags(name).items():
            client.set_experiment_tag(experiment_id, tag, value)
    return experiment_id


@in_one_line()
def exists(run_id: str | None) -> bool:
    """Whether the server has this run and nobody deleted it."""
    client = connect()
    from mlflow.exceptions import MlflowException

    try:
        return bool(run_id) and client.get_run(run_id).info.lifecycle_stage == "active"
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    return False


@in_one_line()
def find(experiment: str, tag: str, value: str) -> str | None:
    """The run of an experiment that carries this tag, the newest of several."""
    client = connect()
    known = client.get_experiment_by_name(experiment)
    runs = client.search_runs([known.experiment_id], f"tags.`{tag}` = '{value}'", max_results=1) if known else []
    return runs[0].info.run_id if runs else None


def experiment_of(tags: Mapping[str, Any]) -> str:
    """``fer2013-7``: the experiment of a data set and class set."""
    return f"{tags['dataset']}-{tags['class_set']}"
