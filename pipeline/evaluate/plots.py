"""Plots of a model: confusion matrix, figures per class, calibration, curves; each names the model and its data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.bundle.bundle import Bundle
from pipeline.evaluate import severity
from pipeline.evaluate.calibration import Calibration
from pipeline.evaluate.measure import Evaluation
from pipeline.faces.protocols import phrase
from pipeline.system.plotting import BLUE, GRAY, ORANGE, save
from pipeline.tracking.entry import SplitFigures, SplitRobustness


def _figure(width: float, height: float):
    """A figure with two axes side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, 2)


def _save(path: Path, figure, bundle: Bundle, title: str) -> None:
    provenance = bundle.provenance
    stamp = (f"{provenance.recipe}, seed {provenance.seed}, bundle {bundle.id} · "
             f"{provenance.dataset} ({provenance.edition}), {phrase(provenance.protocol)}, "
             f"data {provenance.data_digest[:8]}")
    figure.suptitle(title, fontsize=13)
    figure.supxlabel(stamp, fontsize=8, color=GRAY)
    save(path, figure)


def confusion(path: Path, figures: SplitFigures, bundle: Bundle) -> None:
    """The confusion matrix of PrivateTest, single view: counts, and shares of the true class."""
    single = figures["PrivateTest"]["single"]
    counts = np.array(single["confusion"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _figure(12, 5.8)
    sides = ((axes[0], counts, "d", "images"), (axes[1], 100 * shares, ".0f", "% of the class"))
    for axis, matrix, style, name in sides:
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(matrix.shape):
            axis.text(column, row, format(matrix[row, column], style), ha="center", va="center", fontsize=9,
                      color="white" if shares[row, column] > 0.5 else "black")
        ticks = range(len(bundle.classes))
        axis.set(xticks=ticks, yticks=ticks, title=name, xlabel="predicted", ylabel="true")
        axis.set_xticklabels(bundle.classes, rotation=35, ha="right")
        axis.set_yticklabels(bundle.classes)
    _save(path, figure, bundle, f"PrivateTest, single view: {100 * single['accuracy']:.1f} % of {single['n']}")


def per_class(path: Path, figures: SplitFigures, bundle: Bundle) -> None:
    """Precision, recall and F1 of every class on both test splits."""
    figure, axes = _figure(12, 4.6)
    positions = np.arange(len(bundle.classes))
    measures: tuple[tuple[Literal["precision", "recall", "f1"], str], ...] = (
        ("precision", GRAY), ("recall", BLUE), ("f1", ORANGE))
    for axis, split in zip(axes, ("PublicTest", "PrivateTest"), strict=True):
        single = figures[split]["single"]
        for offset, (measure, colour) in enumerate(measures):
            heights = [100 * single["per_class"][name][measure] for name in bundle.classes]
            axis.bar(positions + 0.27 * (offset - 1), heights, 0.25, color=colour, label=measure)
        title = f"{split} (macro-F1 {100 * single['macro_f1']:.1f} %)"
        axis.set(xticks=positions, ylim=(0, 100), ylabel="%", title=title)
        axis.set_xticklabels([f"{name}\n{single['per_class'][name]['n']}" for name in bundle.classes], fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, ncols=3, loc="outside upper right")
    _save(path, figure, bundle, "Per class, single view")


def corrupted(path: Path, evaluation: Evaluation, bundle: Bundle) -> None:
    """Accuracy against severity of every kind of corruption, a line a split."""
    clean = {split: views["single"]["accuracy"] for split, views in evaluation.figures.items()}
    severities(path, clean, evaluation.robustness or {}, bundle)


def severities(path: Path, clean: Mapping[str, float], robustness: SplitRobustness, bundle: Bundle) -> None:
    """``corrupted`` of the figures alone; ``clean`` are the accuracies on faces as they are."""
    series = [severity.Series(split, clean[split], of_split, colour)
              for (split, of_split), colour in zip(robustness.items(), (BLUE, ORANGE), strict=False)]
    means = [f"{split} {100 * of_split['mean']:.1f} %, the worst {100 * of_split['worst']:.1f} %"
             for split, of_split in robustness.items()]
    mean = f"the mean is {'; '.join(means)}" if means else "not measured, see evaluate.corrupted_bytes"
    _save(path, severity.figure(series), bundle, f"On corrupted faces, single view: {mean}")


def calibrated(path: Path, measured: Mapping[str, Calibration], bundle: Bundle) -> None:
    """Two reliability diagrams, before and after temperature scaling, and accuracy against coverage, of both tests."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.6), layout="constrained")
    *diagrams, selective = figure.subplots(1, 3)
    for axis, (split, of_split) in zip(diagrams, measured.items(), strict=True):
        axis.plot([0, 100], [0, 100], color=GRAY, linewidth=1, linestyle="dashed")
        for reliability, name, colour in ((of_split["before"], "before", GRAY), (of_split["after"], "after", BLUE)):
            bins = reliability["bins"]
            axis.plot([100 * part["confidence"] for part in bins], [100 * part["accuracy"] for part in bins],
                      marker="o", markersize=4, color=colour, label=f"{name}: ECE {reliability['ece']:.3f}")
        axis.set(title=f"{split}, n = {of_split['n']:,}", xlabel="confidence, %", ylabel="accuracy, %",
                 xlim=(0, 100), ylim=(0, 100))
        axis.legend(frameon=False, loc="upper left", fontsize=9,
                    title=f"temperature {of_split['temperature']:g}", title_fontsize=9)
    for (split, of_split), colour in zip(measured.items(), (BLUE, ORANGE), strict=True):
        coverage = of_split["coverage"]
        selective.plot([100 * float(share) for share in coverage], [100 * accuracy for accuracy in coverage.values()],
                       marker="o", markersize=3, color=colour, label=split)
    selective.set(title="accuracy on the surest faces", xlabel="coverage, %", ylabel="accuracy, %", xlim=(0, 102))
    selective.legend(frameon=False, fontsize=9)
    for axis in (*diagrams, selective):
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    _save(path, figure, bundle, "Calibration and selective prediction, single view")


def curves(path: Path, history: list[dict[str, float]], bundle: Bundle) -> None:
    """Loss and accuracy per epoch, training (augmented, as seen) and PublicTest."""
    figure, axes = _figure(11, 4.2)
    epochs = [row["epoch"] for row in history]
    for axis, name, scale in ((axes[0], "loss", 1), (axes[1], "accuracy", 100)):
        axis.plot(epochs, [scale * row[name] for row in history], color=GRAY, label="training, augmented")
        axis.plot(epochs, [scale * row[f"val_{name}"] for row in history], color=BLUE, label="PublicTest")
        axis.set(xlabel="epoch", title=name if scale == 1 else f"{name}, %")
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False)
    _save(path, figure, bundle, "Training")
