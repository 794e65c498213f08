"""What is compared: three ways to spend the same CPU time on a small network, and where their figures are kept."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.faces.faces import Faces

# CPU-minutes of an arm and repeat: twenty minutes of two cores
MINUTES = 40.0
# The share of them that a search may take; the rest trains its best values at length
SEARCH = 0.5
REPEATS = (1, 2, 3)
# More trials than any budget buys
MOST = 1000

RECIPE = "speedrun"
# A network and a schedule so small that the budget buys tens of trials
VALUES: dict[str, Any] = {
    "model.stem": 16,
    "model.width": 16,
    "train.epochs": 4,
    # Of a training, the epoch that is best on the images that choose, in every arm
    "train.keep": "best",
    "tune": {
        "trials": MOST,
        "epochs": 4,
        "max_parameters": 10**9,
        # None changes the network's size, so that no arm gets more epochs by a smaller one
        "space": {
            "train.learning_rate": {"low": 0.0003, "high": 0.03, "log": True},
            "train.batch_size": {"choices": [64, 128]},
            "train.weight_decay": {"low": 0.005, "high": 0.5, "log": True},
            "train.label_smoothing": {"low": 0.0, "high": 0.2},
            "train.votes": {"low": 0.1, "high": 1.0},
            "augment.strength": {"low": 0.2, "high": 1.5},
            "model.dropout": {"low": 0.0, "high": 0.4},
        },
    },
}


@dataclass(frozen=True)
class Arm:
    """A way to spend the budget.

    Attributes:
        title: in table and picture.
        trials: at most, the recipe's own values among them; one alone is no search.
        learns: whether the sampler learns from finished trials.
    """

    title: str
    trials: int
    learns: bool


ARMS = {
    "tpe": Arm("search by TPE", MOST, True),
    "random": Arm("random search", MOST, False),
    "recipe": Arm("the recipe's own values, more epochs", 1, False),
}


@dataclass(frozen=True)
class Halves:
    """Faces whose PublicTest is cut in two; without PrivateTest.

    Attributes:
        seen: Training, and as PublicTest the half that chooses values, pruning and epochs.
        held_out: the other half, on which an arm's one network is measured.
    """

    seen: Faces
    held_out: Faces


def halves(faces: Faces, repeat: int) -> Halves:
    """Cut PublicTest in two at random, for each repeat anew and for its arms alike.

    Args:
        faces: prepared; the manifest has their digest.
    """
    public = np.flatnonzero(faces.splits == "PublicTest")
    order = np.random.default_rng([repeat, len(public)]).permutation(public)
    chosen = np.sort(order[: len(order) // 2])
    seen = faces.take(np.sort(np.concatenate([np.flatnonzero(faces.splits == "Training"), chosen])))
    return Halves(replace(seen, manifest={**seen.manifest, "digest": seen.digest()}),
                  faces.take(np.sort(order[len(order) // 2:])))


def reports(dataset: str) -> Path:
    """The folder of the figures and the page; those on FER-2013 are in git."""
    return Path("reports") if dataset == "fer2013" else Path("reports", dataset)
