"""Stage evaluate: a bundle on PublicTest, PrivateTest and the whole test folder, single view and flip-averaged.

The only stage that opens PrivateTest. It runs the bundle's ONNX file, the one that is served.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.bundle.bundle import Bundle, check_faces
from pipeline.evaluate.metrics import figures
from pipeline.faces.faces import Faces
from pipeline.params.params import Evaluate
from pipeline.system.atomic import atomic_file

PARTS = {"PublicTest": ("PublicTest",), "PrivateTest": ("PrivateTest",), "test": ("PublicTest", "PrivateTest")}


def evaluate(bundle: Bundle, faces: Faces, settings: Evaluate) -> tuple[dict, np.ndarray]:
    """Every figure of a bundle on the faces as they came (seven labels; the bundle's class map is applied here).

    Returns figures ``{split: {view: ...}}``, see ``metrics.figures``, and the single-view probabilities
    ``(N, C)`` of the test faces in the table's order. ``Training``, in a single view, is there for the overfitting
    gap: as many of its original images, at random and the same for every bundle, as half the test folder has, which
    tells the gap as exactly as the tests can.
    """
    check_faces(bundle.provenance, faces.manifest, bundle.folder)
    faces = faces.with_classes(bundle.class_set)
    tests, training = faces.split(*PARTS["test"]), faces.split("Training")
    some = np.random.default_rng(0).permutation(len(training))[: max(1, len(tests) // 2)]
    training = training.take(np.sort(some))
    single = bundle.predict(tests.images)
    views = {"single": single, "flip": (single + bundle.predict(tests.images, flip=True)) / 2}
    options: dict[str, Any] = {"classes": bundle.classes, "confidence": settings.confidence}
    found: dict = {}
    for part, splits in PARTS.items():
        rows = np.isin(tests.splits, splits)
        found[part] = {view: figures(p[rows], tests.labels[rows], **options) for view, p in views.items()}
    found["Training"] = {"single": figures(bundle.predict(training.images), training.labels, **options)}
    return found, single


def metrics(bundle: Bundle, faces: Faces, found: dict) -> dict:
    """What ``dvc metrics`` shows: the figures without the confusion matrices, and what they belong to."""
    facts = bundle.provenance
    summary = {name: facts[name] for name in ("dataset", "edition", "data_digest", "protocol", "recipe", "seed")}
    lean = {
        split: {view: {key: value for key, value in one.items() if key != "confusion"} for view, one in views.items()}
        for split, views in found.items()
    }
    gap = found["Training"]["single"]["accuracy"] - found["PublicTest"]["single"]["accuracy"]
    return {**summary, "bundle": bundle.id, "class_set": bundle.class_set, **lean, "overfitting_gap": round(gap, 6)}


def write_predictions(path: Path, faces: Faces, bundle: Bundle, probabilities: np.ndarray) -> None:
    """predictions.csv: one row per test face with its true and predicted class and all probabilities."""
    tests = faces.with_classes(bundle.class_set).split(*PARTS["test"])
    predicted = probabilities.argmax(axis=1)
    with atomic_file(path) as new, open(new, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "split", "actual", "predicted", *bundle.classes))
        for place in range(len(tests)):
            writer.writerow((tests.ids[place], tests.splits[place], bundle.classes[tests.labels[place]],
                             bundle.classes[predicted[place]], *(f"{p:.4f}" for p in probabilities[place])))
