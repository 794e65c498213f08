"""The picture of reports/recipes.md: our accuracy with its interval beside the published one, for every row run."""

from pathlib import Path
from typing import NamedTuple

from pipeline.reporting import figures
from pipeline.system.plotting import BLUE, GRAY, RED, bare, save
from pipeline.tracking.entry import Entry


class Row(NamedTuple):
    """A row of the picture: accuracies from 0 to 1, ``published`` None where the authors give no figure."""

    label: str
    published: float | None
    group: list[Entry]
    split: str


def draw(path: Path, rows: list[Row]) -> None:
    """Draw the rows from top to bottom; without one there is no file."""
    if not rows:
        path.unlink(missing_ok=True)
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.4 + 0.36 * len(rows)), layout="constrained")
    axis = figure.subplots()
    for height, (_, published, group, split) in enumerate(rows):
        mean, low, high = figures.mean_of(group, split, "single")
        if published is None:
            label, colour = "ours, nothing published", GRAY
        elif mean >= published:
            label, colour = "ours, at or above", BLUE
        else:
            label, colour = "ours, below", RED
        axis.errorbar(100 * mean, height, fmt="o", markersize=7, capsize=4, color=colour, label=label,
                      xerr=[[100 * (mean - low)], [100 * (high - mean)]])
        axis.annotate(f"{100 * mean:.1f}", (100 * mean, height), (0, 6), textcoords="offset points", ha="center",
                      fontsize=8)
        if published is not None:
            axis.plot(100 * published, height, "D", markersize=7, markerfacecolor="none", color=GRAY, label="published")
    axis.set(yticks=range(len(rows)), yticklabels=[row.label for row in rows], ylim=(len(rows) - 0.5, -0.7),
             xlabel="accuracy in %, on the authors' split; bars are 95 % intervals")
    bare(axis)
    legend = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.legend(legend.values(), legend.keys(), frameon=False, ncols=4, fontsize=9, loc="outside upper center")
    save(path, figure)
