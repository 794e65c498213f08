"""A study's pictures: its history, what its parameters matter, where the good values are, and a front."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.system.plotting import BLUE, GRAY, ORANGE, bare, save
from pipeline.tune.report.facts import Facts, Row, typed

# Complete trials without which a picture would be a picture of chance
FEWEST = 4
COLUMNS = 4


def write(folder: Path, facts: Facts, explained: Mapping[str, float]) -> dict[str, str]:
    """Write the pictures that there is something to draw for; their texts by file name, in the page's order.

    Args:
        explained: what ``importances`` says of the study.
    """
    drawings: Mapping[str, tuple[str, Callable[[Any, Facts], None], bool]] = {
        "front.png": ("Accuracy against milliseconds per face", _front, facts.weighs_speed),
        "history.png": ("The trials in their order", _history, True),
        "importances.png": ("How much of the accuracy's variance a parameter explains",
                            partial(_importances, explained=explained), bool(explained)),
        "slices.png": ("Accuracy by the value of each parameter", _slices, _varied(facts)),
        "parallel.png": ("Every complete trial as a line through its values", _parallel, _varied(facts)),
    }
    texts = {}
    for name, (text, draw, wanted) in drawings.items():
        if wanted:
            save(folder / name, _figure(facts, text, draw))
            texts[name] = text
    return texts


def none(folder: Path, why: str) -> None:
    """The one picture of a study that there is not: DVC wants the folder, and git no empty one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.2), layout="constrained")
    figure.text(0.5, 0.5, why, ha="center", va="center", color=GRAY)
    save(folder / "history.png", figure)


def importances(facts: Facts) -> dict[str, float]:
    """How much of the variance each parameter explains, by fANOVA (Hutter et al. 2014, ICML), from 0 to 1.

    Empty where fewer than ``FEWEST`` trials are complete or all are equally accurate. A conditional parameter, which
    some trials lack, has none.
    """
    import optuna

    if not _varied(facts):
        return {}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study()
    for trial, row in zip(facts.trials, facts.complete, strict=True):
        study.add_trial(optuna.create_trial(params=trial.params, distributions=trial.distributions,
                                            value=row.accuracy))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _varied(facts: Facts) -> bool:
    return len(facts.complete) >= FEWEST and len({row.accuracy for row in facts.complete}) > 1


def _figure(facts: Facts, title: str, draw: Callable[[Any, Facts], None]):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.8), layout="constrained")
    draw(figure, facts)
    figure.suptitle(title, fontsize=13)
    stamp = " · ".join([f"study {facts.name}", *(f"{name} {value}" for name, value in facts.about.items())])
    figure.supxlabel(stamp, fontsize=8, color=GRAY)
    return figure


def _percent(row: Row) -> float:
    return 100 * (row.accuracy or 0.0)


def _history(figure, facts: Facts) -> None:
    axis = figure.subplots()
    cut = [row for row in facts.pruned if row.accuracy is not None]
    axis.plot([row.slot for row in cut], [_percent(row) for row in cut], "x", color=GRAY, label="cut short")
    axis.plot([row.slot for row in facts.complete], [_percent(row) for row in facts.complete], "o", color=BLUE,
              label="complete")
    if facts.complete:
        best = np.maximum.accumulate([_percent(row) for row in facts.complete])
        axis.step([row.slot for row in facts.complete], best, where="post", color=BLUE, linewidth=1,
                  label="best so far")
    if facts.recipe:
        axis.axhline(_percent(facts.recipe), color=ORANGE, linewidth=1, linestyle="dashed", label="the recipe, trial 0")
    axis.set(xlabel="trial", ylabel="PublicTest accuracy, %")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    if facts.rows:
        axis.legend(frameon=False)


def _importances(figure, facts: Facts, explained: Mapping[str, float]) -> None:
    axis = figure.subplots()
    bare(axis)
    axis.barh(list(explained), list(explained.values()), color=BLUE)
    axis.invert_yaxis()
    axis.set(xlim=(0, 1), xlabel=f"share of the variance over {len(facts.complete)} complete trials (fANOVA)")


def _slices(figure, facts: Facts) -> None:
    names = list(facts.dimensions)
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure.set_size_inches(max(5.0, 3 * columns), 1.2 + 2.6 * rows)
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axis in axes.flat[len(names):]:
        axis.set_visible(False)
    for axis, name in zip(axes.flat, names, strict=False):
        shown = [row for row in facts.complete if name in row.values]
        others = [row for row in shown if row.slot]
        scale = _Scale(name, facts)
        axis.plot([scale.position(row) for row in others], [_percent(row) for row in others], "o", color=BLUE)
        own = [row for row in shown if not row.slot]
        axis.plot([scale.position(row) for row in own], [_percent(row) for row in own], "D", color=ORANGE)
        scale.label(axis)
        axis.set_title(name, fontsize=10)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    figure.supylabel("PublicTest accuracy, %; the recipe is the diamond", fontsize=9)


def _parallel(figure, facts: Facts) -> None:
    from matplotlib import colormaps

    scales = [_Scale(name, facts) for name in facts.dimensions]
    figure.set_size_inches(max(7.0, 1.7 * (len(scales) + 1)), 4.8)
    axis = figure.subplots()
    low, high = (end([_percent(row) for row in facts.complete]) for end in (min, max))
    best = facts.best(1)[0]
    for row in sorted(facts.complete, key=_percent):
        share = (_percent(row) - low) / (high - low)
        # A parameter that a trial does not have is below the axes
        heights = [*(scale.share(row) if scale.name in row.values else -0.12 for scale in scales), share]
        axis.plot(range(len(heights)), heights, color=ORANGE if row is best else colormaps["Blues"](0.2 + 0.7 * share),
                  linewidth=2.2 if row is best else 1.1)
    for index, scale in enumerate(scales):
        for height, text in scale.ticks():
            axis.text(index, height, f" {text}", fontsize=8, va="center")
    for height, value in ((0, low), (1, high)):
        axis.text(len(scales), height, f" {value:.1f} %", fontsize=8, va="center")
    names = [scale.name.replace(".", ".\n", 1) for scale in scales]
    axis.set(xticks=range(len(scales) + 1), yticks=[], ylim=(-0.2, 1.08), xlim=(-0.2, len(scales) + 0.5))
    axis.set_xticklabels([*names, "accuracy"], fontsize=9)
    axis.grid(axis="x", color=GRAY, alpha=0.6)
    axis.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axis.set_title(f"orange: the best, trial {best.slot}", fontsize=9, color=GRAY)


def _front(figure, facts: Facts) -> None:
    axis = figure.subplots()
    chosen = facts.front()
    axis.plot([row.milliseconds for row in facts.complete], [_percent(row) for row in facts.complete], "o", color=GRAY,
              label="beaten in both")
    axis.step([row.milliseconds for row in chosen], [_percent(row) for row in chosen], "o-", where="post", color=BLUE,
              label="the Pareto front")
    for row in chosen:
        at = (row.milliseconds, _percent(row))
        axis.annotate(str(row.slot), at, (5, -11), textcoords="offset points", fontsize=8)
    if facts.recipe:
        axis.plot([facts.recipe.milliseconds], [_percent(facts.recipe)], "D", color=ORANGE, label="the recipe, trial 0")
    where = f", measured on {facts.machines} machines" if facts.machines > 1 else ""
    axis.set(xlabel=f"milliseconds per face, exported model, one thread{where}", ylabel="PublicTest accuracy, %")
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, loc="lower right")


class _Scale:
    """Where the values of a dimension are on an axis: numbers by size, other values in their order of appearance."""

    def __init__(self, name: str, facts: Facts):
        self.name, self._log = name, facts.dimensions[name]
        values = [row.values[name] for row in facts.complete if name in row.values]
        self.numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        self._places = {typed(value): index for index, value in enumerate(sorted(set(values)) if self.numbers
                                                                         else dict.fromkeys(values))}
        positions = [self.position_of(value) for value in values] or [0.0]
        self._low, self._high = min(positions), max(positions)

    def position_of(self, value: Any) -> float:
        return float(value) if self.numbers else float(self._places[typed(value)])

    def position(self, row: Row) -> float:
        return self.position_of(row.values[self.name])

    def share(self, row: Row) -> float:
        """From 0 to 1."""
        low, value, high = (np.log(at) if self._log else at for at in (self._low, self.position(row), self._high))
        return float((value - low) / (high - low)) if high > low else 0.5

    def ticks(self) -> list[tuple[float, str]]:
        """The ends, or every word, by share."""
        if self.numbers:
            return [(0.0, typed(self._low)), (1.0, typed(self._high))] if self._high > self._low else [
                (0.5, typed(self._low))]
        return [(index / max(1, len(self._places) - 1) if self._high > self._low else 0.5, word)
                for word, index in self._places.items()]

    def label(self, axis) -> None:
        """Give an x axis its scale."""
        if self._log:
            axis.set_xscale("log")
        if not self.numbers:
            axis.set(xticks=list(self._places.values()), xlim=(-0.5, len(self._places) - 0.5))
            axis.set_xticklabels(list(self._places), rotation=20, ha="right", fontsize=8)
