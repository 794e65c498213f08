"""The accuracy of ensembles of a replication's networks on PublicTest. Each half of its images is predicted by the
members that the other half chose, so that the choice does not inflate the figure, and PrivateTest stays closed.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.experiments.ensemble import weighting as weightings
from pipeline.experiments.replications import plan
from pipeline.experiments.replications.plan import Replication
from pipeline.faces.faces import Faces
from pipeline.system import project
from pipeline.system.atomic import atomic_file

if TYPE_CHECKING:
    import keras


def predictions_file(name: str, replication: Replication, variant: str, seed: int) -> Path:
    """Where a network's PublicTest probabilities ``(N, C)`` are kept, under what it was trained as."""
    recipe, values = replication.identity(variant)
    return project.root() / "data/fer2013/replications" / f"{name}-{plan.digest([recipe, values, seed])}.npy"


def keep_predictions(file: Path, net: "keras.Model", faces: Faces) -> None:
    """Write a network's probabilities of PublicTest."""
    from pipeline.training import loop, models

    with atomic_file(file) as new, open(new, "wb") as opened:
        np.save(opened, loop.predict(models.with_softmax(net), faces.split("PublicTest").images))


def cross_validated(predictions: np.ndarray, labels: np.ndarray, size: int, weighting: str) -> np.ndarray:
    """Which of N images the best ``size`` of K networks get right, in two folds: the images of one are predicted by
    the members, and with the weights, that the other one chose.

    Args:
        predictions: probabilities ``(K, N, C)``.
        labels: ``(N,)``.
        weighting: one of ``tracking.ledger.WEIGHTINGS``.
    """
    first = np.random.default_rng(0).permutation(len(labels)) < len(labels) // 2
    right = np.zeros(len(labels), bool)
    for held_out in (first, ~first):
        choosing, truth = predictions[:, ~held_out], labels[~held_out]
        chosen = list(weightings.search(choosing, truth, (size, size), (weighting,)).members)
        weights = weightings.weights(weighting, choosing[chosen], truth)
        combined = weightings.combine(predictions[chosen][:, held_out], weights)
        right[held_out] = combined.argmax(axis=1) == labels[held_out]
    return right
