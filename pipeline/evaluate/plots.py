"""Plots of a model: confusion matrix, figures per class, curves per epoch; each names the model and its data."""

from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.bundle.bundle import Bundle
from pipeline.evaluate.measure import Evaluation
from pipeline.evaluate.robustness import WORDS
from pipeline.faces.protocols import phrase
from pipeline.system.plotting import BLUE, GRAY, ORANGE, bare, save
from pipeline.tracking.entry import SplitFigures


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
    """Accuracy on corrupted faces, a dot a corruption and split, beside the accuracy on the faces as they are."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6.5), layout="constrained")
    axis = figure.subplots()
    bare(axis)
    positions = np.arange(len(WORDS))
    axis.set(yticks=positions, yticklabels=list(WORDS.values()), xlabel="accuracy, %, single view", xlim=(0, 100))
    axis.invert_yaxis()
    means = []
    for split, colour in (("PublicTest", BLUE), ("PrivateTest", ORANGE)):
        if evaluation.robustness is None:
            continue
        robustness = evaluation.robustness[split]
        axis.plot([100 * robustness["accuracy"][name] for name in WORDS], positions, "o", color=colour, label=split)
        axis.axvline(100 * evaluation.figures[split]["single"]["accuracy"], color=colour, linewidth=1,
                     linestyle="dashed", label=f"{split}, as it is")
        means.append(f"{split} {100 * robustness['mean']:.1f} %")
    if means:
        axis.legend(frameon=False, loc="center left", fontsize=9)
    mean = f"the mean is {', '.join(means)}" if means else "not measured, see evaluate.corrupted_bytes"
    _save(path, figure, bundle, f"On corrupted faces: {mean}")


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
