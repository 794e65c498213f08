"""What a recipe learns from beside the labels, and which data sets have it."""

import sys
from collections.abc import Mapping
from typing import Any

from pipeline.faces import teachers
from pipeline.params.params import Params

# What FER-2013's faces alone have at first, by the weight in the recipe and the key in a manifest
EXTRA_LABELS = {"votes": "the FER+ votes", "teacher": "the teachers' answers"}


def missing(params: Params, manifest: Mapping[str, Any] | None = None) -> dict[str, float]:
    """What the recipe learns from and this data set does not have, as the overrides that do without.

    Args:
        manifest: of the faces, where they are at hand.
    """
    if params.dataset == "fer2013":
        return {}
    at_hand = set(manifest or {})
    protocol = "leak-free" if params.balance.drop_leaks else "published"
    if teachers.file_of(params.train.teachers, protocol, params.dataset).exists():
        at_hand.add("teacher")  # of `ferpipe teach`
    return {f"train.{name}": 0.0 for name in EXTRA_LABELS if getattr(params.train, name) and name not in at_hand}


def without_missing(params: Params, manifest: Mapping[str, Any], quiet: bool = False) -> Params:
    """The same without what another data set's faces have no labels for; says so in a line on stderr."""
    overrides = missing(params, manifest)
    if overrides and not quiet:
        names = " and ".join(EXTRA_LABELS[path.removeprefix("train.")] for path in overrides)
        print(f"{params.dataset}: {params.recipe} learns without {names}, which are FER-2013's alone", file=sys.stderr)
    return params.override(overrides)
