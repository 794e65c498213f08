"""ferpipe trust: the page of what a model's answers are worth, and that the committed one is of the champion."""

import copy
import json
import re
from pathlib import Path

import pytest
import toy_models

from pipeline.bundle.bundle import Bundle
from pipeline.evaluate import behaviour, robustness
from pipeline.evaluate.trust import measure
from pipeline.reporting import trust
from pipeline.system.failure import Failure

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A bundle that goes by brightness, in a folder without MLflow's database; and what it is worth."""
    folder = tmp_path_factory.mktemp("trust")
    faces = toy_models.faces("fer2013", 6)
    faces.manifest.update(protocol="published", class_set="7", classes=list(faces.classes))
    faces.save(folder / "data/fer2013/faces")
    faces.manifest["digest"] = faces.digest()
    bundle = toy_models.bundle(folder / "data/champion", "fer2013", off=9, source_digest=faces.digest())
    return folder, bundle, faces, measure(bundle, faces)


def test_every_figure_is_of_both_tests_and_behaviour_opens_public_test_alone(measured):
    _, bundle, faces, found = measured
    for part in ("single", "flip", "agreement", "clean", "robustness"):
        assert list(found[part]) == ["PublicTest", "PrivateTest"]
    assert list(found["behaviour"]) == list(behaviour.CHANGES)
    private = faces.split("PrivateTest")
    right = (bundle.predict(private.images).argmax(axis=1) == private.labels).mean()
    assert found["clean"]["PrivateTest"] == found["single"]["PrivateTest"]["coverage"]["1.00"] \
        == pytest.approx(right, abs=1e-6)
    faces.images[faces.splits == "PrivateTest"] = 0
    try:
        assert behaviour.measure(bundle, faces.split("PublicTest").images) == found["behaviour"]
    finally:
        faces.images[faces.splits == "PrivateTest"] = private.images


def test_of_views_that_always_agree_the_page_draws_no_comfort(measured):
    """One gray level per face: mirror images are the same, so that agreement says nothing."""
    _, bundle, _, found = measured
    assert found["agreement"]["PublicTest"]["share"] == 1 and found["agreement"]["PublicTest"]["gain"][0] == 0
    text = trust.page(trust.facts(bundle), found)
    assert "`ferpipe predict` goes by the confidence alone." in text
    better = {split: {**one, "both_gain": (0.02, 0.01, 0.03)} for split, one in found["agreement"].items()}
    assert "it pays" in trust.page(trust.facts(bundle), {**found, "agreement": better})


def test_every_accuracy_error_and_mean_has_an_interval_and_the_protocol_is_called_as_people_do(measured):
    _, bundle, _, found = measured
    found = copy.deepcopy(found)
    text = trust.page({**trust.facts(bundle), "protocol": "leak-free"}, found)
    assert "seed 3, protocol without exact copies), measured" in text
    share, error = r"\d+\.\d \[\d+\.\d, \d+\.\d\]", r"\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]"
    for line in (rf"\| PrivateTest \| flip \| {share} \| {error} \| {error} \| \d\.\d{{3}} \|",
                 rf"\| PrivateTest \| single \|( {share} \|){{6}}", rf"\| eyes hidden \| {share} \| {share} \|",
                 rf"\| \*\*mean\*\* \| {share} \| {share} \|", rf"\| mirror image \| {share} \| {share} \|"):
        assert re.search(line, text), line
    for part in (*found["single"].values(), *found["flip"].values()):
        del part["coverage_intervals"], part["after"]["interval"], part["after"]["chance"]
    for of_split in found["robustness"].values():
        del of_split["interval"]
    older = trust.page(trust.facts(bundle), found)
    assert "not measured |" in older and re.search(r"\| \*\*mean\*\* \| \d+\.\d \|", older)


def test_what_the_temperature_does_to_the_error_follows_from_the_figures(measured):
    _, bundle, _, found = measured

    def text(*errors):
        single = {split: {**found["single"][split], **{
            when: {**found["single"][split][when], "ece": error} for when, error in zip(("before", "after"), pair,
                                                                                       strict=True)}}
                  for split, pair in zip(("PublicTest", "PrivateTest"), errors, strict=True)}
        return trust.page(trust.facts(bundle), {**found, "single": single}).replace("\n", " ")

    mixed = text((0.017, 0.028), (0.021, 0.011))
    assert "it rises from 0.017 to 0.028 on PublicTest and it falls from 0.021 to 0.011 on PrivateTest" in mixed
    assert "at most 0.02, the aim, is reached on PrivateTest and not on PublicTest." in mixed
    assert "is reached on PublicTest and PrivateTest." in text((0.03, 0.02), (0.02, 0.01))
    assert "is reached on neither." in text((0.03, 0.03), (0.05, 0.04))
    assert "it stays at 0.030 on PublicTest" in text((0.0301, 0.0299), (0.05, 0.04))


def test_the_command_writes_the_champions_page_and_prints_that_of_others(measured, monkeypatch, capsys):
    folder, bundle, _, found = measured
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr(trust, "measure", lambda *_: found)
    (folder / "reports").mkdir()
    trust.main(["data/champion"])
    assert not list((folder / "reports").iterdir()) and "![" not in capsys.readouterr().out
    trust.main([])
    assert {path.name for path in (folder / "reports/trust").iterdir()} == {
        "calibration.png", "corrupted.png", "trust.json"}
    kept = trust.kept()
    text = (folder / "reports/trust.md").read_text(encoding="utf-8")
    assert kept["bundle"] == bundle.id and text == trust.page(kept, kept["figures"])
    card = {"format": 1, "digest": "d", "source": "ledger", "accuracy": {}, "copies": {}, "conditions": {},
            "robustness": None, "calibration": found["flip"]}
    for owner, single in (("another", found["single"]), (bundle.id, found["flip"])):
        (folder / "reports/champion").mkdir(exist_ok=True)
        (folder / "reports/champion/measurements.json").write_text(json.dumps({**card, "bundle": owner}))
        trust.main([])
        assert trust.kept()["figures"]["single"] == single, "the card's figures, where it is this bundle's"
    assert text.count("\n| eyes hidden |") == 1 and all(words in text for words in robustness.WORDS.values())


def test_other_faces_are_refused(measured):
    _, bundle, *_ = measured
    other = toy_models.faces("fer2013", 6)
    with pytest.raises(Failure, match="splits may differ"):
        measure(bundle, other)


def test_the_committed_page_is_of_the_champion(monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(ROOT))
    kept = trust.kept()
    assert kept["bundle"] == Bundle.load(ROOT / "data/champion").id, "run `ferpipe trust`"
    page = (ROOT / "reports/trust.md").read_text(encoding="utf-8")
    assert page == trust.page(kept, kept["figures"]), "run `ferpipe trust`"
    assert kept["figures"]["single"]["PrivateTest"]["after"]["ece"] <= trust.AIM
    card = json.loads((ROOT / "reports/champion/measurements.json").read_text(encoding="utf-8"))
    assert kept["figures"]["single"] == card["calibration"], "run `ferpipe card`, then `ferpipe trust`"
