"""Stage evaluate: a bundle on PublicTest, PrivateTest and the whole test folder, single view and flip-averaged.

The only stage that opens PrivateTest. It runs the bundle's ONNX file, the one that is served.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.bundle.bundle import Bundle, check_faces
from pipeline.evaluate import robustness
from pipeline.evaluate.metrics import figures
from pipeline.faces import copies
from pipeline.faces.copies import Copies
from pipeline.faces.faces import Faces
from pipeline.params.params import Evaluate
from pipeline.system.atomic import atomic_file
from pipeline.tracking.entry import Figures, SplitFigures, SplitRobustness

PARTS = {"PublicTest": ("PublicTest",), "PrivateTest": ("PrivateTest",), "test": ("PublicTest", "PrivateTest")}


@dataclass(frozen=True)
class Evaluation:
    """What is measured of a bundle.

    Attributes:
        figures: by split and view. ``Training``, in a single view, is measured for the overfitting gap: on a random
            sample of its original images, the same for every bundle and half as large as the test folder. A larger
            one would not make the gap more precise, whose other side is PublicTest.
        probabilities: single view, ``(N, C)`` by test split, the faces in the table's order.
        milliseconds: of a call with one face, on one thread.
        robustness: on corrupted faces; None for a model that is too large for it.
        copy_free: by test split and view, on the test images that have no copy in Training; None where near copies have
            not been looked for.
    """

    figures: SplitFigures
    probabilities: dict[str, np.ndarray]
    milliseconds: float
    robustness: SplitRobustness | None = None
    copy_free: SplitFigures | None = None


def evaluate(bundle: Bundle, faces: Faces, settings: Evaluate, near: Copies | None = None) -> Evaluation:
    """Measure a bundle on the faces as they came (seven labels; the bundle's class map is applied here).

    Args:
        near: the near copies among the faces, for the copy-free figures: they are of the same model and need no
            training, whatever it was trained on.
    """
    check_faces(bundle.provenance, faces.manifest, bundle.folder)
    # before the class set leaves faces out: a copy in Training counts, whatever its class
    without_copies = None if near is None else set(faces.ids[copies.free(faces, near)].tolist())
    faces = faces.with_classes(bundle.class_set)
    tests, training = faces.split(*PARTS["test"]), faces.split("Training")
    sample = np.random.default_rng(0).permutation(len(training))[: max(1, len(tests) // 2)]
    training = training.take(np.sort(sample))
    single = bundle.predict(tests.images)
    views = {"single": single, "flip": (single + bundle.predict(tests.images, flip=True)) / 2}

    def of(probabilities: np.ndarray, labels: np.ndarray) -> Figures:
        return figures(probabilities, labels, bundle.classes, confidence=settings.confidence)

    def by_part(kept: np.ndarray) -> SplitFigures:
        parts = {part: kept & np.isin(tests.splits, splits) for part, splits in PARTS.items()}
        return {part: {view: of(answers[rows], tests.labels[rows]) for view, answers in views.items()}
                for part, rows in parts.items() if rows.any()}

    measured = by_part(np.ones(len(tests), bool))
    copy_free = None if without_copies is None else by_part(np.isin(tests.ids, list(without_copies)))
    measured["Training"] = {"single": of(bundle.predict(training.images), training.labels)}
    corrupted = robustness.measure(bundle, tests) if robustness.is_measured(bundle, settings) else None
    by_split = {split: single[tests.splits == split] for split in PARTS["test"]}
    return Evaluation(measured, by_split, bundle.milliseconds(), corrupted, copy_free)


def metrics(bundle: Bundle, evaluation: Evaluation) -> dict[str, Any]:
    """What metrics.json holds: the figures without the confusion matrices, and the bundle and data they belong to."""
    measured = evaluation.figures
    provenance = bundle.provenance
    gap = measured["Training"]["single"]["accuracy"] - measured["PublicTest"]["single"]["accuracy"]
    return {
        "dataset": provenance.dataset,
        "edition": provenance.edition,
        "data_digest": provenance.data_digest,
        "protocol": provenance.protocol,
        "recipe": provenance.recipe,
        "seed": provenance.seed,
        "bundle": bundle.id,
        "class_set": bundle.class_set,
        **_lean(measured),
        "copy_free": None if evaluation.copy_free is None else _lean(evaluation.copy_free),
        "overfitting_gap": round(gap, 6),
        "robustness": evaluation.robustness,
    }


def _lean(figures: SplitFigures) -> dict[str, Any]:
    """The figures without the confusion matrices."""
    return {split: {view: {name: value for name, value in of_view.items() if name != "confusion"}
                    for view, of_view in views.items()}
            for split, views in figures.items()}


def copy_free_summary(evaluation: Evaluation) -> str:
    """The copy-free figures for a person, in one line."""
    if evaluation.copy_free is None:
        return "no copy-free figures: near copies have not been looked for, see `dvc repro validate`"
    words = []
    for split, views in evaluation.copy_free.items():
        single = views["single"]
        low, high = single["interval"]
        if split != "test":
            words.append(f"{split} {100 * single['accuracy']:.2f} % [{100 * low:.1f}, {100 * high:.1f}] of "
                         f"{single['n']:,}")
    return f"without the test images that have a copy in Training: {', '.join(words) or 'none is left'}, single view"


def write_predictions(path: Path, faces: Faces, bundle: Bundle, evaluation: Evaluation) -> None:
    """predictions.csv: one row per test face with its true and predicted class and all probabilities."""
    tests = faces.with_classes(bundle.class_set).split(*PARTS["test"])
    probabilities = np.zeros((len(tests), len(bundle.classes)), "float32")
    for split, of_split in evaluation.probabilities.items():
        probabilities[tests.splits == split] = of_split
    predicted = probabilities.argmax(axis=1)
    with atomic_file(path) as new, open(new, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "split", "actual", "predicted", *bundle.classes))
        for row in range(len(tests)):
            writer.writerow((tests.ids[row], tests.splits[row], bundle.classes[tests.labels[row]],
                             bundle.classes[predicted[row]], *(f"{p:.4f}" for p in probabilities[row])))


def scores(figures: SplitFigures, copy_free: SplitFigures | None = None) -> dict[str, float]:
    """DVC's metric, with names so short that ``dvc exp show`` fits a terminal: accuracy on PublicTest (``pub``) and
    PrivateTest (``priv``), averaged over the image and its mirror image (``_flip``), and macro-F1 (``_f1``); where near
    copies have been looked for, accuracy on the test images without a copy in Training (``_free``)."""
    named: dict[str, float] = {}
    for name, split in (("pub", "PublicTest"), ("priv", "PrivateTest")):
        single, flip = figures[split]["single"], figures[split]["flip"]
        named |= {name: single["accuracy"], f"{name}_flip": flip["accuracy"], f"{name}_f1": single["macro_f1"]}
        if copy_free is not None and split in copy_free:
            named[f"{name}_free"] = copy_free[split]["single"]["accuracy"]
    return {name: round(score, 4) for name, score in named.items()}
