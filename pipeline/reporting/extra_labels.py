"""What a model learned from besides FER-2013's own labels; figures with and without are not compared."""

from collections.abc import Mapping
from typing import Any

from pipeline.params import params, recipe
from pipeline.tracking import ledger
from pipeline.tracking.entry import Entry
from pipeline.training import start

NONE, VOTES = "none", "FER+ votes"


def extra_labels(entry: Entry, others: Mapping[str, Entry] | None = None) -> str:
    """``none``, or what the model learned from too: the FER+ votes, teachers by their name, the network that it
    started from.

    Args:
        others: the ledger's entries by bundle, among them an ensemble's members; of one that is not among them its
            recipe counts.
    """
    if entry.recipe == ledger.ENSEMBLE:
        learned: dict[str, None] = {}
        for bundle, member in entry.config["members"].items():
            known = (others or {}).get(bundle)
            learned |= dict.fromkeys(_learned(known.config if known else _of_recipe(member), entry.class_set))
        return ", ".join(sorted(learned)) or NONE
    return ", ".join(_learned(entry.config, entry.class_set)) or NONE


def _of_recipe(member: Mapping[str, Any] | None) -> dict[str, Any]:
    """An ensemble's member's config, as far as its own record and its recipe have it."""
    name = (member or {}).get("recipe")
    values = recipe.named(name) if name in recipe.names() else {}
    train = values.get("train", {})
    return {**values, "train": {**train, "votes": (member or {}).get("votes", train.get("votes"))}}


def of_recipe(name: str) -> str:
    """What a recipe's own values learn from."""
    values = recipe.named(name)
    return ", ".join(_learned(values, values["classes"])) or NONE


def _learned(config: Mapping[str, Any], class_set: str) -> list[str]:
    """By a config; the eight classes are FER+'s, by its votes. What the network that it started from had learned from
    counts as well."""
    train, weights = config.get("train", {}), config.get("model", {}).get("weights")
    teachers = train.get("teachers") or params.Train.model_fields["teachers"].default
    names = [teachers] if train.get("teacher") else []
    votes = bool(train.get("votes")) or class_set == "8"
    if weights in start.names():
        about = start.about(weights)
        votes = votes or bool(about["votes"])
        names += [about["teachers"]] if about["teachers"] and about["teachers"] not in names else []
    return [*([VOTES] if votes else []), *(f"teachers `{name}`" for name in names),
            *([f"weights of `{weights}`"] if weights in start.names() else [])]
