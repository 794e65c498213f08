"""Corruption robustness: a bundle's accuracy on faces that are damaged as by cameras and uploads, single view."""

from collections.abc import Sequence

import numpy as np

from pipeline.bundle.bundle import Bundle
from pipeline.evaluate.intervals import bootstrap
from pipeline.faces.corruptions import CORRUPTIONS
from pipeline.faces.faces import Faces
from pipeline.params.params import Evaluate
from pipeline.tracking.entry import Robustness, SplitRobustness

TESTS = ("PublicTest", "PrivateTest")
WORDS = {corruption.name: str(corruption) for corruption in CORRUPTIONS}


def is_measured(bundle: Bundle, settings: Evaluate) -> bool:
    """Whether the stages measure it: twenty times a test split would take a large model the better part of an hour."""
    return (bundle.folder / "model.onnx").stat().st_size <= settings.corrupted_bytes


def correct(bundles: Sequence[Bundle], faces: Faces) -> list[np.ndarray]:
    """For each bundle bool ``(K, N)``: whether it is right on each of these N faces under each of ``CORRUPTIONS``.

    Args:
        faces: with the bundles' classes.
    """
    rows: list[list[np.ndarray]] = [[] for _ in bundles]
    for corruption in CORRUPTIONS:
        damaged = corruption(faces.images)
        for bundle, of_bundle in zip(bundles, rows, strict=True):
            of_bundle.append(bundle.predict(damaged).argmax(axis=1) == faces.labels)
    return [np.stack(of_bundle) for of_bundle in rows]


def figures(correct: np.ndarray) -> Robustness:
    """The figures of one bundle's ``correct``, with N at least 1."""
    accuracies, of_image = correct.mean(axis=1), correct.mean(axis=0)
    # the corruptions share their images: an image counts once, with all of its corruptions
    low, high = bootstrap(lambda rows: of_image[rows].mean(), len(of_image))
    return {
        "n": correct.shape[1],
        "mean": round(float(accuracies.mean()), 6),
        "interval": [round(float(low), 6), round(float(high), 6)],
        "worst": round(float(accuracies.min()), 6),
        "accuracy": {corruption.name: round(float(accuracy), 6)
                     for corruption, accuracy in zip(CORRUPTIONS, accuracies, strict=True)},
    }


def over_seeds(seeds: Sequence[Robustness]) -> Robustness:
    """The mean over models of their accuracies; the worst is that of the corruption that is hardest in this mean."""
    accuracies = {name: round(float(np.mean([seed["accuracy"][name] for seed in seeds])), 6) for name in WORDS}
    return {"n": seeds[0]["n"], "mean": round(float(np.mean([*accuracies.values()])), 6),
            "worst": min(accuracies.values()), "accuracy": accuracies}


def measure(bundle: Bundle, faces: Faces) -> SplitRobustness:
    """A bundle on both test splits of faces with its classes."""
    return {split: figures(correct([bundle], faces.split(split))[0]) for split in TESTS}


def worst(robustness: Robustness) -> str:
    """The corruption with the lowest accuracy, in words."""
    return WORDS[min(robustness["accuracy"], key=lambda name: robustness["accuracy"][name])]


def summary(robustness: Robustness) -> str:
    """The mean and the worst for a person, in one line."""
    return (f"{100 * robustness['mean']:.2f} % on corrupted faces, the worst {100 * robustness['worst']:.2f} % "
            f"({worst(robustness)})")
