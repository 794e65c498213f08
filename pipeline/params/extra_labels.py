"""What a recipe learns from besides the labels, and what to do where the data lack it."""

import sys
from collections.abc import Mapping
from typing import Any

from pipeline.faces import protocols, teachers
from pipeline.params import start_share
from pipeline.params.params import Params
from pipeline.training import start

# By the weight in the recipe, which is the key in the manifest of balanced faces that have them
EXTRA_LABELS = {"votes": "the FER+ votes", "teacher": "the teachers' answers"}


def missing(params: Params, manifest: Mapping[str, Any] | None = None) -> dict[str, float]:
    """What the recipe learns from and these faces do not have, as the overrides that do without.

    Args:
        manifest: of the balanced faces. Without it, what other data sets than FER-2013 lack before
            `ferpipe teach`.
    """
    if manifest is None:
        protocol = protocols.OF_DROP_LEAKS[params.balance.drop_leaks]
        taught = teachers.file_of(params.train.teachers, protocol, params.dataset).exists()
        manifest = dict.fromkeys(EXTRA_LABELS if params.dataset == "fer2013" else ["teacher"] if taught else [])
    return {f"train.{name}": 0.0 for name in EXTRA_LABELS if getattr(params.train, name) and name not in manifest}


def without_missing(params: Params, manifest: Mapping[str, Any], quiet: bool = False) -> Params:
    """The same without what these balanced faces have no labels for, and without a share of weights that know another
    task (``start_share``); says so in a line on stderr."""
    lacking, said = missing(params, manifest), []
    dropped = start_share.dropped(params, len(manifest.get("classes", ())))
    if dropped and params.model.model_dump().get("weights") in start.names():
        said.append("keeps no share of the weights that it starts from, which know another task")
    if names := [path.removeprefix("train.") for path in lacking]:
        said.append(f"learns without {' and '.join(EXTRA_LABELS[name] for name in names)}"
                    f"{_reason(params, manifest, names)}")
    if said and not quiet:
        print(f"{params.dataset}: {params.recipe} {'; it '.join(said)}", file=sys.stderr)
    return params.override(lacking | dropped)


def _reason(params: Params, manifest: Mapping[str, Any], names: list[str]) -> str:
    if params.dataset != "fer2013":
        return ", which are FER-2013's alone"
    reasons = {"votes": "put fer2013new.csv into data/external/ for the votes",
               "teacher": ("teachers know seven emotions, not eight" if manifest.get("class_set") == "8" else
                           "the teachers answered for another edition of the data")}
    return f"; {'; '.join(reasons[name] for name in names)}"
