"""Corruption robustness: the figures are those of the served file on the damaged faces, and go into the records."""

import json
import shutil

import numpy as np
import pytest
import toy_models

from pipeline.evaluate import command, measure, plots, robustness, severity
from pipeline.evaluate.intervals import wilson
from pipeline.faces.corruptions import CORRUPTIONS, Corruption
from pipeline.params.params import Evaluate
from pipeline.system.failure import Failure
from pipeline.tracking import ledger
from pipeline.tracking.entry import Entry

SETTINGS = Evaluate(confidence=0.95)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A bundle that goes by brightness alone, and faces of one brightness each."""
    return toy_models.bundle(tmp_path_factory.mktemp("robustness") / "bundle", off=9), toy_models.faces("sample", 6)


@pytest.fixture(scope="module")
def evaluation(model):
    return measure.evaluate(*model, SETTINGS)


def test_both_splits_are_measured_under_every_corruption(model, evaluation):
    bundle, faces = model
    assert set(evaluation.robustness) == {"PublicTest", "PrivateTest"}
    for split, of_split in evaluation.robustness.items():
        part = faces.split(split)
        assert of_split["n"] == len(part)
        assert list(of_split["accuracy"]) == [corruption.name for corruption in CORRUPTIONS]
        brighter = bundle.predict(Corruption("gamma", 0.5)(part.images)).argmax(axis=1) == part.labels
        clean = evaluation.figures[split]["single"]["accuracy"]
        assert of_split["accuracy"]["gamma-0.5"] == pytest.approx(brighter.mean(), abs=1e-6)
        assert of_split["accuracy"]["gamma-0.5"] < of_split["accuracy"]["blur-1.5"] == pytest.approx(clean, abs=1e-6)


def test_mean_and_worst_are_over_the_corruptions():
    right = np.ones((len(CORRUPTIONS), 10), bool)
    right[6, :4] = False
    found = robustness.figures(right)
    assert (found["n"], found["worst"], found["mean"]) == (10, 0.6, pytest.approx(1 - 0.4 / len(CORRUPTIONS)))
    assert robustness.worst(found) == "32 pixels scaled up"
    assert robustness.summary(found) == \
        "98.00 % on corrupted faces, the worst 60.00 % (32 pixels scaled up)"


def test_the_interval_of_the_mean_counts_an_image_once_and_not_once_a_corruption():
    """Every corruption is right on the same half of the images: as little is known as of one corruption alone."""
    right = np.tile(np.arange(400) % 2 == 0, (len(CORRUPTIONS), 1))
    low, high = robustness.figures(right)["interval"]
    whole = wilson(200, 400)
    assert (low, high) == (pytest.approx(whole.low, abs=0.01), pytest.approx(whole.high, abs=0.01))
    # each on another half of its own: the mean is known far better
    shuffled = np.random.default_rng(0).permuted(right, axis=1)
    narrow = robustness.figures(shuffled)["interval"]
    assert narrow[1] - narrow[0] < 0.4 * (high - low) and robustness.figures(right)["interval"] == [low, high]


def test_two_bundles_are_measured_on_the_same_damaged_faces(model, tmp_path):
    bundle, faces = model
    public = faces.split("PublicTest")
    both = robustness.correct([bundle, toy_models.bundle(tmp_path / "other", off=20)], public)
    assert np.array_equal(both[0], robustness.correct([bundle], public)[0])
    assert both[1].shape == (len(CORRUPTIONS), len(public)) and both[1].mean() < both[0].mean()


def test_a_large_model_is_not_measured_and_its_entry_says_nothing(model):
    small = SETTINGS.model_copy(update={"corrupted_bytes": 100})
    bundle, faces = model
    evaluation = measure.evaluate(bundle, faces, small)
    assert evaluation.robustness is None
    entry = ledger.entry(bundle, evaluation.figures, evaluation.milliseconds, evaluation.robustness)
    assert "robustness" not in entry.as_json() and "corrupted" not in entry.all_figures


def test_the_figures_are_in_the_report_the_ledger_and_the_run(model, evaluation, project):
    from pipeline.tracking import entering, runs

    bundle, _ = model
    entry = ledger.entry(bundle, evaluation.figures, evaluation.milliseconds, evaluation.robustness)
    path = entering.record(entry, bundle, evaluation.probabilities)
    again = Entry.read(path.read_bytes(), path, "a ledger entry", "restore it")
    assert again.robustness == evaluation.robustness
    assert measure.metrics(bundle, evaluation)["robustness"] == evaluation.robustness
    client = runs.connect()
    (run,) = client.search_runs([client.get_experiment_by_name("sample-7").experiment_id])
    mean = evaluation.robustness["PrivateTest"]["mean"]
    assert run.data.metrics["accuracy/PrivateTest_corrupted"] == pytest.approx(mean)


def test_the_picture_is_there_with_figures_and_without(model, evaluation, tmp_path):
    bundle, _ = model
    for name, measured in (("with", evaluation), ("without", measure.Evaluation(evaluation.figures, {}, 0.5))):
        plots.corrupted(tmp_path / f"{name}.png", measured, bundle)
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_prints_a_table_for_each_bundle(project, capsys):
    faces = toy_models.faces("sample", 3)
    faces.manifest.update(protocol="published", class_set="7", classes=list(faces.classes))
    faces.save(project / "data/sample/faces")
    bundle = toy_models.bundle(project / "data/sample/bundle", source_digest=faces.digest())
    command.main(["data/sample/bundle", "--plot", "curves.png"])
    rows = capsys.readouterr().out.splitlines()
    assert bundle.id in rows[0] and rows[1].split() == ["PublicTest", "PrivateTest"]
    assert [row[:24].strip() for row in rows[2:]] == ["as they are", *robustness.WORDS.values(), "mean of 20",
                                                      "worst of 20"]
    assert not (project / "reports").exists(), "nothing is recorded"
    assert (project / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_completes_an_older_entry_and_changes_nothing_in_it(project, capsys):
    faces = toy_models.faces("sample", 3)
    faces.manifest.update(protocol="published", class_set="7", classes=list(faces.classes))
    faces.save(project / "data/sample/faces")
    shutil.copy(toy_models.PARAMS, project)
    bundle = toy_models.bundle(project / "data/sample/bundle", source_digest=faces.digest())
    with pytest.raises(Failure, match=f"no entry of bundle {bundle.id}"):
        command.main(["data/sample/bundle", "--record"])
    path = toy_models.record(bundle)
    before = json.loads(path.read_text())
    command.main(["data/sample/bundle", "--record"])
    after, kept = path.read_bytes(), ledger.probabilities(ledger.recorded(bundle))
    assert {**before, "robustness": json.loads(after)["robustness"]} == json.loads(after)
    assert kept["PrivateTest"].shape == (len(faces.split("PrivateTest")), 7)
    command.main(["data/sample/bundle", "--record"])
    assert path.read_bytes() == after and f"recorded: {path}" in capsys.readouterr().out


def test_the_curves_have_every_corruption_once_beside_the_face_as_it_is():
    """From the mildest to the strongest; gamma and contrast on both sides of the face as it is."""
    panels = severity.panels()
    drawn = [name for ticks in panels.values() for _, name in ticks if name]
    assert sorted(drawn) == sorted(corruption.name for corruption in CORRUPTIONS) and len(panels) == 10
    assert [text for text, _ in panels["JPEG, quality"]] == ["none", "50", "20"]
    assert panels["gamma"] == [("0.5", "gamma-0.5"), ("1", None), ("2", "gamma-2")]
    assert panels["hidden"] == [("none", None), ("eyes", "eyes-hidden"), ("mouth", "mouth-hidden")]
