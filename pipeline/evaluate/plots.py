"""Pictures of a model: confusion matrices, figures per class, curves per epoch; each names model and data."""

from pathlib import Path

import numpy as np

from pipeline.bundle.bundle import Bundle
from pipeline.system.plotting import BLUE, GRAY, ORANGE, save


def _figure(width: float, height: float):
    """Two pictures side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, 2)


def _save(path: Path, figure, bundle: Bundle, title: str) -> None:
    facts = bundle.provenance
    stamp = (f"{facts.recipe}, seed {facts.seed}, bundle {bundle.id} · {facts.dataset} ({facts.edition}), "
             f"{facts.protocol} protocol, data {facts.data_digest[:8]}")
    figure.suptitle(title, fontsize=13)
    figure.supxlabel(stamp, fontsize=8, color=GRAY)
    save(path, figure)


def confusion(path: Path, found: dict, bundle: Bundle) -> None:
    """PrivateTest, single view: counts, and shares of the true class."""
    one = found["PrivateTest"]["single"]
    counts = np.array(one["confusion"])
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
    _save(path, figure, bundle, f"PrivateTest, single view: {100 * one['accuracy']:.1f} % of {one['n']}")


def per_class(path: Path, found: dict, bundle: Bundle) -> None:
    """Precision, recall and F1 of every class on both test splits."""
    figure, axes = _figure(12, 4.6)
    places = np.arange(len(bundle.classes))
    for axis, split in zip(axes, ("PublicTest", "PrivateTest"), strict=True):
        one = found[split]["single"]
        for offset, (figure_name, colour) in enumerate((("precision", GRAY), ("recall", BLUE), ("f1", ORANGE))):
            heights = [100 * one["per_class"][name][figure_name] for name in bundle.classes]
            axis.bar(places + 0.27 * (offset - 1), heights, 0.25, color=colour, label=figure_name)
        axis.set(xticks=places, ylim=(0, 100), ylabel="%", title=f"{split} (macro-F1 {100 * one['macro_f1']:.1f} %)")
        axis.set_xticklabels([f"{name}\n{one['per_class'][name]['n']}" for name in bundle.classes], fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, ncols=3, loc="outside upper right")
    _save(path, figure, bundle, "Per class, single view")


def curves(path: Path, history: list[dict], bundle: Bundle) -> None:
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
