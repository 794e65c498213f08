"""Evaluation: the figures are those of the model that is served, on the data that it was trained beside."""

import csv

import numpy as np
import pytest
import toy_models

from pipeline.bundle.bundle import Bundle
from pipeline.evaluate import measure
from pipeline.params import params
from pipeline.system.failure import Failure
from pipeline.tracking import ledger

SETTINGS = params.load(toy_models.PARAMS).evaluate


@pytest.fixture
def model(tmp_path):
    return toy_models.bundle(tmp_path / "bundle", off=9), toy_models.faces("sample")


def test_every_split_and_view_is_there_and_the_test_folder_is_both(model):
    evaluation = measure.evaluate(*model, SETTINGS)
    figures = evaluation.figures
    assert {split: set(views) for split, views in figures.items()} == {
        "PublicTest": {"single", "flip"}, "PrivateTest": {"single", "flip"}, "test": {"single", "flip"},
        "Training": {"single"}}
    counts = {split: views["single"]["n"] for split, views in figures.items()}
    assert counts["test"] == counts["PublicTest"] + counts["PrivateTest"]
    assert {split: len(rows) for split, rows in evaluation.probabilities.items()} == {
        split: counts[split] for split in ("PublicTest", "PrivateTest")}
    bundle, faces = model
    public = faces.split("PublicTest")
    right = (bundle.predict(public.images).argmax(axis=1) == public.labels).mean()
    assert figures["PublicTest"]["single"]["accuracy"] == pytest.approx(right, abs=1e-6)
    assert 0 < right < 1, "the toy errs sometimes"
    low, high = figures["PublicTest"]["single"]["interval"]
    assert low < right < high


def test_predictions_hold_every_test_face_once_and_agree_with_the_figures(model, tmp_path):
    bundle, faces = model
    evaluation = measure.evaluate(bundle, faces, SETTINGS)
    measure.write_predictions(tmp_path / "predictions.csv", faces, bundle, evaluation)
    with open(tmp_path / "predictions.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["id"] for row in rows) == sorted(faces.split("PublicTest", "PrivateTest").ids)
    right = np.mean([row["actual"] == row["predicted"] for row in rows])
    assert right == pytest.approx(evaluation.figures["test"]["single"]["accuracy"], abs=1e-6)


def test_metrics_say_what_they_belong_to_and_hold_the_overfitting_gap(model):
    bundle, faces = model
    evaluation = measure.evaluate(bundle, faces, SETTINGS)
    figures, metrics = evaluation.figures, measure.metrics(bundle, evaluation)
    assert {metrics[name] for name in ("dataset", "protocol", "bundle")} == {"sample", "published", bundle.id}
    gap = figures["Training"]["single"]["accuracy"] - figures["PublicTest"]["single"]["accuracy"]
    assert metrics["overfitting_gap"] == pytest.approx(gap, abs=1e-6)


def test_the_time_of_a_face_is_measured_here_and_goes_into_the_ledger_as_it_is(model, monkeypatch):
    """Writing an entry measures nothing."""
    monkeypatch.setattr(Bundle, "milliseconds", lambda self: 0.12345)
    evaluation = measure.evaluate(*model, SETTINGS)
    assert evaluation.milliseconds == 0.12345
    monkeypatch.setattr(Bundle, "milliseconds", lambda self: pytest.fail("measured again"))
    entry = ledger.entry(model[0], evaluation.figures, evaluation.milliseconds)
    assert entry.milliseconds == 0.123 and entry.figures == evaluation.figures
    assert "milliseconds" not in ledger.unmeasured(model[0]).as_json()


def test_other_data_than_the_model_was_trained_beside_is_refused(model):
    bundle, faces = model
    faces.manifest["digest"] = "e" * 64
    with pytest.raises(Failure, match="splits may differ"):
        measure.evaluate(bundle, faces, SETTINGS)
