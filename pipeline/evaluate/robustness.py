"""Corruption robustness: a bundle's accuracy on faces that are damaged as by cameras and uploads, single view.

Also the command ``ferpipe robustness``, which measures any bundle; only evaluate and this command open PrivateTest.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.bundle.bundle import Bundle, check_faces
from pipeline.evaluate import severity
from pipeline.evaluate.intervals import bootstrap
from pipeline.faces.corruptions import CORRUPTIONS
from pipeline.faces.faces import Faces
from pipeline.faces.protocols import phrase
from pipeline.params.params import Evaluate
from pipeline.system import project
from pipeline.system.plotting import BLUE, GREEN, ORANGE, PINK, RED, save
from pipeline.tracking.entry import Robustness, SplitRobustness

TESTS = ("PublicTest", "PrivateTest")
COLOURS = (BLUE, ORANGE, GREEN, PINK, RED)
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


def table(robustness: SplitRobustness, clean: dict[str, float]) -> str:
    """One row a corruption, a column a split, in per cent; ``clean`` are the accuracies on the faces as they are."""
    rows = [("", *TESTS), ("as they are", *(_percent(clean[split]) for split in TESTS))]
    rows += [(words, *(_percent(robustness[split]["accuracy"][name]) for split in TESTS))
             for name, words in WORDS.items()]
    rows += [(f"{key} of {len(WORDS)}", *(_percent(value) for value in values)) for key, values in
             (("mean", [robustness[split]["mean"] for split in TESTS]),
              ("worst", [robustness[split]["worst"] for split in TESTS]))]
    return "\n".join(f"{name:<24}" + "".join(f"{cell:>14}" for cell in cells) for name, *cells in rows)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def main(argv: list[str] | None = None) -> None:
    """Measure bundles on corrupted faces of both test splits and print a table each, and draw accuracy against severity
    of all of them in one picture; nothing is recorded."""
    parser = argparse.ArgumentParser("ferpipe robustness", description=main.__doc__)
    parser.add_argument("bundles", metavar="BUNDLE", nargs="*", type=Path,
                        help="a bundle's folder; default: the champion")
    parser.add_argument("--plot", metavar="FILE", type=Path, help="write the picture here, a PNG")
    options = parser.parse_args(argv)
    series: list[severity.Series] = []
    for folder in options.bundles or [project.champion_folder()]:
        bundle = Bundle.load(folder)
        provenance = bundle.provenance
        faces = Faces.load(project.root() / "data" / provenance.dataset / "faces")
        check_faces(provenance, faces.manifest, bundle.folder)
        faces = faces.with_classes(bundle.class_set)
        clean = {}
        for split in TESTS:
            part = faces.split(split)
            clean[split] = float((bundle.predict(part.images).argmax(axis=1) == part.labels).mean())
        print(f"bundle {bundle.id}, {provenance.recipe}, seed {provenance.seed}, {phrase(provenance.protocol)}, "
              f"{provenance.dataset} ({provenance.edition}), single view")
        measured = measure(bundle, faces)
        print(table(measured, clean))
        colour = COLOURS[len(series) // len(TESTS) % len(COLOURS)]
        series += [severity.Series(f"{provenance.recipe} {bundle.id}, {split}", clean[split], measured[split], colour,
                                   style) for split, style in zip(TESTS, ("dashed", "solid"), strict=True)]
    if options.plot is not None:
        save(options.plot, severity.figure(series))
