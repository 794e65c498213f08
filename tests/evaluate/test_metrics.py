"""Figures: they agree with scikit-learn, and the interval covers what it says."""

import numpy as np
import pytest
from sklearn import metrics as sk

from pipeline.evaluate.intervals import mean_interval, median_interval
from pipeline.evaluate.metrics import bootstrap_interval, figures


def test_figures_agree_with_scikit_learn():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 500)
    probabilities = rng.dirichlet(np.ones(4), 500)
    probabilities[np.arange(500), labels] += 0.3
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    found = figures(probabilities, labels, tuple("abcd"), bootstrap=500, confidence=0.95)
    predicted = probabilities.argmax(axis=1)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(labels, predicted))
    assert found["macro_f1"] == pytest.approx(sk.f1_score(labels, predicted, average="macro"), abs=1e-6)
    assert found["loss"] == pytest.approx(sk.log_loss(labels, probabilities), abs=1e-6)
    assert found["confusion"] == sk.confusion_matrix(labels, predicted).tolist()
    report = sk.classification_report(labels, predicted, output_dict=True)
    for place, name in enumerate("abcd"):
        for ours, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score"), ("n", "support")):
            assert found["per_class"][name][ours] == pytest.approx(report[str(place)][theirs], abs=1e-6)


def test_a_class_that_is_never_predicted_has_precision_zero_not_an_error():
    found = figures(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]), ("a", "b"), bootstrap=100, confidence=0.9)
    assert found["per_class"]["b"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "n": 1}


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(2)
    hits = 0
    for seed in range(300):
        low, high = bootstrap_interval(rng.random(800) < 0.65, 1000, 0.95, seed)
        hits += low <= 0.65 <= high
    assert 0.91 <= hits / 300 <= 0.985


def test_more_seeds_that_differ_widen_the_interval_and_one_seed_has_the_images_alone():
    mean, low, high = mean_interval([0.65], 3589)
    assert mean == 0.65 and high - low == pytest.approx(2 * 1.96 * (0.65 * 0.35 / 3589) ** 0.5)
    # two seeds that differ by far more than their images do tell little: Student's t with one degree of freedom
    assert mean_interval([0.2, 0.8], 10**9)[1] == pytest.approx(0.5 - 12.7062 * 0.3, abs=1e-3)
    _, wide_low, wide_high = mean_interval([0.62, 0.68], 3589)
    assert wide_high - wide_low > high - low


def test_a_medians_interval_holds_the_true_one_in_95_of_100_samples():
    assert median_interval([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0)
    rng, hits = np.random.default_rng(0), 0
    for _ in range(1000):
        _, low, high = median_interval(list(rng.exponential(size=15)))
        hits += low <= np.log(2) <= high
    assert 950 <= hits < 985
