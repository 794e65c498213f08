"""Replications: what they compare, what they may conclude, and that no training is done twice."""

import contextlib
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import toy_models

from pipeline.evaluate.intervals import student, wilson
from pipeline.experiments import elsewhere
from pipeline.experiments.log import log
from pipeline.experiments.replications import combined, main, measuring, page, plan
from pipeline.experiments.replications.evidence import estimate, share, verdict
from pipeline.faces.corruptions import CORRUPTIONS
from pipeline.params import params
from pipeline.params import recipe as recipes
from pipeline.reporting.extra_labels import of_recipe
from pipeline.system.failure import Failure

ROOT = Path(__file__).parents[3]
REPLICATION = """
title: Toys
question: A finding.
source: somebody
scale: a toy
recipe: compact
values: {model.stem: 4, model.width: 4, model.stages: 1, train.batch_size: 128}
variants:
  less: {training_share: 0.5, train.epochs: 1}
  more: {train.epochs: 1}
show: [accuracy, gap]
claims:
  - {higher: [more, accuracy], lower: [less, accuracy]}
published:
  more: {accuracy: 62}
"""
OTHER = REPLICATION.replace("less", "thin").replace("more: {train.epochs: 1}", "more: {train.epochs: 2}")


ENSEMBLES = REPLICATION.replace("show: [accuracy, gap]", """\
seeds: [1, 2]
ensembles:
  single: {size: 1}
  three, by recall: {size: 3, weighting: recall}
show: [accuracy, gap]""").replace("higher: [more", 'higher: ["three, by recall"')


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """A project with two toy replications, ``one`` and ``two``; they share the training on half of the images."""
    shutil.copy(toy_models.PARAMS, tmp_path)
    folder = tmp_path / "plans"
    folder.mkdir()
    (folder / "one.yaml").write_text(REPLICATION)
    (folder / "two.yaml").write_text(OTHER)
    monkeypatch.setattr(plan, "PLANS", folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


def entry(variant, hits, seed=1, **changes):
    return {"variant": variant, "seed": str(seed), "recipe": "cas", "values": "", "epochs": "7", "parameters": "220000",
            "minutes": "9.5", "accuracy": f"{hits}/1000", "training": "900/1000", "seen": "800/1000", **changes}


def test_every_replication_is_valid_and_its_values_are_parameters():
    assert set(plan.names()) >= {"balance", "transformations", "subset", "capacity", "overfitting", "per_class",
                                 "optimizer", "first_net"}
    for name in plan.names():
        replication = plan.named(name)
        for variant in replication.variants:
            recipe, values = replication.training(variant)
            values.pop("training_share", None)
            mine = params.load(toy_models.PARAMS, recipe=recipe).override(values)
            assert mine.train.precision == "auto" and mine.train.epochs <= 68, (name, variant)
            slim = mine.model.model_dump()["width"] <= 16 or recipe == "speedrun"
            assert slim, "for ten minutes of two cores"


@pytest.mark.parametrize(("one", "other"), [
    (("balance", "balanced"), ("transformations", "narrow")),
    (("balance", "balanced"), ("per_class", "seven")),
    (("balance", "unbalanced"), ("subset", "whole")),
    (("subset", "quarter"), ("overfitting", "plain")),
    (("first_net", "first"), ("optimizer", "adam")),
    (("first_net", "chosen"), ("per_class", "six")),
])
def test_replications_share_the_trainings_that_their_comments_name(one, other):
    first, second = (plan.named(name).training(variant) for name, variant in (one, other))
    assert first == second


def test_one_seed_counts_its_images_and_several_count_their_spread():
    assert share(["610/1000"]) == wilson(610, 1000)
    assert share(["580/1000", "640/1000"]) == student([0.58, 0.64])


@pytest.mark.parametrize(("hits", "word", "told"), [
    (700, "**Reproduces**", "higher (+10.0 points [5.8, 14.1])"),
    (610, "**Not decided**", "too close to tell (+1.0 points"),
    (500, "**Does not reproduce: the reverse**", "lower, not higher (-10.0 points"),
])
def test_the_sentence_follows_from_the_interval(toys, hits, word, told):
    said = verdict(plan.named("one"), [entry("more", hits), entry("less", 600)])
    assert said.startswith(f"{word} (one seed, whose own spread no interval counts): PublicTest accuracy: more ")
    assert f"against less 60.0, {told}" in said


def test_several_claims_may_reproduce_in_part_and_an_expectation_is_no_finding(toys):
    claim = "  - {higher: [less, accuracy], lower: [more, accuracy]}\npublished"
    expected = REPLICATION.replace("published", claim).replace("scale", "reported: false\nscale")
    (toys / "plans/one.yaml").write_text(expected)
    both = [entry(variant, hits, seed) for variant, hits in (("more", 700), ("less", 600)) for seed in (1, 2)]
    assert verdict(plan.named("one"), both).startswith("**As expected in part** (2 seeds)")


def test_the_page_tells_what_has_not_been_run_and_what_has(toys):
    text = page.page({"one": [], "two": [entry("more", 610), entry("thin", 500)]})
    assert "**Not run yet**: less, more." in text and "replications/one.png" not in text
    assert "![Toys](replications/two.png)" in text and "Here: a toy, 1 epochs" in text
    assert "| more | 61.0 [57.9, 64.0], seeds: 1 (62) | 29.0 [" in text, "the authors' figure stays last"


@pytest.mark.parametrize(("wrong", "said"), [
    (REPLICATION.replace("[accuracy, gap]", "[beauty]"), "there is no measure 'beauty'"),
    (REPLICATION.replace("higher: [more", "higher: [most"), "there is no variant 'most'"),
    (REPLICATION.replace("scale: a toy\n", ""), "scale: Field required"),
])
def test_a_wrong_replication_is_one_line(toys, wrong, said):
    (toys / "plans/one.yaml").write_text(wrong)
    with pytest.raises(Failure, match=r"one\.yaml: ") as caught:
        plan.named("one")
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_replication_is_one_line(toys):
    with pytest.raises(Failure, match="no replication 'beauty'; there are one, two"):
        main.main(["beauty"])


def test_a_share_of_training_is_a_share_of_every_class_and_leaves_the_tests_whole():
    faces = toy_models.faces("fer2013", per_class=8)
    thin = main.thinned(faces, 0.25, seed=3)
    assert set(thin.counts()["Training"].values()) == {2}
    assert thin.counts()["PublicTest"] == faces.counts()["PublicTest"]
    assert list(thin.ids) == list(main.thinned(faces, 0.25, seed=3).ids) != list(main.thinned(faces, 0.25, seed=4).ids)


@pytest.mark.slow
def test_variants_are_trained_once_on_public_test_alone_and_shared_between_replications(toys, capsys, monkeypatch):
    from pipeline.training import loop

    faces = toy_models.faces("fer2013", per_class=6)
    faces.manifest.update(protocol="published", class_set="7")
    faces.images[faces.splits == "PrivateTest"] = 0
    faces.save(toys / "data/fer2013/faces")
    main.main(["one"])
    first = log(file=main.FOLDER / "one.csv")
    assert [(found["variant"], found["training"].split("/")[1]) for found in first] == [("less", "21"), ("more", "42")]
    assert all(sum(int(found[name].split("/")[1]) for name in faces.classes) == 42 for found in first)
    assert not list((toys / ".checkpoints").iterdir()), "nothing is left to go on from"

    def diverge(*_, **__):
        raise loop.Diverged("no number")

    monkeypatch.setattr(loop, "fit_faces", diverge)
    main.main(["one", "two"])
    assert log(file=main.FOLDER / "one.csv") == first
    shared, diverged = log(file=main.FOLDER / "two.csv")
    assert shared == {**first[0], "variant": "thin"}
    assert (diverged["variant"], diverged["epochs"], diverged["accuracy"]) == ("more", "diverged", "0/42")
    assert "trained before as one, less" in capsys.readouterr().out
    text = (toys / "reports/replications.md").read_text()
    assert text.count("one seed, whose own spread") == 2 and "| diverged |" in text
    assert (toys / "reports/replications/one.png").stat().st_size > 5000


def test_an_entry_of_other_values_counts_no_more(toys):
    log(entry("more", 610, recipe="compact", values=plan.spelled(plan.named("one").training("more")[1])),
        main.FOLDER / "one.csv", main.COLUMNS)
    assert [found["variant"] for found in main.entries_of("one")] == ["more"]
    (toys / "plans/one.yaml").write_text(REPLICATION.replace("more: {train.epochs: 1}", "more: {train.epochs: 2}"))
    assert main.entries_of("one") == []


def test_a_class_that_the_class_set_lacks_has_no_figure():
    entries = [entry("six", 610, disgust="")]
    assert estimate(entries, "six", "disgust") is None and estimate(entries, "six", "gap") is not None
    assert np.isclose(estimate(entries, "six", "gap").mean, 0.29)


def test_no_ensemble_is_flattered_by_its_choice():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 3000)
    guesses = rng.random((12, 3000, 4))
    by_chance = combined.cross_validated(guesses, labels, 1, "mean").mean()
    assert abs(by_chance - 0.25) < 0.02, "a guesser is right by chance"
    knowing = guesses + np.where(np.arange(12)[:, None, None] < 3, 2 * np.eye(4)[labels], 0)
    right = combined.cross_validated(knowing, labels, 3, "accuracy")
    assert right.all(), "the three that know are found from either half"


def test_ensembles_of_other_trainings_are_combined_anew(toys):
    (toys / "plans/one.yaml").write_text(ENSEMBLES)
    before = plan.named("one").identity("single")
    (toys / "plans/one.yaml").write_text(ENSEMBLES.replace("more: {train.epochs: 1}", "more: {train.epochs: 2}"))
    assert before != plan.named("one").identity("single") == plan.named("one").identity("single")
    assert before != plan.named("one").identity("three, by recall")


@pytest.mark.slow
def test_ensembles_are_counted_once_and_their_networks_trained_again_only_for_missing_predictions(toys, capsys):
    (toys / "plans/one.yaml").write_text(ENSEMBLES)
    faces = toy_models.faces("fer2013", per_class=6)
    faces.manifest.update(protocol="published", class_set="7")
    faces.save(toys / "data/fer2013/faces")
    main.main(["one"])
    entries = log(file=main.FOLDER / "one.csv")
    assert [(found["variant"], found["seed"]) for found in entries] == [
        ("less", "1"), ("more", "1"), ("less", "2"), ("more", "2"), ("single", "0"), ("three, by recall", "0")]
    assert entries[-1]["accuracy"].endswith("/42") and entries[-1]["training"] == ""
    page = (toys / "reports/replications.md").read_text()
    assert "(one pool of 4 networks, whose own spread no interval counts): PublicTest accuracy: three, by r" in page
    assert (toys / "reports/replications/one.png").stat().st_size > 5000

    combined.predictions_file("one", plan.named("one"), "more", 2).unlink()
    capsys.readouterr()
    main.main(["one"])
    assert "epochs of" not in capsys.readouterr().out, "the entries exist"
    (toys / main.FOLDER / "one.csv").write_text((toys / main.FOLDER / "one.csv").read_text().rpartition('"three')[0])
    main.main(["one"])
    assert "more, seed 2: 1 epochs of" in (said := capsys.readouterr().out) and said.count("epochs of") == 1
    assert log(file=main.FOLDER / "one.csv") == entries


def test_corrupted_faces_count_each_image_once(monkeypatch):
    faces = toy_models.faces("fer2013")
    labels = faces.split("PublicTest").labels
    bright = [CORRUPTIONS[0](faces.split("PublicTest").images).mean((1, 2))]

    def predict(net, images):
        # right where the corruption leaves an image as bright as the first one does
        right = np.isclose(images.mean((1, 2)), bright[0])
        return np.eye(7)[np.where(right, labels, (labels + 1) % 7)]

    monkeypatch.setattr("pipeline.training.loop.predict", predict)
    hits, images = map(int, measuring.corrupted(SimpleNamespace(net=None), faces).split("/"))
    assert images == len(labels) and images / len(CORRUPTIONS) <= hits < images


class Nodes:
    """Stands in for a cluster: trains here, in the order in which trainings were submitted."""

    def __init__(self, folder):
        self.folder, self.jobs = folder, []

    def submit(self, tag, name, config, faces):
        self.jobs.append((tag, name, config, faces))

    def results(self):
        from pipeline.training import loop, output

        for number, (tag, _, config, faces) in enumerate(self.jobs):
            if config["train"]["epochs"] == 2:
                yield elsewhere.Trained(tag, None, "training: the loss is nan", diverged=True)
                continue
            out = self.folder / str(number)
            output.leave(out, config, faces, loop.fit_faces(config, faces, verbose=False))
            yield elsewhere.Trained(tag, out)


@pytest.mark.slow
def test_on_a_cluster_every_training_is_one_task_and_the_entries_are_the_same(toys, monkeypatch):
    from pipeline.training import loop

    faces = toy_models.faces("fer2013", per_class=6)
    faces.manifest.update(protocol="published", class_set="7")
    faces.save(toys / "data/fer2013/faces")
    main.main(["one"])
    here = log(file=main.FOLDER / "one.csv")
    shutil.rmtree(toys / "reports")
    nodes = Nodes(toys / "nodes")
    monkeypatch.setattr(elsewhere, "connected", lambda at, say: contextlib.nullcontext(nodes))
    main.main(["one", "two", "--on", "ray"])
    assert [name for _, name, _, _ in nodes.jobs] == ["one, less, seed 1", "one, more, seed 1", "two, more, seed 1"]
    minutes = {"minutes": ""}
    assert [entry | minutes for entry in log(file=main.FOLDER / "one.csv")] == [entry | minutes for entry in here]
    shared, diverged = sorted(log(file=main.FOLDER / "two.csv"), key=lambda entry: entry["variant"], reverse=True)
    assert (shared["variant"], shared["accuracy"]) == ("thin", here[0]["accuracy"])
    assert (diverged["variant"], diverged["epochs"]) == ("more", "diverged")
    nodes.jobs.clear()
    monkeypatch.setattr(loop, "fit_faces", lambda *_, **__: pytest.fail("trained again"))
    main.main(["one", "two", "--on", "ray"])
    assert not nodes.jobs


def test_on_a_cluster_what_fails_is_named_and_the_networks_of_ensembles_are_trained_too(toys, monkeypatch):
    (toys / "plans/one.yaml").write_text(ENSEMBLES)
    toy_models.faces("fer2013", per_class=6).save(toys / "data/fer2013/faces")
    assert main.missing({"one": [1]}) == [("one", variant, seed) for seed, variant in
                                          ((1, "less"), (1, "more"), (2, "less"), (2, "more"))]

    class Broken(Nodes):
        def results(self):
            yield from (elsewhere.Trained(tag, None, "no room") for tag, *_ in self.jobs)

    monkeypatch.setattr(elsewhere, "connected", lambda at, say: contextlib.nullcontext(Broken(toys)))
    with pytest.raises(Failure, match=r"^one, less, seed 1: no room; one, more, seed 1: no room; one, less, s"):
        main.main(["one", "--on", "ray"])


def test_the_committed_page_is_what_the_figures_say_and_its_caption_names_protocol_and_extra_labels(monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(ROOT))
    text = (ROOT / "reports/replications.md").read_text(encoding="utf-8")
    assert text == page.page({name: main.entries_of(name) for name in plan.names()}), "run `ferpipe replicate`"
    for name in plan.names():
        replication = plan.named(name)
        for recipe, values in map(replication.training, replication.variants):
            assert "balance.drop_leaks" not in values and not recipes.named(recipe)["balance"].get("drop_leaks")
            assert not values.get("train.votes") and not values.get("train.teacher")
            assert recipe == "speedrun" or of_recipe(recipe) == "none", "the caption excepts speedrun alone"
