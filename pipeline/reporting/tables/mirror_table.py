"""What averaging an image's and its mirror image's probabilities gains: a part of reports/results.md."""

from collections import defaultdict
from typing import Literal

import numpy as np

from pipeline.params import recipe
from pipeline.reporting.tables.grouping import groups
from pipeline.tracking import ledger, promotions
from pipeline.tracking.entry import Entry

HEAD = """
## Averaged with the mirror image

By how many points accuracy rises where an image's probabilities are averaged with its mirror image's: the mean over a
recipe's models, in brackets the least and the most. Every model counts that ran at least as many epochs as its recipe
has, in any class set and protocol.
{champion}{most}

| recipe | models | PublicTest | PrivateTest | test folder |
|---|---|---|---|---|
"""
Split = Literal["PublicTest", "PrivateTest", "test"]
SPLITS: dict[Split, str] = {"PublicTest": "PublicTest", "PrivateTest": "PrivateTest", "test": "the test folder"}


def gain(entry: Entry, split: Split) -> float:
    """In points, that of the mirror images over the single view."""
    views = entry.figures[split]
    return 100 * (views["flip"]["accuracy"] - views["single"]["accuracy"])


def section(entries: list[Entry]) -> str:
    """The section; empty without a model."""
    by_recipe: dict[str, list[Entry]] = defaultdict(list)
    for group in groups([entry for entry in entries if _whole(entry)]):
        by_recipe[group.seeds[0].recipe] += group.seeds
    if not by_recipe:
        return ""
    rows = [f"| {'ensembles' if name == ledger.ENSEMBLE else f'`{name}`'} | {len(group)} | "
            + " | ".join(_cell([gain(entry, split) for entry in group]) for split in SPLITS) + " |"
            for name, group in sorted(by_recipe.items())]
    largest = max(((gain(entry, split), split, entry) for group in by_recipe.values() for entry in group
                   for split in SPLITS), key=lambda found: found[0])
    most = f"The most is {largest[0]:+.2f}, `{largest[2].recipe}` on {SPLITS[largest[1]]}."
    return HEAD.format(champion=_champion(entries), most=most) + "\n".join(rows) + "\n"


def _cell(gains: list[float]) -> str:
    return f"{np.mean(gains):+.2f}" + (f" [{min(gains):+.2f}, {max(gains):+.2f}]" if len(gains) > 1 else "")


def _champion(entries: list[Entry]) -> str:
    bundle = promotions.champions("fer2013").get(promotions.IN_GIT)
    entry = next((entry for entry in entries if entry.bundle == bundle), None)
    if entry is None:
        return ""
    return (f"The champion of seven classes, `{entry.recipe}` with seed {entry.seed}, gains "
            f"{gain(entry, 'PublicTest'):+.2f} on PublicTest and {gain(entry, 'PrivateTest'):+.2f} on PrivateTest. ")


def _whole(entry: Entry) -> bool:
    """Whether no epochs were cut off, and it has the figures."""
    shorter = entry.recipe in recipe.names() and entry.epochs.asked < recipe.named(entry.recipe)["train"]["epochs"]
    return not shorter and all("flip" in entry.figures.get(split, {}) for split in SPLITS)
