"""What a model learned from besides FER-2013's own labels; figures with and without are not compared."""

from collections.abc import Mapping
from typing import Any

from pipeline.params import params, recipe
from pipeline.tracking import ledger
from pipeline.tracking.entry import Entry

NONE, VOTES = "none", "FER+ votes"


def extra_labels(entry: Entry, others: Mapping[str, Entry] | None = None) -> str:
    """``none``, or what the model learned from too: the FER+ votes, teachers by their name.

    Args:
        others: the ledger's entries by bundle, among them an ensemble's members; of one that is not among them its
            recipe counts.
    """
    if entry.recipe == ledger.ENSEMBLE:
        learned: dict[str, None] = {}
        for bundle, member in entry.config["members"].items():
            known = (others or {}).get(bundle)
            learned |= dict.fromkeys(_learned(known.config["train"] if known else _of_recipe(member), entry.class_set))
        return ", ".join(sorted(learned)) or NONE
    return ", ".join(_learned(entry.config.get("train", {}), entry.class_set)) or NONE


def _of_recipe(member: Mapping[str, Any] | None) -> dict[str, Any]:
    """An ensemble's member's ``train`` block, as far as its own record and its recipe have it."""
    name = (member or {}).get("recipe")
    block = recipe.named(name)["train"] if name in recipe.names() else {}
    return {**block, "votes": (member or {}).get("votes", block.get("votes"))}


def of_recipe(name: str) -> str:
    """What a recipe's own values learn from."""
    values = recipe.named(name)
    return ", ".join(_learned(values["train"], values["classes"])) or NONE


def _learned(train: Mapping[str, Any], class_set: str) -> list[str]:
    """By the ``train`` block of a config; the eight classes are FER+'s, by its votes."""
    teachers = train.get("teachers") or params.Train.model_fields["teachers"].default
    learned = [VOTES] if train.get("votes") or class_set == "8" else []
    return learned + ([f"teachers `{teachers}`"] if train.get("teacher") else [])
