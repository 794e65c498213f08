"""What a recipe has besides the labels that it learns from, and what to do where the data lack it."""

import sys
from collections.abc import Mapping
from typing import Any

from pipeline.faces import protocols, teachers
from pipeline.params.params import Params
from pipeline.training import start

# By the weight in the recipe, which is the key in the manifest of balanced faces that have them
EXTRA_LABELS = {"votes": "the FER+ votes", "teacher": "the teachers' answers"}
START = {"start_share": "the start's share of the weights"}


def missing(params: Params, manifest: Mapping[str, Any] | None = None) -> dict[str, float]:
    """What the recipe has and these faces do not allow, as the overrides that do without.

    Args:
        manifest: of the balanced faces. Without it, what other data sets than FER-2013 lack before
            `ferpipe teach`.
    """
    if manifest is None:
        protocol = protocols.OF_DROP_LEAKS[params.balance.drop_leaks]
        taught = teachers.file_of(params.train.teachers, protocol, params.dataset).exists()
        manifest = dict.fromkeys(EXTRA_LABELS if params.dataset == "fer2013" else ["teacher"] if taught else [])
    allowed = [*manifest, *(START if _same_task(params) else [])]
    return {f"train.{name}": 0.0 for name in [*EXTRA_LABELS, *START]
            if getattr(params.train, name) and name not in allowed}


def _same_task(params: Params) -> bool:
    """Whether the network starts from one that learned the same classes from the same data set: of another task's
    weights no share is worth keeping."""
    weights = params.model.model_dump().get("weights")
    return (weights in start.names() and start.about(weights)["dataset"] == params.dataset
            and str(start.outputs(weights)) == params.classes)


def without_missing(params: Params, manifest: Mapping[str, Any], quiet: bool = False) -> Params:
    """The same without what these balanced faces have no labels for; says so in a line on stderr."""
    overrides = missing(params, manifest)
    if overrides and not quiet:
        names = [path.removeprefix("train.") for path in overrides]
        known = {**EXTRA_LABELS, **START}
        *first, last = [known[name] for name in names]
        print(f"{params.dataset}: {params.recipe} learns without {', '.join(first)}{' and ' if first else ''}{last}"
              f"{_reason(params, manifest, names)}", file=sys.stderr)
    return params.override(overrides)


def _reason(params: Params, manifest: Mapping[str, Any], names: list[str]) -> str:
    if params.dataset != "fer2013":
        return ", which are FER-2013's alone"
    reasons = {"votes": "put fer2013new.csv into data/external/ for the votes",
               "teacher": ("teachers know seven emotions, not eight" if manifest.get("class_set") == "8" else
                           "the teachers answered for another edition of the data"),
               "start_share": "it starts from no network that knows these classes"}
    return f"; {'; '.join(reasons[name] for name in names)}"
