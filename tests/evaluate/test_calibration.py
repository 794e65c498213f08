"""Calibration and selective prediction: the textbook's figures, and an honest comparison of two signs of doubt."""

import numpy as np
import pytest

from pipeline.evaluate import calibration
from pipeline.evaluate.intervals import wilson


def confident(rng, n, temperature=1.0):
    """Labels drawn from probabilities, and what a model says that is too sure (temperature below 1) or not sure
    enough."""
    true = rng.dirichlet(np.full(7, 0.3), n).astype("float32")
    labels = (rng.random(n)[:, None] < true.cumsum(axis=1)).argmax(axis=1)
    return scaled(true, temperature), labels


def scaled(probabilities, temperature):
    powered = np.maximum(probabilities, 1e-12) ** (1 / temperature)
    return powered / powered.sum(axis=1, keepdims=True)


def test_the_error_is_the_textbooks():
    """Two bins: three faces of confidence .9 of which two are right, one of .55 that is wrong."""
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.55, 0.45]])
    labels = np.array([0, 0, 1, 1])
    found = calibration.reliability(probabilities, labels)
    assert found["ece"] == pytest.approx((3 * abs(2 / 3 - 0.9) + 0.55) / 4, abs=1e-6)
    assert found["bins"] == [{"confidence": 0.55, "accuracy": 0.0, "n": 1},
                             {"confidence": 0.9, "accuracy": pytest.approx(2 / 3, abs=1e-6), "n": 3}]
    sure = calibration.reliability(np.array([[1.0, 0.0]]), np.array([0]))
    assert sure["ece"] == 0 and sure["bins"] == [{"confidence": 1.0, "accuracy": 1.0, "n": 1}]


def test_the_right_temperature_takes_the_error_away_and_changes_no_answer():
    probabilities, labels = confident(np.random.default_rng(0), 4000, 0.5)
    found = calibration.measure(probabilities, labels, lambda some: scaled(some, 2.0), 2.0)
    assert found["before"]["ece"] > 0.1 and found["after"]["ece"] < 0.025
    assert sum(part["n"] for part in found["after"]["bins"]) == found["n"] == 4000
    overall = (probabilities.argmax(axis=1) == labels).mean()
    assert found["coverage"]["1.00"] == pytest.approx(overall, abs=1e-6)


@pytest.mark.parametrize(("too_sure", "least"), [(0.0, 0.9), (0.08, 0.8)])
def test_the_errors_interval_covers_the_true_error_and_a_calibrated_models_is_chance(too_sure, least):
    """Percentiles of a bootstrap would cover 0 never: noise within the bins adds to every resample's error."""
    rng = np.random.default_rng(5)
    covered, errors, chances = 0, [], []
    for _ in range(40):
        confidence = rng.uniform(0.6, 1, 1000)
        labels = (rng.random(1000) > confidence - too_sure).astype(int)
        found = calibration.reliability(np.stack([confidence, 1 - confidence], axis=1), labels)
        covered += found["interval"][0] <= too_sure <= found["interval"][1]
        errors.append(found["ece"])
        chances.append(found["chance"])
    assert covered >= 40 * least
    if not too_sure:
        assert np.mean(errors) == pytest.approx(np.mean(chances), rel=0.15) and np.mean(errors) > 0.01


def test_an_accuracy_at_a_coverage_has_an_interval_and_that_of_all_faces_is_wilsons():
    probabilities, labels = confident(np.random.default_rng(6), 1000)
    found = calibration.measure(probabilities, labels, lambda some: some, 1.0)
    for share in ("0.50", "0.80", "1.00"):
        low, high = found["coverage_intervals"][share]
        assert low < found["coverage"][share] < high
    half, whole = (found["coverage_intervals"][share] for share in ("0.50", "1.00"))
    right = int((probabilities.argmax(axis=1) == labels).sum())
    assert whole == pytest.approx([wilson(right, 1000).low, wilson(right, 1000).high], abs=1e-6)
    # half of the faces, but surer ones
    few = wilson(round(500 * found["coverage"]["0.50"]), 500)
    assert half[1] - half[0] == pytest.approx(few.high - few.low, rel=0.25)


def test_the_surer_half_is_right_more_often():
    probabilities, labels = confident(np.random.default_rng(1), 1000)
    coverage = calibration.measure(probabilities, labels, lambda some: some, 1.0)["coverage"]
    accuracies = [coverage[f"{share:.2f}"] for share in calibration.COVERAGES]
    assert len(coverage) == 20 and accuracies[0] > accuracies[9] > accuracies[-1] + 0.1
    order = np.argsort(-probabilities.max(axis=1), kind="stable")[:500]
    right = probabilities.argmax(axis=1) == labels
    assert coverage["0.50"] == pytest.approx(right[order].mean(), abs=1e-6)


def test_of_one_face_there_is_a_figure_too():
    found = calibration.measure(np.array([[0.2, 0.8]]), np.array([1]), lambda some: some, 1.0)
    assert set(found["coverage"].values()) == {1.0}


def test_agreement_that_says_no_more_than_confidence_gains_nothing():
    """Both views are the true probabilities with a little noise: the confidence of their mean knows all."""
    rng = np.random.default_rng(2)
    probabilities, labels = confident(rng, 3000)
    views = [np.maximum(probabilities + rng.normal(0, 0.1, probabilities.shape), 1e-6) for _ in range(2)]
    one, two = (view / view.sum(axis=1, keepdims=True) for view in views)
    found = calibration.agreement(one, two, labels, lambda some: some, 0.5)
    assert found["differing"] < found["agreeing"] < found["surest"]
    assert found["gain"][0] == pytest.approx(found["agreeing"] - found["surest"], abs=2e-6)
    assert found["gain"][1] < found["gain"][0] < 0 and found["gain"][0] < found["gain"][2]
    assert found["both_share"] < found["share"] < 1 and found["both_gain"][0] < 0.005


def test_agreement_that_knows_more_is_seen_to_gain():
    """Confidence is noise; the views agree where the answer is right."""
    rng = np.random.default_rng(3)
    labels, right = rng.integers(0, 7, 1000), rng.random(1000) < 0.6
    one = rng.uniform(0, 0.1, (1000, 7))
    two = one.copy()
    answer = np.where(right, labels, (labels + 1) % 7)
    one[np.arange(1000), answer] += rng.uniform(0.5, 1, 1000)
    two[np.arange(1000), np.where(right, answer, (answer + 1) % 7)] += 0.5
    found = calibration.agreement(one, two, labels, lambda some: some, 0.0)
    assert found["agreeing"] == 1 and found["gain"][1] > 0.02
