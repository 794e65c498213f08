"""Curves of accuracy against severity: one small axis for every kind of corruption, a line for every model or split."""

from typing import TYPE_CHECKING, NamedTuple

from pipeline.faces.corruptions import CORRUPTIONS, Corruption
from pipeline.tracking.entry import Robustness

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# kind: (the axis's label, the severity of a face as it is, where both sides of it are measured)
KINDS: dict[str, tuple[str, float | None]] = {
    "blur": ("blur, pixels", None), "motion": ("motion, pixels", None), "jpeg": ("JPEG, quality", None),
    "pixels": ("scaled up, pixels", None), "noise": ("noise, gray levels", None), "gamma": ("gamma", 1.0),
    "contrast": ("contrast", 1.0), "rotation": ("rotation, degrees", None), "box": ("box off, %", None),
}
HIDDEN = "hidden"


class Series(NamedTuple):
    """A line: accuracies, as shares, on faces as they are (``clean``) and under every corruption."""

    label: str
    clean: float
    robustness: Robustness
    colour: str
    style: str = "solid"


def panels() -> dict[str, list[tuple[str, str | None]]]:
    """By axis label, from left to right, the ticks with the names of their corruptions; None for the face as it is."""
    axes: dict[str, list[tuple[str, str | None]]] = {}
    for kind, (label, neutral) in KINDS.items():
        severities = [(part.severity or 0.0, part) for part in CORRUPTIONS if part.kind == kind]
        ticks: list[tuple[str, str | None]] = [(f"{severity:g}", part.name) for severity, part in severities]
        if neutral is None:
            axes[label] = [("none", None), *ticks]
        else:
            below = sum(severity < neutral for severity, _ in severities)
            axes[label] = [*ticks[:below], (f"{neutral:g}", None), *ticks[below:]]
    rest: list[Corruption] = [corruption for corruption in CORRUPTIONS if corruption.kind not in KINDS]
    return axes | {HIDDEN: [("none", None), *((part.kind.removesuffix(f"-{HIDDEN}"), part.name) for part in rest)]}


def figure(series: list[Series]) -> "Figure":
    """The lines; without one the axes are empty."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5.6), layout="constrained")
    axes = figure.subplots(2, 5, sharey=True).ravel()
    for axis, (label, ticks) in zip(axes, panels().items(), strict=True):
        for line in series:
            heights = [100 * (line.clean if name is None else line.robustness["accuracy"][name]) for _, name in ticks]
            axis.plot(range(len(ticks)), heights, marker="o", markersize=4, color=line.colour, label=line.label,
                      # what is hidden has no order
                      linestyle="none" if label == HIDDEN else line.style)
        axis.set(xticks=range(len(ticks)), xticklabels=[text for text, _ in ticks], xlabel=label, ylim=(0, 100),
                 xlim=(-0.3, len(ticks) - 0.7))
        axis.grid(axis="y", alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[::5]:
        axis.set_ylabel("accuracy, %")
    if series:
        figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, ncols=3, fontsize=9,
                      loc="outside lower right")
    return figure
