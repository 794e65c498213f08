"""Evaluation: the figures are those of the model that is served, on the data that it was trained beside."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import toy_models

from pipeline.bundle.bundle import Bundle
from pipeline.evaluate import measure
from pipeline.faces.copies import Copies
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


def test_the_copy_free_figures_are_of_the_test_images_without_any_copy_in_training(model):
    bundle, faces = model
    images = np.random.default_rng(0).integers(0, 256, faces.images.shape).astype("uint8")
    training, public = (np.flatnonzero(faces.splits == split) for split in ("Training", "PublicTest"))
    images[public[0]] = images[training[0]]
    images[public[-1]] = images[public[1]]
    faces = replace(faces, images=images)
    pairs = np.array([faces.ids[training[5]]]), np.array([faces.ids[public[2]]])
    near = Copies(faces.manifest["digest"], *pairs, np.array([0.9]), np.array([False]))
    evaluation = measure.evaluate(bundle, faces, SETTINGS, near)
    free = public[[row not in (0, 2) for row in range(len(public))]]
    single = evaluation.copy_free["PublicTest"]["single"]
    right = bundle.predict(faces.images[free]).argmax(axis=1) == faces.labels[free]
    assert single["n"] == len(public) - 2, "an exact copy and a near one; copies among the tests are none"
    assert single["accuracy"] == pytest.approx(right.mean(), abs=1e-6)
    assert evaluation.copy_free["PrivateTest"] == evaluation.figures["PrivateTest"]
    assert evaluation.figures == measure.evaluate(bundle, faces, SETTINGS).figures, "the published figures stay"
    assert f"of {len(public) - 2}, PrivateTest" in measure.copy_free_summary(evaluation)
    assert measure.metrics(bundle, evaluation)["copy_free"]["PublicTest"]["single"]["n"] == len(public) - 2
    assert measure.scores(evaluation.figures, evaluation.copy_free)["pub_free"] == round(single["accuracy"], 4)
    entry = ledger.entry(bundle, evaluation.figures, 0.5, None, evaluation.copy_free)
    again = type(entry).model_validate(entry.as_json())
    assert again.copy_free == evaluation.copy_free and "copy_free" in again.all_figures


def test_without_a_list_of_near_copies_there_are_no_copy_free_figures_and_it_says_so(model):
    evaluation = measure.evaluate(*model, SETTINGS)
    assert evaluation.copy_free is None and measure.metrics(model[0], evaluation)["copy_free"] is None
    assert "dvc repro validate" in measure.copy_free_summary(evaluation)
    entry = ledger.entry(model[0], evaluation.figures, 0.5)
    assert "pub_free" not in measure.scores(evaluation.figures)
    assert "copy_free" not in entry.as_json() and "copy_free" not in entry.all_figures


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
