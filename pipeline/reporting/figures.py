"""How every table tells the entries of the ledger."""

import re
from collections import Counter

from pipeline.evaluate.intervals import over_seeds
from pipeline.tracking import ledger


def title(line: dict) -> str:
    """How a table calls a model: by its recipe, an ensemble by its members' recipes too."""
    if line["recipe"] != ledger.ENSEMBLE:
        return f"`{line['recipe']}`"
    config = line["config"]
    kinds = Counter(f"`{one['recipe']}`{' in int8' if one['int8'] else ''}"
                    f"{' of 7 classes' if one.get('class_set', line['class_set']) != line['class_set'] else ''}"
                    for one in config["members"].values())
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return f"{ensemble_title(len(config['members']), config['weighting'])}: {told}"


def ensemble_title(size: int, weighting: str) -> str:
    """How a table calls an ensemble, whatever its members."""
    return f"ensemble of {size}, " + ("plain mean" if weighting == "mean" else f"weighted by {weighting}")


def processor(line: dict) -> str:
    """What trained an entry, without how many cores of it: two cores and one train the same network."""
    return re.sub(r", \d+ cores?$", "", line["hardware"])


def by_seed(lines: list[dict]) -> list[dict]:
    """One entry a seed: one that was trained again counts once, with its last run."""
    return list({line["seed"]: line for line in sorted(lines, key=lambda line: line["finished"])}.values())


def cell(group: list[dict], split: str, view: str) -> str:
    """``mean_of`` in per cent, as the tables have it."""
    mean, low, high = mean_of(group, split, view)
    return f"{100 * mean:.2f} [{100 * low:.1f}, {100 * high:.1f}]"


def mean_of(group: list[dict], split: str, view: str) -> tuple[float, float, float]:
    """Mean accuracy with its 95 % interval: over the images with one seed, over the seeds with several."""
    found = [line["figures"][split][view] for line in group]
    estimate = over_seeds([one["accuracy"] for one in found], found[0]["n"])
    return estimate.mean, estimate.low, estimate.high


def published_ensemble(line: dict) -> bool:
    """Whether the entry is an ensemble of the kind that S3 has a figure for, of six classes."""
    return line["recipe"] == ledger.ENSEMBLE and line["class_set"] == "6"
