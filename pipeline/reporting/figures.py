"""How every table presents the entries of the ledger."""

import re
from collections import Counter

from pipeline.evaluate.intervals import over_seeds
from pipeline.tracking import ledger
from pipeline.tracking.entry import Entry


def title(entry: Entry) -> str:
    """How a table calls a model: by its recipe, an ensemble by its members' recipes too."""
    if entry.recipe != ledger.ENSEMBLE:
        return f"`{entry.recipe}`"
    members = entry.config["members"].values()
    kinds = Counter(f"`{member['recipe']}`{' in int8' if member['int8'] else ''}"
                    f"{' of 7 classes' if member.get('class_set', entry.class_set) != entry.class_set else ''}"
                    for member in members)
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return f"{ensemble_title(len(members), entry.config['weighting'])}: {listed}"


def ensemble_title(size: int, weighting: str) -> str:
    """How a table calls an ensemble, whatever its members."""
    return f"ensemble of {size}, " + ("plain mean" if weighting == "mean" else f"weighted by {weighting}")


def processor(entry: Entry) -> str:
    """The hardware that an entry was trained on, without its cores: two cores and one train the same network."""
    return re.sub(r", \d+ cores?$", "", entry.hardware)


def by_seed(entries: list[Entry]) -> list[Entry]:
    """One entry per seed: one that was trained again counts once, with its last run."""
    return list({entry.seed: entry for entry in sorted(entries, key=lambda entry: entry.finished)}.values())


def cell(group: list[Entry], split: str, view: str) -> str:
    """``mean_of`` in per cent, as the tables have it; a single seed, whose interval is of another kind, says so."""
    mean, low, high = mean_of(group, split, view)
    return f"{100 * mean:.2f} [{100 * low:.1f}, {100 * high:.1f}]{', seeds: 1' if len(group) == 1 else ''}"


def mean_of(group: list[Entry], split: str, view: str) -> tuple[float, float, float]:
    """Mean accuracy with its 95 % interval: over the images with one seed, over the seeds with several."""
    figures = [entry.figures[split][view] for entry in group]
    estimate = over_seeds([of_seed["accuracy"] for of_seed in figures], figures[0]["n"])
    return estimate.mean, estimate.low, estimate.high


def published_ensemble(entry: Entry) -> bool:
    """Whether the entry is an ensemble of the kind that S3 has a figure for, of six classes."""
    return entry.recipe == ledger.ENSEMBLE and entry.class_set == "6"
