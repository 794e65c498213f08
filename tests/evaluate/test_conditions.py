"""Accuracy in quarters of a split: what is dark or blurred, and what the classes alone explain."""

import numpy as np
import pytest
import toy_models

from pipeline.evaluate import conditions
from pipeline.faces.faces import Faces


def test_a_model_that_fails_in_the_dark_shows_it_in_the_first_quarter():
    values, labels = np.arange(80.0), np.tile([0, 1], 40)
    predicted = np.where(values < 20, 1 - labels, labels)
    quarters = conditions.by_quarter(values, predicted, labels, 0.95)
    assert [(quarter["low"], quarter["high"], quarter["n"]) for quarter in quarters] == [
        (0, 19, 20), (20, 39, 20), (40, 59, 20), (60, 79, 20)]
    assert [quarter["accuracy"] for quarter in quarters] == [0, 1, 1, 1]
    assert quarters[0]["interval"][1] < 0.2 < 0.8 < quarters[1]["interval"][0]
    assert {quarter["expected"] for quarter in quarters} == {0.75}, "the classes are spread evenly"


def test_a_quarter_that_is_hard_for_its_classes_alone_is_told_from_one_that_is_hard_for_its_pictures():
    values, labels = np.arange(80.0), np.repeat([0, 1], 40)
    predicted = np.where((labels == 0) & (np.arange(80) % 2 == 0), 1, labels)
    quarters = conditions.by_quarter(values, predicted, labels, 0.95)
    assert [quarter["expected"] for quarter in quarters] == [quarter["accuracy"] for quarter in quarters]


def test_every_image_is_in_one_quarter_and_too_few_have_none():
    labels = np.zeros(10, int)
    assert [quarter["n"] for quarter in conditions.by_quarter(np.ones(10), labels, labels, 0.95)] == [3, 3, 2, 2]
    assert conditions.by_quarter(np.ones(3), labels[:3], labels[:3], 0.95) == []


def test_blurring_lowers_the_sharpness_and_not_the_brightness():
    images = np.random.default_rng(0).integers(0, 256, (5, 48, 48)).astype("uint8")
    smooth = images.reshape(5, 24, 2, 24, 2).mean(axis=(2, 4)).repeat(2, axis=1).repeat(2, axis=2)
    assert (conditions.sharpness(smooth) < conditions.sharpness(images) / 2).all()
    assert conditions.brightness(smooth) == pytest.approx(conditions.brightness(images), abs=0.01)
    assert conditions.sharpness(np.full((1, 48, 48), 200, "uint8")) == 0


def test_both_test_splits_are_measured_and_training_is_not():
    faces: Faces = toy_models.faces("sample", 4)
    probabilities = {split: np.eye(7)[faces.split(split).labels] for split in ("PublicTest", "PrivateTest")}
    measured = conditions.measure(faces, probabilities, 0.95)
    assert {split: list(of_split) for split, of_split in measured.items()} == {
        "PublicTest": ["brightness", "sharpness"], "PrivateTest": ["brightness", "sharpness"]}
    assert all(quarter["accuracy"] == 1 and quarter["n"] == 7 for quarter in measured["PrivateTest"]["brightness"])
