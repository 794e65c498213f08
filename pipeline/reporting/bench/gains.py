"""What each of the techniques gains that make our training loop faster on some processors: the loop with all of them
and without one, in turn."""

import statistics
from datetime import UTC, datetime
from typing import TypedDict

import numpy as np

from pipeline.reporting.bench.training_side import Remote
from pipeline.training.config import ResolvedConfig

# The names of pipeline.training.hardware.Technique, what each of them is, and a recipe whose network it is for
TECHNIQUES = {
    "towers": ("two halves of a batch side by side, each on a core", "edge"),
    "bfloat16 norms": ("batch norm in bfloat16 where channels are multiples of 16", "edge"),
    "bfloat16 products": ("3x3 kernels' gradients as products in bfloat16 on maps up to 10x10", "edge"),
    "products": ("kernels' gradients as products in float32", "compact"),
    "depthwise sums": ("depthwise convolutions over whole maps as a product and a sum", "speedrun"),
    "dropout by bytes": ("four choices of dropout from a random integer", "hour"),
}
# Seconds of a turn, and turns of each side at least. Longer than those of train_speed, and after a step that does not
# count: threads that have slept through the other side's turn are slow at first where a machine has other work
TURN, FEWEST = 2.0, 5


class Gain(TypedDict):
    """A technique's row of bench-train-gains.json.

    Attributes:
        seconds: that were spent on both sides together, about.
        time: ISO 8601.
        all, without: images a second with all techniques and without this one, turn by turn.
    """

    technique: str
    recipe: str
    seconds: float
    time: str
    precision: str
    machine: str
    all: list[float]
    without: list[float]


def measured(technique: str, config: ResolvedConfig, seconds: float) -> Gain | None:
    """A technique's row, measured with the resolved config of its recipe; None where this machine does not use it."""
    with Remote(config, without=technique) as without, Remote(config) as complete:
        if not without.gains:
            return None
        sides = (complete, without)
        for side in sides:
            side(1)  # traces and compiles
        images_a_turn = min(TURN, seconds / 2 / FEWEST) * min(side(2) for side in sides)
        steps = max(1, round(images_a_turn / config["train"]["batch_size"]))
        turns = max(FEWEST, round(seconds / 2 / TURN))
        speeds = [[(side(1), side(steps))[1] for side in sides] for _ in range(turns)]
    row: Gain = {
        "technique": technique, "recipe": config["recipe"], "seconds": seconds,
        "time": datetime.now(UTC).isoformat(timespec="minutes"), "precision": complete.precision,
        "machine": complete.machine, "all": [round(pair[0], 1) for pair in speeds],
        "without": [round(pair[1], 1) for pair in speeds]}
    return row


def table(rows: list[Gain]) -> str:
    """The rows in Markdown."""
    text = ["| technique | recipe | precision | with all, images/s | without it, images/s | gain |",
            "|---|---|---|---:|---:|---:|"]
    for row in rows:
        low, middle, high = np.quantile(np.divide(row["all"], row["without"]), (0.25, 0.5, 0.75))
        text.append(f"| {TECHNIQUES[row['technique']][0]} | {row['recipe']} | {row['precision']} "
                    f"| {statistics.median(row['all']):,.0f} | {statistics.median(row['without']):,.0f} "
                    f"| {middle:.2f} [{low:.2f}, {high:.2f}] |")
    return "\n".join(text)
