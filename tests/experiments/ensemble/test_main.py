"""An ensemble is a bundle like any other: one file, measured, recorded, promoted and shown as a trained one is."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import toy_models

from pipeline.bundle import int8
from pipeline.bundle.bundle import Bundle, sha256
from pipeline.experiments import quantise
from pipeline.experiments.ensemble import main as ensemble
from pipeline.experiments.ensemble import members, merging, weighting
from pipeline.params.params import Evaluate, Promote
from pipeline.params.recipe import Quantise
from pipeline.promote import challenge
from pipeline.reporting import figures
from pipeline.reporting.bench import inference
from pipeline.system.failure import Failure
from pipeline.tracking import entering, ledger, promotions, rebuild, registry, restoring, runs, shelves

EVALUATION = Evaluate(confidence=0.95, corrupted_bytes=0)
GATES = SimpleNamespace(promote=Promote(min_gain=0.0, confidence=0.9, min_class_recall=0.0), seed=1,
                        evaluate=EVALUATION)


@pytest.fixture(scope="module")
def faces():
    return toy_models.patterned(per_class=12, noise=40.0)


def voters(place, faces, count=3, **facts):
    return sorted((toy_models.voter(place / f"v{seed}", faces, seed, **facts) for seed in range(1, count + 1)),
                  key=lambda bundle: bundle.id)


def made(found, faces, weighted="recall", sizes=None):
    public = faces.with_classes(found[0].class_set).split("PublicTest")
    return ensemble.ensemble(ensemble.choose(found, public, weighted, sizes), faces, EVALUATION)


# The merged file


@pytest.mark.parametrize("name", ledger.WEIGHTINGS)
def test_the_merged_file_says_what_the_members_weighted_mean_is(tmp_path, project, faces, name):
    found, public = voters(tmp_path, faces), faces.split("PublicTest")
    predictions = np.stack([one.predict(public.images) for one in found])
    weights = weighting.weights(name, predictions, public.labels)
    merging.merge([one.folder / "model.onnx" for one in found], weights, tmp_path / "model.onnx", [None] * 3)
    merged = sha256(tmp_path / "model.onnx")
    manifest = found[0].manifest.model_copy(update={"files": {"model.onnx": merged}})
    answers = Bundle(tmp_path, manifest, "draft").predict(public.images)
    np.testing.assert_allclose(answers, weighting.combine(predictions, weights), atol=1e-6)
    assert np.abs(answers - predictions[0]).max() > 0.05, "members that differ"


def test_members_of_seven_classes_count_in_an_ensemble_of_six(tmp_path, project, faces):
    seven = toy_models.voter(tmp_path / "seven", faces, 1)
    six = toy_models.voter(tmp_path / "six", faces, 2, class_set="6")
    found = sorted([seven, six], key=lambda one: one.id)
    assert [members.class_set(group, asked) for group, asked in (
        (found, None), ([seven, seven], "6"), ([seven, seven], None))] == ["6", "6", "7"]
    for group, asked in ((found, "7"), ([seven, six], "8")):
        with pytest.raises(Failure, match="knows the class set"):
            members.class_set(group, asked)
    public = faces.with_classes("6").split("PublicTest")
    bundle = ensemble.ensemble(ensemble.choose(found, public, "mean", None), faces, EVALUATION).bundle
    told = seven.predict(public.images)
    merged = np.stack([told[:, 0] + told[:, 1], *told.T[2:]], axis=1)
    np.testing.assert_allclose(bundle.predict(public.images), (merged + six.predict(public.images)) / 2, atol=1e-5)
    entry, = ledger.entries("sample")
    assert entry.class_set == "6" and entry.classes == public.classes == bundle.classes
    assert "1 `toy`, 1 `toy` of 7 classes" in figures.title(entry)


@pytest.mark.slow
def test_int8_and_float_members_mix(tmp_path, project, faces):
    first, second = voters(tmp_path, faces, 2)
    small = int8.quantise(first, tmp_path / "int8", faces, Quantise(faces=32, max_loss=1.0), run_id="5" * 32)
    mixed = made(sorted([small, second], key=lambda one: one.id), faces, "accuracy").bundle
    assert {one["int8"] for one in mixed.provenance.config["members"].values()} == {True, False}
    assert mixed.provenance.parity < 1e-4
    assert "1 `toy`, 1 `toy` in int8" in figures.title(ledger.recorded(mixed))


def test_a_file_that_answers_otherwise_is_not_written(tmp_path, project, faces):
    found, public = voters(tmp_path, faces, 2), faces.split("PublicTest")
    predictions = np.stack([one.predict(public.images) for one in found])
    with pytest.raises(Failure, match=r"the merged ONNX file and the members' mean differ by"):
        merging.write(tmp_path / "new", found, np.ones((2, 7)), public, predictions[::-1] ** 2,
                      merging.provenance(found, "7", {"seed": 0}))
    assert not (tmp_path / "new").exists()


# By the door of every model


@pytest.mark.slow
def test_it_enters_once_and_says_how_it_came_about(tmp_path, project, faces):
    found = voters(tmp_path, faces, seconds=90.0, parameters=10, hardware="a box")
    entered = made(found, faces)
    bundle, entry = entered.bundle, entered.entry
    assert made(found, faces) == entered
    assert bundle.folder.resolve() == (project / "data/sample/ensembles" / bundle.id).resolve()
    assert set(bundle.manifest.files) == {"model.onnx", "history.csv"}
    assert ledger.entries("sample") == [entry]
    assert entry.bundle == bundle.id and entry.recipe == "ensemble"
    assert (entry.minutes, entry.parameters, entry.hardware) == (4.5, 30, "a box")
    assert entry.epochs.model_dump() == {"run": 6, "asked": 6, "best": 1}
    about = entry.config["members"]
    assert list(about) == [one.id for one in found]
    assert {one["run_id"] for one in about.values()} == {one.run_id for one in found}
    public = faces.split("PublicTest")
    predictions = np.stack([one.predict(public.images) for one in found])
    np.testing.assert_allclose([one["weights"] for one in about.values()],
                               weighting.weights("recall", predictions, public.labels), atol=1e-6)
    right = (weighting.combine(predictions, weighting.weights("recall", predictions, public.labels)).argmax(axis=1)
             == public.labels).mean()
    assert entry.figures["PublicTest"]["single"]["accuracy"] == pytest.approx(right, abs=1e-6)
    assert entry.history[0]["val_accuracy"] == pytest.approx(right, abs=1e-6)
    assert entry.figures["PrivateTest"]["flip"]["n"] == len(faces.split("PrivateTest"))
    run = runs.connect().get_run(bundle.run_id)
    assert run.data.params[f"members.{found[0].id}.run_id"] == found[0].run_id
    assert run.data.params["weighting"] == "recall" and run.data.tags["kind"] == "ensemble"
    assert run.data.metrics["accuracy/PrivateTest"] == entry.figures["PrivateTest"]["single"]["accuracy"]
    assert len(made(found, faces, "mean").bundle.provenance.config["members"]) == 3
    assert len(ledger.entries("sample")) == 2, "other weights, another model"


def test_the_search_chooses_the_best_subset_and_tells_what_it_cost(tmp_path, project, faces):
    found, public = voters(tmp_path, faces, 4), faces.split("PublicTest")
    choice = ensemble.choose(found, public, "all", (2, 11))
    predictions = np.stack([one.predict(public.images) for one in found])
    best = weighting.search(predictions, public.labels, (2, 4), ledger.WEIGHTINGS)
    assert [one.id for one in choice.members] == [found[index].id for index in best.members]
    assert choice.weighting == best.weighting and choice.seconds > 0
    assert (choice.search["sizes"], choice.search["tried"]) == ([2, 4], 33)
    assert choice.search["of"] == [one.id for one in found]
    assert (weighting.combine(choice.predictions, choice.weights).argmax(axis=1) == public.labels).sum() == best.right
    assert ensemble.choose(found, public, "all", None).search["tried"] == 3, "all members, the best weighting"
    named = ensemble.choose(found, public, "mean", None)
    assert named.search is None and len(named.members) == 4


def test_members_are_asked_once_and_a_broken_answer_is_asked_again(tmp_path, project, faces, monkeypatch):
    found, public = voters(tmp_path, faces, 2), faces.split("PublicTest")
    first = members.predictions(found, public)
    with monkeypatch.context() as patched:
        patched.setattr(Bundle, "predict", lambda *_: pytest.fail("asked again"))
        np.testing.assert_array_equal(members.predictions(found, public), first)
    for file in (project / "data/sample/ensembles/.cache").iterdir():
        file.write_bytes(b"half")
    np.testing.assert_array_equal(members.predictions(found, public), first)


@pytest.mark.parametrize(("protocols", "said"), [(("leak-free", "leak-free"), "leak-free"),
                                                  (("leak-free", "published"), "published")])
def test_it_is_leak_free_only_when_all_members_are(tmp_path, faces, protocols, said):
    found = [toy_models.voter(tmp_path / f"v{seed}", faces, seed, protocol=protocol, data_digest=str(seed))
             for seed, protocol in enumerate(protocols)]
    provenance = merging.provenance(found, "7", {"seed": 0})
    assert provenance.protocol == said
    assert provenance.data_digest not in ("0", "1")
    assert provenance.source_digest == found[0].provenance.source_digest


# Who is meant


@pytest.mark.slow
def test_a_member_is_a_folder_an_id_a_run_or_a_version(tmp_path, project, faces):
    by_folder = toy_models.voter(tmp_path / "v1", faces, 1)
    by_id = toy_models.voter(project / "data/sample/imported/x", faces, 2)
    by_run = toy_models.voter(project / "data/sample/bundle", faces, 3)
    gone = toy_models.voter(tmp_path / "v4", faces, 4)
    version = entering.register("sample-7", gone)
    other = toy_models.voter(tmp_path / "v5", faces, 5)
    run_id = restoring.restore(ledger.unmeasured(other), other)
    for one in (gone, other):
        shutil.rmtree(one.folder)
    names = [str(by_folder.folder), by_id.id, by_run.run_id, f"sample-7/{version}", run_id]
    found = members.find(names, tmp_path / "fetched")
    assert [one.id for one in found] == sorted(one.id for one in (by_folder, by_id, by_run, gone, other))


@pytest.mark.parametrize(("names", "said"), [
    (["nothing", "v2"], "nothing: no bundle's folder, no id .* no MLflow run id and no registered version"),
    (["v1", "v1"], "v1: bundle [0-9a-f]{12}, which v1 is too; name every member once"),
    (["v1"], "an ensemble has at least two members"),
    (["v1", "sample-7/99"], "MLflow at sqlite:"),
    (["v1", "f" * 32], "run f{32}: no bundle of it here or in MLflow"),
])
def test_what_is_no_member_is_one_line(project, faces, names, said):
    for seed in (1, 2):
        toy_models.voter(project / f"v{seed}", faces, seed)
    with pytest.raises(Failure, match=said) as caught:
        members.find(names, project / "fetched")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("other", "said"), [
    ({"source_digest": "f" * 64}, "source_digest f{12}, of .* d{12};"),
    ({"dataset": "fer2013"}, "dataset fer2013, of .* sample;"),
])
def test_members_that_do_not_go_together_are_one_line(tmp_path, faces, other, said):
    found = [toy_models.voter(tmp_path / "one", faces, 1), toy_models.voter(tmp_path / "two", faces, 2, **other)]
    with pytest.raises(Failure, match=said):
        members.check(found)


def test_quantising_or_timing_an_ensemble_is_refused(tmp_path, faces):
    bundle = toy_models.voter(tmp_path / "made", faces, 1, recipe="ensemble")
    with pytest.raises(Failure, match="is an ensemble; quantise its members"):
        quantise.quantise(bundle, faces, Quantise(), EVALUATION)
    with pytest.raises(Failure, match="is an ensemble, which has no Keras network"):
        inference.main([str(bundle.folder)])


# What comes after


@pytest.mark.slow
def test_six_classes_are_promoted_rebuilt_and_shown(tmp_path, project, faces, database, capsys, monkeypatch):
    from pipeline.demo.main import main as demo
    from pipeline.download.drawn import clip

    bundle = made(voters(tmp_path, faces, class_set="6"), faces).bundle
    assert challenge.promote(GATES, bundle, faces).decision == "promoted"
    assert registry.champion("sample-6") == ("1", bundle.id)
    assert bundle.id in shelves.bundles("test")
    shutil.copyfile(database, project / "again.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///again.db")
    assert rebuild.rebuild() == 1
    assert registry.champion("sample-6") == ("1", bundle.id)
    client = runs.connect()
    run = client.get_run(client.get_model_version("sample-6", "1").run_id)
    assert run.data.params["weighting"] == "recall"

    import cv2

    cv2.imwrite(str(project / "people.png"), next(clip.frames(1, 1)))
    demo([str(project / "people.png"), "--headless", "--out", str(project / "seen.png"), "--model",
          str(bundle.folder), "--unsure-below", "0"])
    said = capsys.readouterr().out.splitlines()[-2]
    assert (project / "seen.png").stat().st_size > 10_000 and any(name in said for name in bundle.classes), said


@pytest.mark.slow
def test_one_too_heavy_for_git_is_refused_and_the_line_says_what_to_do(project, tmp_path, monkeypatch):
    some = toy_models.patterned("fer2013", per_class=12)
    bundle = made(voters(tmp_path, some, 2), some).bundle
    monkeypatch.setattr("pipeline.promote.decision.MOST_BYTES", 1000)
    challenge.promote(GATES, bundle, some)
    reason, = promotions.records("fer2013")[0].reasons
    assert "the committed champion stays small; show the ensemble with `ferpipe demo --model data/fer2013/ens" in reason
    assert not (project / "data/champion").exists()


@pytest.mark.slow
def test_the_command_says_what_it_tried_and_made(project, faces, capsys):
    toy_models.small_run(project)
    faces.save(project / "data/sample/faces")
    digest = json.loads((project / "data/sample/faces/manifest.json").read_text())["digest"]
    names = [str(toy_models.voter(project / f"v{seed}", faces, seed, source_digest=digest).folder)
             for seed in (1, 2, 3)]
    ensemble.main([*names, "--weights", "all", "--search", "2", "3"])
    said = capsys.readouterr().out
    assert "12 ensembles of 2 to 3 of 3 models tried on PublicTest in " in said
    entry, = ledger.entries("sample")
    assert figures.title(entry) in said and entry.bundle in said and "PrivateTest" in said
    # another search is told as such, whatever it finds
    ensemble.main([*names, "--weights", "all", "--search", "3", "3"])
    ensemble.main([*names, "--weights", "all", "--search", "3", "3", "--classes", "6"])
    assert sorted(entry.class_set for entry in ledger.entries("sample")) == ["6", "7", "7"]
    for wrong in (["--search", "2"], ["--search", "3", "2"], ["--search", "1", "2"]):
        with pytest.raises(SystemExit):
            ensemble.main([*names, *wrong])
    assert "two numbers of members" in capsys.readouterr().err
