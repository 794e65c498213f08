"""Evaluation: the figures are those of the model that is served, on the data that it was trained beside."""

import csv

import numpy as np
import pytest
import toy_models

from pipeline.evaluate import measure
from pipeline.params import params
from pipeline.system.failure import Failure

SETTINGS = params.load(toy_models.PARAMS).evaluate


@pytest.fixture
def model(tmp_path):
    return toy_models.bundle(tmp_path / "bundle", off=9), toy_models.faces("sample")


def test_every_split_and_view_is_there_and_the_test_folder_is_both(model):
    found, probabilities = measure.evaluate(*model, SETTINGS)
    assert {split: set(views) for split, views in found.items()} == {
        "PublicTest": {"single", "flip"}, "PrivateTest": {"single", "flip"}, "test": {"single", "flip"},
        "Training": {"single"}}
    counts = {split: views["single"]["n"] for split, views in found.items()}
    assert counts["test"] == counts["PublicTest"] + counts["PrivateTest"] == len(probabilities)
    bundle, faces = model
    public = faces.split("PublicTest")
    right = (bundle.predict(public.images).argmax(axis=1) == public.labels).mean()
    assert found["PublicTest"]["single"]["accuracy"] == pytest.approx(right, abs=1e-6)
    assert 0 < right < 1, "the toy errs sometimes"
    low, high = found["PublicTest"]["single"]["interval"]
    assert low < right < high


def test_predictions_hold_every_test_face_once_and_agree_with_the_figures(model, tmp_path):
    bundle, faces = model
    found, probabilities = measure.evaluate(bundle, faces, SETTINGS)
    measure.write_predictions(tmp_path / "predictions.csv", faces, bundle, probabilities)
    with open(tmp_path / "predictions.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["id"] for row in rows) == sorted(faces.split("PublicTest", "PrivateTest").ids)
    right = np.mean([row["actual"] == row["predicted"] for row in rows])
    assert right == pytest.approx(found["test"]["single"]["accuracy"], abs=1e-6)


def test_metrics_say_what_they_belong_to_and_hold_the_overfitting_gap(model):
    bundle, faces = model
    found, _ = measure.evaluate(bundle, faces, SETTINGS)
    said = measure.metrics(bundle, faces, found)
    assert {said[name] for name in ("dataset", "protocol", "bundle")} == {"sample", "published", bundle.id}
    gap = found["Training"]["single"]["accuracy"] - found["PublicTest"]["single"]["accuracy"]
    assert said["overfitting_gap"] == pytest.approx(gap, abs=1e-6)


def test_other_data_than_the_model_was_trained_beside_is_refused(model):
    bundle, faces = model
    faces.manifest["digest"] = "e" * 64
    with pytest.raises(Failure, match="splits may differ"):
        measure.evaluate(bundle, faces, SETTINGS)
