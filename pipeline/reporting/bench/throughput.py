"""``ferpipe bench-train``: is any recipe slower with our training loop than with plain Keras ``fit``? And what does
each of the loop's techniques gain?

Measurements of SECONDS or more go to reports/bench-train.json, a row a recipe, bench-train-gains.json, a row a
technique, and bench-train.md; shorter ones are printed only.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NotRequired, TypedDict, cast

import numpy as np

from pipeline.faces import protocols
from pipeline.faces.faces import CLASS_SETS
from pipeline.faces.manifest import Manifest
from pipeline.params import params as parameters
from pipeline.params import recipe as recipes
from pipeline.params.params import Params
from pipeline.params.resolved import resolve
from pipeline.reporting.bench import gains
from pipeline.reporting.bench.gains import Gain
from pipeline.system import project
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure
from pipeline.training import importing
from pipeline.training.config import ResolvedConfig

# To measure a recipe, both sides together
SECONDS = 40.0
# Images a second of the augmentation alone
GOAL = 5000
# FER-2013's Training, and the images of happy in it, which S3 does not replicate
TRAINING, HAPPY = 28709, 7215
# Plain fit has neither votes nor teachers
LABELS_ALONE = {"train.votes": 0, "train.teacher": 0}
# The file in reports/ with the rows of the techniques
GAINS = "bench-train-gains.json"
# A pretrained network needs no weights to be timed, and all of it learns
RANDOM = {"model.weights": "none", "train.stages": []}


class Speed(TypedDict):
    """A recipe's row of bench-train.json.

    Attributes:
        seconds: that were spent on both sides together, about.
        time: ISO 8601.
        images, epochs: of the recipe on FER-2013; ``batch`` in images.
        ours, plain: images a second of our loop and of Keras's ``fit``, turn by turn.
        augmentation: images a second of the augmentation alone; missing where a recipe has none.
    """

    recipe: str
    seconds: float
    time: str
    images: int
    epochs: int
    batch: int
    precision: str
    parameters: int
    machine: str
    ours: list[float]
    plain: list[float]
    augmentation: NotRequired[list[float]]


def timed(recipe: str) -> Params:
    """The settings that a recipe is timed with."""
    params = parameters.load(recipe=recipe).override(LABELS_ALONE)
    return params.override(RANDOM) if "weights" in params.model.model_dump() else params


def config(params: Params) -> ResolvedConfig:
    """The resolved config of such settings, for faces that were balanced as they ask."""
    manifest: Manifest = {"strategy": params.balance.strategy, "class_set": params.classes,
                "protocol": protocols.OF_DROP_LEAKS[params.balance.drop_leaks],
                "classes": list(CLASS_SETS[params.classes][0])}
    return resolve(params, manifest)


def measured(recipe: str, seconds: float) -> Speed:
    """A recipe's row, measured in a process of its own."""
    params = timed(recipe)
    done = subprocess.run([sys.executable, "-m", "pipeline.reporting.bench.train_speed", str(seconds)],
                          input=json.dumps(config(params)), capture_output=True, text=True,
                          env={**importing.ENVIRONMENT, **os.environ})
    if done.returncode:
        reason = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise Failure(f"bench-train: {recipe}: {reason[-1]}")
    row = {"recipe": recipe, "seconds": seconds, "time": datetime.now(UTC).isoformat(timespec="minutes"),
           "images": images(params), "epochs": params.train.epochs, **json.loads(done.stdout.splitlines()[-1])}
    return cast(Speed, row)


def images(params: Params) -> int:
    """How many images an epoch of FER-2013 has when the recipe has balanced it."""
    balance = params.balance
    if balance.strategy == "augment_to":
        return balance.target * len(CLASS_SETS[params.classes][0])
    return TRAINING + (int(balance.share * (TRAINING - HAPPY)) if balance.strategy == "replicate" else 0)


def hours(row: Speed) -> float:
    """What all epochs of the recipe take by the speed that was measured, with 48x48 images and every layer learning."""
    return row["epochs"] * row["images"] / statistics.median(row["ours"]) / 3600


def kept() -> list[Speed]:
    """The rows of reports/bench-train.json; none where there is no such file."""
    return _kept("bench-train.json")


def _kept(name: str) -> list:
    path = project.root() / "reports" / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def ratio(row: Speed) -> tuple[float, float, float]:
    """Ours to plain ``fit``: the median of the turns and the quartiles beside it, between which half of them lie."""
    low, median, high = np.quantile(np.divide(row["ours"], row["plain"]), (0.25, 0.5, 0.75))
    return float(median), float(low), float(high)


def table(rows: list[Speed]) -> str:
    """The rows in Markdown."""
    text = ["| recipe | batch | precision | parameters | ours, images/s | plain `fit`, images/s | ours to plain "
            "| augmentation alone, images/s | hours for all epochs |", "|---|---:|---|---:|---:|---:|---:|---:|---:|"]
    for row in rows:
        ours, plain = statistics.median(row["ours"]), statistics.median(row["plain"])
        alone = f"{statistics.median(row['augmentation']):,.0f}" if row.get("augmentation") else "none"
        middle, low, high = ratio(row)
        text.append(f"| {row['recipe']} | {row['batch']} | {row['precision']} | {row['parameters'] / 1e6:.2f} M "
                    f"| {ours:,.0f} | {plain:,.0f} | {middle:.2f} [{low:.2f}, {high:.2f}] "
                    f"| {alone} | {hours(row):.1f} |")
    return "\n".join(text)


def conclusion(rows: list[Speed]) -> str:
    """The ratio over all recipes, which of them are slower (in three quarters of their turns) or too close to tell,
    and whether the augmentation reaches its goal."""
    ratios = {row["recipe"]: ratio(row) for row in rows}
    slower = [recipe for recipe, (_, _, high) in ratios.items() if high < 1]
    close = [recipe for recipe, (middle, _, high) in ratios.items() if middle < 1 <= high]
    median = statistics.median(middle for middle, *_ in ratios.values())
    sentences = [f"Median over the recipes, ours to plain: {median:.2f}.",
                 f"Slower than plain `fit`: {', '.join(slower)}." if slower else
                 "No recipe is slower than plain `fit`."]
    sentences += [f"Too close to tell: {', '.join(close)}."] if close else []
    alone = [(statistics.median(row["augmentation"]), row["recipe"]) for row in rows if row.get("augmentation")]
    if alone:
        least, recipe = min(alone)
        sentences.append(f"The slowest augmentation, {recipe}'s, makes {least:,.0f} images/s "
                         f"({'beyond' if least > GOAL else 'below'} the goal of {GOAL:,}).")
    return " ".join(sentences)


def page(rows: list[Speed], techniques: list[Gain]) -> str:
    """bench-train.md."""
    machines = ", ".join(sorted({row["machine"] for row in rows}))
    times = sorted(row["time"] for row in rows)
    return f"""# Training

{machines}; from {times[0]} to {times[-1]}.

{table(rows)}

{conclusion(rows)}

*Ours* is the loop that every training runs, with the recipe's augmentation. *Plain* is Keras's `fit` of the same
network (with Keras's own batch norm and Adam), optimiser, batch size and precision on float32 arrays that are scaled
already, without any augmentation. Each trains in its process, in turns of less than half a second or of one step, so
that what disturbs the machine disturbs both; the start of `fit` and the ends of its epochs do not count against it.
Figures are medians over the turns, the ratio's with its lower and upper quartile: *slower* means that three quarters of
the turns are below 1. Hours are what the recipe's epochs of FER-2013, balanced as it asks, take at this speed; fewer
where its early epochs have smaller images or few layers that learn, or its rule ends it early.
{_techniques(techniques)}
Generated by `ferpipe bench-train`; the turns are in bench-train.json and bench-train-gains.json.
"""


def _techniques(rows: list[Gain]) -> str:
    if not rows:
        return ""
    return f"""
## What makes it faster

{", ".join(sorted({row["machine"] for row in rows}))}; of the techniques that this processor gains from, each left out:

{gains.table(rows)}

The gain is the median of turns of two seconds, of both in turn, with its lower and upper quartile.
"""


def main(argv: list[str] | None = None) -> None:
    """Time every recipe's training against plain Keras fit; about half an hour of an otherwise idle machine."""
    parser = argparse.ArgumentParser("ferpipe bench-train", description=main.__doc__)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="default: all of them")
    parser.add_argument("--seconds", type=float, default=SECONDS,
                        help=f"of each recipe (default {SECONDS:g}); with fewer the figures are printed only")
    parser.add_argument("--gains", action="store_true",
                        help="what each of the loop's techniques gains, and of the recipes those that are named")
    parser.add_argument("--page", action="store_true", help="only generate reports/bench-train.md anew")
    options = parser.parse_args(argv)
    if options.seconds <= 0:
        parser.error("--seconds above 0")
    reports = project.root() / "reports"
    if options.page:
        if not (rows_kept := kept()):
            raise Failure("ferpipe bench-train: reports/bench-train.json has no measurements; run it without --page")
        _write(reports, rows_kept, _kept(GAINS))
        print("bench-train: reports/bench-train.md")
        return
    written = options.seconds >= SECONDS
    rows = {row["recipe"]: row for row in kept()} if written else {}
    techniques = {row["technique"]: row for row in _kept(GAINS)} if written else {}
    for name in options.recipes or ([] if options.gains else recipes.names()):
        row = measured(name, options.seconds)
        print(table([row]).splitlines()[-1], flush=True)
        rows[row["recipe"]] = row
        if written:
            _write(reports, list(rows.values()), list(techniques.values()))
    for technique, (_, name) in (gains.TECHNIQUES if options.gains or not options.recipes else {}).items():
        if (gain := gains.measured(technique, config(timed(name)), options.seconds)) is None:
            print(f"bench-train: {technique}: not used on this machine", flush=True)
            continue
        print(gains.table([gain]).splitlines()[-1], flush=True)
        techniques[technique] = gain
        if written:
            _write(reports, list(rows.values()), list(techniques.values()))
    if rows:
        print(f"\n{table(list(rows.values()))}\n\n{conclusion(list(rows.values()))}")


def _write(reports: Path, rows: list[Speed], techniques: list[Gain]) -> None:
    rows = sorted(rows, key=lambda row: row["recipe"])
    techniques = sorted(techniques, key=lambda row: list(gains.TECHNIQUES).index(row["technique"]))
    for name, records in (("bench-train.json", rows), (GAINS, techniques)):
        with atomic_file(reports / name) as new:
            new.write_text("[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n", encoding="utf-8")
    with atomic_file(reports / "bench-train.md") as new:
        new.write_text(page(rows, techniques), encoding="utf-8")
