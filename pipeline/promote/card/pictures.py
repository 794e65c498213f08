"""A card's pictures: those of evaluate, and the accuracy by brightness and sharpness."""

from pathlib import Path

from pipeline.evaluate import plots
from pipeline.evaluate.measure import Evaluation
from pipeline.evaluate.robustness import TESTS
from pipeline.promote.card.facts import Facts
from pipeline.system.plotting import BLUE, GRAY, ORANGE, bare, save


def draw(folder: Path, facts: Facts, evaluation: Evaluation) -> None:
    """Draw what there are figures for."""
    bundle, figures = facts.bundle, facts.entry.figures
    complete = all(set(bundle.classes) <= set(figures[split]["single"]["per_class"]) for split in facts.splits)
    if facts.splits == TESTS and complete:
        plots.confusion(folder / "confusion.png", figures, bundle)
        plots.per_class(folder / "per_class.png", figures, bundle)
        if evaluation.robustness is not None:
            plots.corrupted(folder / "robustness.png", evaluation, bundle)
    if facts.entry.history and {"loss", "val_loss", "accuracy", "val_accuracy"} <= facts.entry.history[0].keys():
        plots.curves(folder / "curves.png", list(facts.entry.history), bundle)
    if any(quarters for properties in facts.measured.conditions.values() for quarters in properties.values()):
        conditions(folder / "conditions.png", facts)


def conditions(path: Path, facts: Facts) -> None:
    """Accuracy in each quarter with its interval, and a tick at what the quarter's classes alone would give."""
    from matplotlib.figure import Figure

    measured = facts.measured.conditions
    properties = list(next(iter(measured.values())))
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.subplots(1, len(properties), sharex=True, squeeze=False)[0]
    for axis, name in zip(axes, properties, strict=True):
        bare(axis)
        for offset, (split, colour) in zip((-0.15, 0.15), (("PublicTest", BLUE), ("PrivateTest", ORANGE)), strict=True):
            for position, quarter in enumerate(measured.get(split, {}).get(name, [])):
                low, high = (100 * end for end in quarter["interval"])
                axis.plot([low, high], [position + offset] * 2, color=colour, linewidth=1.5)
                axis.plot(100 * quarter["accuracy"], position + offset, "o", color=colour,
                          label=split if position == 0 else None)
                axis.plot(100 * quarter["expected"], position + offset, "|", color=GRAY, markersize=11,
                          label="by the mix of classes" if position == 0 and offset > 0 else None)
        axis.set(yticks=range(4), yticklabels=["lowest", "2", "3", "highest"], title=name, xlabel="accuracy, %")
        axis.invert_yaxis()
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, ncols=3, loc="outside upper right", fontsize=9)
    figure.suptitle(f"Bundle {facts.bundle.id}, by quarter", fontsize=12, x=0.02, ha="left")
    save(path, figure)
