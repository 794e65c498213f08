"""The picture of a replication: every figure with its interval, the seeds as points, the authors' figure beside it."""

from pathlib import Path
from typing import Any

from pipeline.experiments.replications.evidence import estimate
from pipeline.experiments.replications.plan import MEASURES, Replication
from pipeline.system.plotting import BLUE, GRAY, GREEN, ORANGE, PINK, bare, save

COLOURS = (BLUE, ORANGE, GREEN, PINK)
# A mark of a row: series, variant, measure; a row: label, marks; a panel: title, rows
Mark = tuple[str, str, str]
Panel = tuple[str, list[tuple[str, list[Mark]]]]


def panels(replication: Replication) -> list[Panel]:
    """The panels in which a replication is drawn."""
    if replication.picture == "panels":
        return [(MEASURES[measure], [(variant, [("", variant, measure)]) for variant in replication.rows])
                for measure in replication.show]
    if replication.picture == "by_variant":
        return [("", [(variant, [(MEASURES[measure], variant, measure) for measure in replication.show])
                      for variant in replication.rows])]
    return [("", [(MEASURES[measure], [(variant, variant, measure) for variant in replication.rows])
                  for measure in replication.show])]


def draw(path: Path, replication: Replication, entries: list[dict[str, str]]) -> None:
    """Draw the variants that have entries."""
    from matplotlib.figure import Figure

    drawn = panels(replication)
    rows = len(drawn[0][1])
    thick = max(len(marks) for _, marks in drawn[0][1])
    figure = Figure(figsize=(9, 1.9 + rows * (0.28 + 0.2 * thick)), layout="constrained")
    axes = figure.subplots(1, len(drawn), sharey=True, squeeze=False)
    for axis, (title, labelled) in zip(axes[0], drawn, strict=True):
        for row, (_, marks) in enumerate(labelled):
            for index, mark in enumerate(marks):
                height = row + 0.22 * (index - (len(marks) - 1) / 2)
                _put(axis, height, COLOURS[index % len(COLOURS)], mark, replication, entries)
        axis.set(yticks=range(rows), yticklabels=[label for label, _ in labelled], ylim=(rows - 0.5, -0.5),
                 xlabel="points" if title == MEASURES["gap"] else "%")
        axis.set_title(title, fontsize=11)
        bare(axis)
    figure.suptitle(replication.title, fontsize=13)
    legend: dict[str, Any] = {}
    for axis in axes[0]:
        legend |= {label: handle for handle, label in zip(*axis.get_legend_handles_labels(), strict=True) if label}
    if legend:
        figure.legend(legend.values(), legend.keys(), frameon=False, ncols=3, fontsize=9, loc="outside lower center")
    save(path, figure)


def _put(axis, height: float, colour: str, mark: Mark, replication: Replication, entries: list[dict[str, str]]) -> None:
    series, variant, measure = mark
    if (theirs := replication.published.get(variant, {}).get(measure)) is not None:
        axis.plot(theirs, height, "D", markersize=7, markerfacecolor="none", color=GRAY, label="published")
    whole = estimate(entries, variant, measure)
    if whole is None:
        return
    seeds = [estimate([entry], variant, measure) for entry in entries if entry["variant"] == variant]
    if len(seeds) > 1:
        axis.plot([100 * seed.mean for seed in seeds if seed], [height] * len(seeds), "o", markersize=3.5, color=GRAY,
                  label="a seed", zorder=3)
    axis.errorbar(100 * whole.mean, height, fmt="o", markersize=7, capsize=4, color=colour,
                  xerr=[[100 * (whole.mean - whole.low)], [100 * (whole.high - whole.mean)]],
                  label=series or "mean and 95 % interval")
