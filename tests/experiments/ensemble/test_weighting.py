"""S3's three formulas and the search, each against a plain loop."""

import itertools

import numpy as np
import pytest

from pipeline.experiments.ensemble import weighting
from pipeline.system.failure import Failure
from pipeline.tracking import ledger


@pytest.fixture
def asked():
    """Five members of different skill, their probabilities on 90 images of four classes; one class never occurs."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 90)
    logits = rng.normal(0, 1, (5, 90, 4)) + np.linspace(0.2, 1, 5)[:, None, None] * np.eye(4)[labels]
    powered = np.exp(logits)
    return (powered / powered.sum(axis=2, keepdims=True)).astype("float32"), labels


def by_hand(probabilities, labels, name, subset):
    """The ensemble's answers, member by member and image by image."""
    classes = probabilities.shape[2]
    summed = np.zeros(probabilities.shape[1:])
    for member in subset:
        hits = [int(row.argmax()) == label for row, label in zip(probabilities[member], labels, strict=True)]
        recalls = []
        for place in range(classes):
            own = [hit for hit, label in zip(hits, labels, strict=True) if label == place]
            recalls.append(sum(own) / len(own) if own else 0)
        for image, place in itertools.product(range(len(labels)), range(classes)):
            weight = {"mean": 1 / len(subset), "accuracy": sum(hits) / len(hits),
                      "recall": recalls[place] / sum(recalls)}[name]
            summed[image, place] += weight * probabilities[member, image, place]
    return np.array([row / sum(row) for row in summed])


@pytest.mark.parametrize("name", ledger.WEIGHTINGS)
def test_a_formula_is_what_a_plain_loop_makes_of_its_description(asked, name):
    probabilities, labels = asked
    found = weighting.combine(probabilities, weighting.weights(name, probabilities, labels))
    np.testing.assert_allclose(found, by_hand(probabilities, labels, name, range(5)), atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_the_formulas_differ_and_recalls_are_normalised_per_member(asked):
    mean, accuracy, recall = (weighting.weights(name, *asked) for name in ledger.WEIGHTINGS)
    assert (mean == 1).all() and len(np.unique(accuracy)) > 1 and (accuracy == accuracy[:, :1]).all()
    np.testing.assert_allclose(recall.sum(axis=1), 1)
    assert (recall[:, 3] == 0).all(), "a class that no image has is recalled by nobody"
    assert len(np.unique(recall[0])) > 1


def test_members_that_are_never_right_where_they_are_sure_give_no_nan():
    sure = np.eye(3, dtype="float32")[[[0, 0], [0, 0]]]
    labels = np.array([1, 2])
    for name in ledger.WEIGHTINGS:
        found = weighting.combine(sure, weighting.weights(name, sure, labels))
        np.testing.assert_allclose(found.sum(axis=1), 1, err_msg=name)


@pytest.mark.parametrize("chunk", [1, 3 * 90 * 4, weighting.CHUNK])
def test_the_search_finds_what_brute_force_finds_whatever_fits_into_memory(asked, chunk, monkeypatch):
    probabilities, labels = asked
    monkeypatch.setattr(weighting, "CHUNK", chunk)
    right = {}
    for size, name in itertools.product((2, 3, 4), ledger.WEIGHTINGS):
        for subset in itertools.combinations(range(5), size):
            taken = probabilities[list(subset)]
            answers = weighting.combine(taken, weighting.weights(name, taken, labels)).argmax(axis=1)
            right[subset, name] = int((answers == labels).sum())
    most = max(right.values())
    first = next(key for key, value in right.items() if value == most)
    found = weighting.search(probabilities, labels, (2, 4), ledger.WEIGHTINGS)
    assert (found.members, found.weighting) == first and found.right == most
    assert found.tried == len(right) == 75
    assert len(set(right.values())) > 5, "a search that has something to find"


def test_one_weighting_and_one_size_search_no_other(asked):
    found = weighting.search(*asked, (5, 5), ("recall",))
    assert (found.members, found.weighting, found.tried) == ((0, 1, 2, 3, 4), "recall", 1)


def test_more_subsets_than_a_person_waits_for_are_refused(asked, monkeypatch):
    monkeypatch.setattr(weighting, "MOST_SUBSETS", 24)
    with pytest.raises(Failure, match=r"5 members have 25 subsets of 2 to 4, at most 24 are searched"):
        weighting.search(*asked, (2, 4), ("mean",))
