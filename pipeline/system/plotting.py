"""What the pictures share: colours, a bare axis for dots with intervals, and saving; never a window."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.system.atomic import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which every kind of colour vision tells apart
BLUE, ORANGE, GREEN, PINK, RED = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00"
GRAY = "#767676"
# The keyword of a PNG's text that says which model a picture is about
BUNDLE = "Bundle"


def bare(axis: "Axes") -> None:
    """Leave nothing but the labels and a faint grid for reading values off."""
    axis.grid(axis="x", alpha=0.25)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(left=False)


def save(path: Path, figure: "Figure", bundle: str | None = None) -> None:
    """Write a PNG, the same bytes for the same figure.

    Args:
        bundle: the id of the model that it is about, kept in the file under ``BUNDLE``.
    """
    with atomic_file(path) as new:
        figure.savefig(new, format="png", dpi=110, metadata={"Software": None, **({BUNDLE: bundle} if bundle else {})})
