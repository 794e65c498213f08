"""The figure of the mean maps: a panel for each class, over the mean face of the class."""

from pathlib import Path

import numpy as np

from pipeline.demo.see.boxes import Box
from pipeline.demo.show import heat
from pipeline.reporting.explain.averages import Average
from pipeline.system.plotting import GRAY, save

# Pixels of a panel's side; columns of panels
SIDE, COLUMNS = 240, 4
# Of a map's strongest part: the face's features stay visible
OPAQUE = 0.55


def draw(path: Path, results: list[Average], title: str, stamp: str, bundle: str) -> None:
    """Write the figure as a PNG.

    Args:
        stamp: which model and which faces.
        bundle: the model's id, which the file keeps for whoever shows it.
    """
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(results))
    rows = -(-len(results) // columns)
    figure = Figure(figsize=(2.6 * columns + 0.4, 2.9 * rows + 1.1), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, result in zip(axes, results, strict=False):
        axis.imshow(panel(result))
        axis.set_title(f"{result.name}, n = {result.n}", fontsize=11)
    for axis in axes:
        axis.axis("off")
    figure.suptitle(title, fontsize=12)
    figure.supxlabel(stamp, fontsize=8, color=GRAY)
    save(path, figure, bundle)


def panel(result: Average) -> np.ndarray:
    """A class's mean face with its map: uint8 RGB ``(240, 240, 3)``."""
    import cv2

    # A mean of many faces has little contrast
    low, high = np.percentile(result.face, (1, 99))
    clear = np.clip((result.face - low) / max(high - low, 1.0), 0, 1) if high > low else np.full_like(result.face, 0.5)
    face = cv2.resize((40 + 200 * clear).astype("uint8"), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    strongest = max(float(np.abs(result.shares).max()), 1e-12)
    frame = cv2.cvtColor(face, cv2.COLOR_GRAY2BGR)
    return heat.paint(frame, Box(0, 0, SIDE, SIDE), 1.0, result.shares / strongest, OPAQUE)[..., ::-1]
