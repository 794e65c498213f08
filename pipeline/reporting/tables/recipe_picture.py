"""The picture of reports/recipes.md: our accuracy with its interval beside the published one, for every row run."""

from pathlib import Path
from typing import NamedTuple

from pipeline.reporting import figures
from pipeline.reporting.extra_labels import NONE
from pipeline.system.plotting import BLUE, GRAY, ORANGE, RED, bare, save
from pipeline.tracking.entry import Entry


class Row(NamedTuple):
    """A row of the picture: accuracies from 0 to 1.

    Attributes:
        published: None where the authors give no figure.
        split: that we measure on; ``split_named`` is whether the authors do so too.
        labels: what ours learned from besides FER-2013's labels.
    """

    label: str
    published: float | None
    group: list[Entry]
    split: str
    labels: str = NONE
    split_named: bool = True

    @property
    def text(self) -> str:
        """The label with what makes the row another kind of figure."""
        labels = self.labels.replace("`", "")
        notes = ([] if self.labels == NONE else [labels]) + ([] if self.split_named else ["split not named"])
        return self.label + (f"\n{', '.join(notes)}" if notes else "")


def draw(path: Path, rows: list[Row]) -> None:
    """Draw the rows from top to bottom; without one there is no file."""
    if not rows:
        path.unlink(missing_ok=True)
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.4 + 0.42 * len(rows)), layout="constrained")
    axis = figure.subplots()
    for height, row in enumerate(rows):
        published, (mean, low, high) = row.published, figures.mean_of(row.group, row.split, "single")
        marker = "o"
        if row.labels != NONE:
            label, colour, marker = "ours, extra labels", ORANGE, "s"
        elif published is None or not row.split_named:
            label, colour = "ours, not comparable", GRAY
        elif mean >= published:
            label, colour = "ours, at or above", BLUE
        else:
            label, colour = "ours, below", RED
        axis.errorbar(100 * mean, height, fmt=marker, markersize=7, capsize=4, color=colour, label=label,
                      xerr=[[100 * (mean - low)], [100 * (high - mean)]])
        axis.annotate(f"{100 * mean:.1f}", (100 * mean, height), (0, 6), textcoords="offset points", ha="center",
                      fontsize=8)
        if published is not None:
            axis.plot(100 * published, height, "D", markersize=7, markerfacecolor="none", color=GRAY, label="published")
    axis.set(yticks=range(len(rows)), yticklabels=[row.text for row in rows], ylim=(len(rows) - 0.5, -0.7),
             xlabel="accuracy in %, on the authors' split where they name it; bars are 95 % intervals")
    bare(axis)
    legend = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.legend(legend.values(), legend.keys(), frameon=False, ncols=5, fontsize=9, loc="outside upper center")
    save(path, figure)
