"""What a recipe learns from beside the labels, and which data sets have it."""

import sys

from pipeline.params.params import Params

# What only FER-2013's faces have
EXTRA_LABELS = {"train.votes": "the FER+ votes", "train.teacher": "the teachers' answers"}


def missing(params: Params) -> dict[str, float]:
    """What the recipe learns from and this data set does not have, as the overrides that do without."""
    weights = {"train.votes": params.train.votes, "train.teacher": params.train.teacher}
    return {} if params.dataset == "fer2013" else {path: 0.0 for path, weight in weights.items() if weight}


def without_missing(params: Params, quiet: bool = False) -> Params:
    """The same without what this data set's faces have no labels for; says so in a line on stderr."""
    overrides = missing(params)
    if overrides and not quiet:
        print(f"{params.dataset}: {params.recipe} learns without "
              f"{' and '.join(EXTRA_LABELS[path] for path in overrides)}, which are FER-2013's alone", file=sys.stderr)
    return params.override(overrides)
