"""What ensembles of a study's networks reach on PublicTest. Each half of its images is answered by the members that the
other half chose, so that no ensemble is flattered by its choice, and PrivateTest stays closed.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.experiments.ensemble import weighting as weightings
from pipeline.experiments.replications import plan
from pipeline.experiments.replications.plan import Study
from pipeline.faces.faces import Faces
from pipeline.system import project
from pipeline.system.atomic import atomic_file

if TYPE_CHECKING:
    import keras


def answers_of(name: str, study: Study, variant: str, seed: int) -> Path:
    """Where a network's PublicTest probabilities ``(N, C)`` are kept, under what it was trained as."""
    recipe, values = study.asked(variant)
    return project.root() / "data/fer2013/studies" / f"{name}-{plan.digest([recipe, values, seed])}.npy"


def keep(file: Path, net: "keras.Model", faces: Faces) -> None:
    """Write what a network says of PublicTest."""
    from pipeline.training import loop, models

    with atomic_file(file) as new, open(new, "wb") as opened:
        np.save(opened, loop.predict(models.with_softmax(net), faces.split("PublicTest").images))


def crossed(opinions: np.ndarray, labels: np.ndarray, size: int, weighting: str) -> np.ndarray:
    """Which of N images the best ``size`` of K networks get right, when the other half of the images has chosen and
    weighted them.

    Args:
        opinions: probabilities ``(K, N, C)``.
        labels: ``(N,)``.
        weighting: one of ``ensemble.weighting.WEIGHTINGS``.
    """
    first = np.random.default_rng(0).permutation(len(labels)) < len(labels) // 2
    right = np.zeros(len(labels), bool)
    for counted in (first, ~first):
        choosing, marks = opinions[:, ~counted], labels[~counted]
        places = list(weightings.search(choosing, marks, (size, size), (weighting,)).members)
        weights = weightings.weights(weighting, choosing[places], marks)
        right[counted] = weightings.combine(opinions[places][:, counted], weights).argmax(axis=1) == labels[counted]
    return right
