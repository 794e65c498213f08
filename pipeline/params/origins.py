"""``ferpipe params``: every value in force and where it comes from."""

import argparse
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.params import extra_labels, start_share
from pipeline.params import params as parameters
from pipeline.params.params import Params
from pipeline.params.resolved import best
from pipeline.system.failure import Failure

# The page is readable on a terminal of 100 columns
WIDTH = 100


class Value(NamedTuple):
    """A parameter in force; ``origin`` is data set, model.weights, search, params.yaml, recipe or default."""

    path: str
    value: Any
    origin: str


def in_force(file: Path = Path("params.yaml"), recipe: str | None = None) -> tuple[Params, list[Value]]:
    """The parameters, the search's values among them, and where each comes from.

    Without ``recipe`` those that the next ``dvc repro`` trains with as far as is known now: the search's values count
    where it has run for params.yaml's recipe. Raises Failure as ``params.load`` does.
    """
    params = parameters.load(file, recipe)
    file_values, recipe_values = parameters.layers(file, recipe)
    searched: dict[str, Any] = {}
    if recipe is None and params.tuned:
        try:
            searched = best(params)
        except Failure:
            # Of another recipe's search, which the next run replaces
            searched = {}
    missing = extra_labels.missing(params)
    params = params.override(searched | missing)
    dropped = start_share.dropped(params)
    params = params.override(dropped)
    layers = [("data set", dict.fromkeys(missing, True)), ("model.weights", dict.fromkeys(dropped, True)),
              ("search", searched),
              ("params.yaml", dict(_leaves(file_values))),
              ("recipe", dict(_leaves(recipe_values)))]
    return params, [
        Value(path, value, next((origin for origin, layer in layers if layer.get(path) is not None), "default"))
        for path, value in _leaves(params.model_dump(by_alias=True, mode="json"))
    ]


def page(values: list[Value]) -> str:
    """A table of path, value and origin; long values continue on the next line."""
    first, last = (max(len(getattr(value, name)) for value in values) + 2 for name in ("path", "origin"))
    middle = WIDTH - first - last
    rows = []
    for path, value, origin in values:
        head, *more = textwrap.wrap(typed(value), middle - 2) or [""]
        rows.append(f"{path:<{first}}{head:<{middle}}{origin}")
        rows += [" " * first + text for text in more]
    return "\n".join(rows)


def typed(value: Any) -> str:
    """A value as it is written in YAML, in one line; unset where there is none."""
    if value is None or value == "":
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {typed(item)}" for key, item in value.items()
                               if item is not None and item is not False and item != {}) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(typed, value)) + "]"
    return str(value)


def _leaves(tree: dict, above: str = "") -> list[tuple[str, Any]]:
    """Every value of a tree by its path; a dimension of the search is one value."""
    leaves = []
    for name, value in tree.items():
        path = f"{above}{name}"
        if isinstance(value, dict) and above != "tune.space.":
            leaves += _leaves(value, f"{path}.")
        else:
            leaves.append((path, value))
    return leaves


def main(argv: list[str] | None = None) -> None:
    """Print every parameter in force with its origin: params.yaml, the recipe, the search, or the default."""
    parser = argparse.ArgumentParser("ferpipe params", description=main.__doc__)
    parser.add_argument("recipe", nargs="?", metavar="RECIPE",
                        help="as this recipe's file has it, whatever params.yaml overrides")
    options = parser.parse_args(argv)
    params, values = in_force(recipe=options.recipe)
    print(f"recipe {params.recipe}: {params.title}\n")
    print(page([value for value in values if value.path not in ("title", "recipe")]))
