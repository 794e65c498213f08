"""What a run's page in MLflow shows of a model's figures: the headline ones as metrics, all of them as tables.

MLflow's charts have a section for everything before a metric's slash, sorted by name: ``accuracy/PublicTest`` makes the
comparison of runs open on accuracy.
"""

from collections.abc import Mapping
from typing import Any, TypedDict

HEADLINE = ("accuracy", "macro_f1", "loss")
# Accuracies under the corruptions, beside the splits
CORRUPTED, COPY_FREE = "corrupted", "copy_free"
PRIMARY = "accuracy/PublicTest"
PRIMARY_TAG = "mlflow.experiment.primaryMetric.name"


class Table(TypedDict):
    """As pandas' ``to_json(orient="split")`` writes one, which is what MLflow reads."""

    columns: list[str]
    data: list[list[Any]]


def headline(measured: Mapping[str, Any]) -> dict[str, float]:
    """``accuracy/PublicTest``, ``accuracy/PublicTest_flip``, ``accuracy/PublicTest_copy_free``,
    ``accuracy/PublicTest_corrupted`` (the mean over the corruptions) and ``.._corrupted_worst``; macro-F1 and the loss
    in nats of the splits in single view. The rest is in ``tables``: a page of fifty charts shows none of them.

    Args:
        measured: ``Entry.all_figures``: figures by split and view, and ``corrupted`` by split.
    """
    metrics: dict[str, float] = {}
    for split, view, figures in _views(measured):
        if view == "single" and not split.endswith(COPY_FREE):
            metrics |= {f"{name}/{split}": figures[name] for name in HEADLINE if name in figures}
        elif view == "single" or not split.endswith(COPY_FREE):
            metrics[f"accuracy/{split}" + ("" if view == "single" else f"_{view}")] = figures["accuracy"]
    for split, robustness in measured.get(CORRUPTED, {}).items():
        metrics[f"accuracy/{split}_corrupted"] = robustness["mean"]
        metrics[f"accuracy/{split}_corrupted_worst"] = robustness["worst"]
    return metrics


def tables(measured: Mapping[str, Any]) -> dict[str, Table]:
    """By name: ``splits`` with intervals and numbers of images, ``per_class``, and ``corruptions`` where those were
    measured; arguments as of ``headline``."""
    splits = [[split, view, figures["n"], figures["accuracy"], *figures["interval"], figures["macro_f1"],
               figures["loss"]] for split, view, figures in _views(measured)]
    classes = [[split, view, name, *(shares[column] for column in ("precision", "recall", "f1", "n"))]
               for split, view, figures in _views(measured) for name, shares in figures["per_class"].items()]
    corruptions = [[split, name, accuracy, robustness["n"]] for split, robustness in measured.get(CORRUPTED, {}).items()
                   for name, accuracy in robustness["accuracy"].items()]
    found = {
        "splits": Table(columns=["split", "view", "n", "accuracy", "interval_low", "interval_high", "macro_f1", "loss"],
                        data=splits),
        "per_class": Table(columns=["split", "view", "class", "precision", "recall", "f1", "n"], data=classes),
        "corruptions": Table(columns=["split", "corruption", "accuracy", "n"], data=corruptions),
    }
    return {name: table for name, table in found.items() if table["data"]}


def _views(measured: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Split, view, figures; the figures without copies under ``PublicTest_copy_free``."""
    splits = {split: views for split, views in measured.items() if split not in (CORRUPTED, COPY_FREE)}
    splits |= {f"{split}_{COPY_FREE}": views for split, views in measured.get(COPY_FREE, {}).items()}
    return [(split, view, figures) for split, views in splits.items() for view, figures in views.items()]


def experiment_tags(name: str) -> dict[str, str]:
    """The tags of an experiment called ``name`` (``fer2013-7``): its primary metric, and a description."""
    dataset, _, classes = name.rpartition("-")
    return {
        PRIMARY_TAG: PRIMARY,
        "mlflow.experiment.primaryMetric.greaterIsBetter": "True",
        "mlflow.note.content": f"Models of data set {dataset}, class set {classes}: trainings, studies, ensembles. "
                               f"They are chosen on PublicTest ({PRIMARY}). The tables in a run's artefacts, in "
                               "figures/, have intervals and every class.",
    }
