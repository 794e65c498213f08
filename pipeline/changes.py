"""Which values of a trained model are not its recipe's own, as its config and the recipe tell."""

from typing import Any

from pipeline.params import RECIPE_BLOCKS, Train

DEFAULTS = {name: [] if field.default == () else field.default for name, field in Train.model_fields.items()}
# Decides nothing of the training, so no config holds it
BLOCKS = {block: form for block, form in RECIPE_BLOCKS.items() if block != "quantise"}


def comparable(config: dict) -> dict:
    """The config without what is at its default in ``train``: a later version can be told more than an earlier one
    could, which makes no other run."""
    return {**config, "train": {name: value for name, value in config.get("train", {}).items()
                                if name not in DEFAULTS or value != DEFAULTS[name]}}


def changed(config: dict, recipe: dict) -> dict[str, Any]:
    """The config's values by path that are not the recipe's; None where it lacks one that the recipe sets."""
    found: dict[str, Any] = {}
    for block, form in BLOCKS.items():
        own = form.model_validate(recipe[block]).model_dump(mode="json")
        there = config.get(block, {})
        found |= {f"{block}.{name}": there.get(name) for name in sorted(set(there) | set(recipe[block]))
                  if there.get(name) != own.get(name)}
    return found


def told(values: dict[str, Any]) -> list[str]:
    """``train.votes 0.4`` and the like."""
    return [f"{path} {value if value not in (None, []) else 'none'}" for path, value in values.items()]
