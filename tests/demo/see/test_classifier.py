"""Probabilities: calibrated, of both views, in one call."""

import numpy as np
import pytest

from pipeline.bundle import bundle as bundles
from pipeline.demo.see.classifier import classify


def test_scores_are_the_calibrated_mean_of_both_views_in_one_call(model, monkeypatch):
    bundle = bundles.Bundle.load(model)
    crops = np.random.default_rng(1).integers(0, 256, (3, 48, 48), dtype="uint8")
    crops[:, :, :24] //= 4
    calls = []
    predict = bundles.Bundle.predict
    monkeypatch.setattr(bundles.Bundle, "predict", lambda self, x: calls.append(len(x)) or predict(self, x))
    scores = classify(bundle, crops)
    assert calls == [6]
    assert scores.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert scores == pytest.approx(classify(bundle, crops[:, :, ::-1]), abs=1e-5), "a mirror image has the same scores"
    mean = (predict(bundle, crops) + predict(bundle, crops[:, :, ::-1])) / 2
    root = np.sqrt(mean)  # temperature 2
    assert scores == pytest.approx(root / root.sum(axis=1, keepdims=True), abs=1e-5)
    single = np.sqrt(predict(bundle, crops))
    assert classify(bundle, crops, flip=False) == pytest.approx(single / single.sum(axis=1, keepdims=True), abs=1e-5)


def test_no_faces_give_no_scores(model):
    assert classify(bundles.Bundle.load(model), np.zeros((0, 48, 48), "uint8")).shape == (0, 7)
