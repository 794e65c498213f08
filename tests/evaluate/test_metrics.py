"""Figures: scikit-learn's, for every class that the model knows, and equal to those that the ledger holds."""

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from pipeline.evaluate.intervals import wilson
from pipeline.evaluate.metrics import figures


def toy(classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities ``(500, classes)`` and labels of the first four of them."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 500)
    probabilities = rng.dirichlet(np.ones(classes), 500)
    probabilities[np.arange(500), labels] += 0.3
    return probabilities / probabilities.sum(axis=1, keepdims=True), labels


def test_figures_agree_with_scikit_learn():
    probabilities, labels = toy()
    found = figures(probabilities, labels, tuple("abcd"), confidence=0.95)
    predicted = probabilities.argmax(axis=1)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(labels, predicted))
    assert found["macro_f1"] == pytest.approx(sk.f1_score(labels, predicted, average="macro"), abs=1e-6)
    assert found["loss"] == pytest.approx(sk.log_loss(labels, probabilities), abs=1e-6)
    assert found["confusion"] == sk.confusion_matrix(labels, predicted).tolist()
    report = sk.classification_report(labels, predicted, output_dict=True)
    for index, name in enumerate("abcd"):
        for ours, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score"), ("n", "support")):
            assert found["per_class"][name][ours] == pytest.approx(report[str(index)][theirs], abs=1e-6)


def test_the_figures_are_those_that_the_ledger_was_written_with():
    """To the sixth digit, also of a class that is never predicted (c) and of one that no image has (e)."""
    probabilities, labels = toy(5)
    probabilities[:, 2] = 0
    probabilities = (probabilities / probabilities.sum(axis=1, keepdims=True)).astype("float32")
    found = figures(probabilities, labels, tuple("abcde"), confidence=0.95)
    assert (found["n"], found["accuracy"], found["macro_f1"], found["loss"]) == (500, 0.484, 0.353161, 7.321555)
    assert [[*one.values()] for one in found["per_class"].values()] == [
        [0.518248, 0.63964, 0.572581, 111], [0.546012, 0.684615, 0.607509, 130], [0.0, 0.0, 0.0, 121],
        [0.577465, 0.594203, 0.585714, 138], [0.0, 0.0, 0.0, 0]]
    assert found["confusion"] == [[71, 15, 0, 12, 13], [15, 89, 0, 22, 4], [30, 40, 0, 26, 25], [21, 19, 0, 82, 16],
                                  [0, 0, 0, 0, 0]]
    json.dumps(found)


def test_the_interval_is_wilsons_over_the_images():
    probabilities, labels = toy()
    found = figures(probabilities, labels, tuple("abcd"), confidence=0.9)
    expected = wilson(round(found["accuracy"] * 500), 500, 0.9)
    assert found["interval"] == pytest.approx([expected.low, expected.high], abs=1e-6)


def test_a_class_that_is_never_predicted_has_precision_zero_not_an_error():
    found = figures(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]), ("a", "b"), confidence=0.9)
    assert found["per_class"]["b"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "n": 1}
