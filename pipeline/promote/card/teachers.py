"""What a card says of the teachers whose answers a model learned from, and of its other extra labels."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.faces import teachers
from pipeline.system import plain_json, project
from pipeline.tracking import ledger
from pipeline.tracking.entry import Entry
from pipeline.training import start


@dataclass(frozen=True)
class Teacher:
    """A trained model whose answers this one learned from.

    Attributes:
        fold: of Training, that it was trained without; empty where it saw all of it.
        entry: its file in the ledger; None where the ledger has none.
        ensemble: the entry of an ensemble that it was a member of, where it has none of its own.
    """

    bundle: str
    recipe: str
    seed: int
    fold: str
    entry: Entry | None
    ensemble: Entry | None = None

    @property
    def extra_labels(self) -> str:
        """What it learned from itself, beside the data set's labels."""
        if self.entry:
            return "; ".join(extra_labels(self.entry.config)) or "none"
        if self.ensemble is None:
            return "not recorded"
        votes = self.ensemble.config["members"][self.bundle].get("votes")
        return f"{f'FER+ votes, weight {votes}' if votes else 'no votes'}, teachers not recorded"


def extra_labels(config: dict[str, Any]) -> Iterator[str]:
    """What a training learned from beside the data set's labels, in words; of an ensemble, what any member did."""
    train = config.get("train", {})
    if train.get("votes"):
        yield f"FER+ votes, weight {train['votes']}"
    if train.get("teacher"):
        yield f"answers of the teachers `{train.get('teachers') or 'hour'}`, weight {train['teacher']}"
    weights = config.get("model", {}).get("weights")
    if weights in start.names():
        about = start.about(weights)
        learned = [*(["FER+ votes"] if about["votes"] else []),
                   *([f"the teachers `{about['teachers']}`"] if about["teachers"] else [])]
        kept = f" ({100 * share:g} % of them kept)" if (share := train.get("start_share")) else ""
        yield (f"weights to start from{kept}, of `{about['recipe']}` seed {about['seed']} (`{about['bundle']}`), which "
               f"had learned from {' and '.join(learned) or 'no extra labels'}")
    if "members" in config:
        yield "those of its members, see their ledger entries"


def teachers_of(entry: Entry) -> Iterator[Teacher]:
    """The models whose answers a model learned from, where the file of their answers is there."""
    train = entry.config.get("train", {})
    if not train.get("teacher"):
        return
    path = project.root() / teachers.file_of(train.get("teachers") or "hour", entry.protocol, entry.dataset)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            members = plain_json.parse(str(arrays["about"]))["members"]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return  # the card names them all the same; the training has checked the file
    entries = ledger.entries(entry.dataset)
    by_id = {other.bundle: other for other in entries}
    ensembles = {bundle: other for other in entries if other.recipe == ledger.ENSEMBLE
                 for bundle in other.config["members"]}
    for member in members:
        own = by_id.get(member["bundle"])
        yield Teacher(member["bundle"], member["recipe"], member["seed"], member.get("without", ""), own,
                      None if own else ensembles.get(member["bundle"]))
