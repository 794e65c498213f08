"""The picture of a study: every figure with its interval, the seeds as points, the authors' figure beside it."""

from pathlib import Path
from typing import Any

from pipeline.experiments.replications.evidence import estimate
from pipeline.experiments.replications.plan import MEASURES, Study
from pipeline.system.plotting import BLUE, GRAY, GREEN, ORANGE, PINK, bare, save

COLOURS = (BLUE, ORANGE, GREEN, PINK)
# A mark of a row: series, variant, measure; a row: label, marks; a panel: title, rows
Mark = tuple[str, str, str]
Panel = tuple[str, list[tuple[str, list[Mark]]]]


def panels(study: Study) -> list[Panel]:
    """What stands where."""
    if study.picture == "panels":
        return [(MEASURES[measure], [(variant, [("", variant, measure)]) for variant in study.rows])
                for measure in study.show]
    if study.picture == "by_variant":
        return [("", [(variant, [(MEASURES[measure], variant, measure) for measure in study.show])
                      for variant in study.rows])]
    return [("", [(MEASURES[measure], [(variant, variant, measure) for variant in study.rows])
                  for measure in study.show])]


def draw(path: Path, study: Study, lines: list[dict]) -> None:
    """Draw the variants that have lines."""
    from matplotlib.figure import Figure

    every = panels(study)
    rows = len(every[0][1])
    thick = max(len(marks) for _, marks in every[0][1])
    figure = Figure(figsize=(9, 1.9 + rows * (0.28 + 0.2 * thick)), layout="constrained")
    axes = figure.subplots(1, len(every), sharey=True, squeeze=False)
    for axis, (title, labelled) in zip(axes[0], every, strict=True):
        for row, (_, marks) in enumerate(labelled):
            for place, mark in enumerate(marks):
                height = row + 0.22 * (place - (len(marks) - 1) / 2)
                _put(axis, height, COLOURS[place % len(COLOURS)], mark, study, lines)
        axis.set(yticks=range(rows), yticklabels=[label for label, _ in labelled], ylim=(rows - 0.5, -0.5),
                 xlabel="points" if title == MEASURES["gap"] else "%")
        axis.set_title(title, fontsize=11)
        bare(axis)
    figure.suptitle(study.title, fontsize=13)
    legend: dict[str, Any] = {}
    for axis in axes[0]:
        legend |= {label: handle for handle, label in zip(*axis.get_legend_handles_labels(), strict=True) if label}
    if legend:
        figure.legend(legend.values(), legend.keys(), frameon=False, ncols=3, fontsize=9, loc="outside lower center")
    save(path, figure)


def _put(axis, height: float, colour: str, mark: Mark, study: Study, lines: list[dict]) -> None:
    series, variant, measure = mark
    if (theirs := study.published.get(variant, {}).get(measure)) is not None:
        axis.plot(theirs, height, "D", markersize=7, markerfacecolor="none", color=GRAY, label="published")
    whole = estimate(lines, variant, measure)
    if whole is None:
        return
    mine = [line for line in lines if line["variant"] == variant]
    if len(mine) > 1:
        seeds = [estimate([line], variant, measure) for line in mine]
        axis.plot([100 * one.mean for one in seeds if one], [height] * len(mine), "o", markersize=3.5, color=GRAY,
                  label="a seed", zorder=3)
    axis.errorbar(100 * whole.mean, height, fmt="o", markersize=7, capsize=4, color=colour,
                  xerr=[[100 * (whole.mean - whole.low)], [100 * (whole.high - whole.mean)]],
                  label=series or "mean and 95 % interval")
