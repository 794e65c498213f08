"""Which values of a trained model are not its recipe's own, as its config and the recipe tell."""

from typing import Any

from pipeline.params import RECIPE_BLOCKS

DEFAULTS = {block: {name: [] if field.default == () else field.default
                    for name, field in RECIPE_BLOCKS[block].model_fields.items()} for block in ("train", "balance")}
# Decides nothing of the training, so no config holds it
BLOCKS = {block: form for block, form in RECIPE_BLOCKS.items() if block != "quantise"}


# The first entries name the votes by the file that they came in, later ones by what it says of which face
VOTES = {"c1ec8ce47ee862320546bf88d005aad836f154b97c2c8bc0a4ae3337ac387aff":
         "ad920ab5a356d90a765a7554b05124c90d5108f569f12862931ade2b11d4db60"}


def comparable(config: dict) -> dict:
    """The config as every version would write it: without what is at its default in ``train`` and ``balance``, because
    a later one can be told more than an earlier one could, which makes no other run."""
    votes = {"votes": VOTES.get(config["votes"], config["votes"])} if "votes" in config else {}
    said = {block: {name: value for name, value in config.get(block, {}).items()
                    if name not in own or value != own[name]} for block, own in DEFAULTS.items()}
    return {**config, **votes, **said}


def changed(config: dict, recipe: dict) -> dict[str, Any]:
    """The config's values by path that are not the recipe's; None where it lacks one that the recipe sets, unless that
    is an option of another network."""
    found: dict[str, Any] = {}
    for block, form in BLOCKS.items():
        own = form.model_validate(recipe[block]).model_dump(mode="json")
        # one from before a value could be told was trained with its default
        there = {**DEFAULTS.get(block, {}), **config[block]} if block in config else {}
        names = set(there) if there.get("name") != own.get("name") else set(there) | set(recipe[block])
        found |= {f"{block}.{name}": there.get(name) for name in sorted(names) if there.get(name) != own.get(name)}
    return found


def told(values: dict[str, Any]) -> list[str]:
    """``train.votes 0.4`` and the like, numbers as one types them (0, not 0.0), unrounded: tables part runs by it."""
    return [f"{path} {_typed(value)}" for path, value in values.items()]


def _typed(value: Any) -> str:
    if value in (None, []):
        return "none"
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
