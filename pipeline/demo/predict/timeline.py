"""A diagram of a video's emotions over time."""

from pathlib import Path

import numpy as np

from pipeline.demo.predict.answers import Answer
from pipeline.demo.show.view import BACKGROUND, BRIGHT, DIM, TRACK, Colour, colours
from pipeline.system.plotting import save

# At most this many faces get a diagram, those in the most frames
MOST = 4


def plot(path: Path, answer: Answer, classes: tuple[str, ...], model: str) -> None:
    """Write a PNG with a diagram for each face and a line for each emotion. ``model`` is the bundle's id."""
    from matplotlib.figure import Figure

    counts: dict[int, int] = {}
    for _, faces in answer.frames:
        for face in faces:
            counts[face.id] = counts.get(face.id, 0) + 1
    shown = sorted(sorted(counts, key=lambda number: -counts[number])[:MOST])
    figure = Figure(figsize=(10, 1.2 + 2.3 * max(1, len(shown))), layout="constrained")
    # The emotions' colours are chosen for a dark background
    figure.set_facecolor(_rgb(BACKGROUND))
    axes = figure.subplots(max(1, len(shown)), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    times = [seconds for seconds, _ in answer.frames]
    for axis, number in zip(axes, shown, strict=False):
        # NaN where the face is not there leaves a gap
        rows = np.full((len(times), len(classes)), np.nan)
        for index, (_, faces) in enumerate(answer.frames):
            for face in faces:
                if face.id == number:
                    rows[index] = face.scores
        for index, name in enumerate(classes):
            axis.plot(times, 100 * rows[:, index], color=_rgb(colours(classes)[name]), linewidth=2, label=name)
        axis.set_ylabel(f"face {number}, %", color=_rgb(BRIGHT))
    for axis in axes:
        axis.set(ylim=(0, 100), facecolor=_rgb(BACKGROUND))
        axis.grid(color=_rgb(TRACK))
        axis.tick_params(colors=_rgb(DIM))
        axis.spines[:].set_visible(False)
    if shown:
        axes[0].legend(frameon=False, ncols=len(classes), loc="lower center", bbox_to_anchor=(0.5, 1), fontsize=9,
                       labelcolor=[_rgb(BRIGHT)] * len(classes))
    else:
        axes[0].text(0.5, 0.5, "no face", ha="center", va="center", color=_rgb(DIM), transform=axes[0].transAxes)
    left_out = f", {len(counts) - len(shown)} more faces left out" if len(counts) > len(shown) else ""
    axes[-1].set_xlabel(f"seconds of {Path(answer.file).name} (model {model}{left_out})", color=_rgb(DIM))
    axes[-1].set_xlim(0, max(answer.seconds, 1e-3))
    save(path, figure)


def _rgb(colour: Colour) -> tuple[float, ...]:
    return tuple(value / 255 for value in colour[::-1])
