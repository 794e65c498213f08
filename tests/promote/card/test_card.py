"""The model card: everything on it comes from the bundle, the ledger, the record and what evaluate measured."""

import csv
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import toy_models

from pipeline.bundle.bundle import Bundle
from pipeline.faces.faces import EMOTIONS, Faces
from pipeline.params.params import Evaluate, Promote
from pipeline.promote import challenge
from pipeline.promote.card import facts as facts_module
from pipeline.promote.card import main, measured, pictures, writing
from pipeline.system.failure import Failure
from pipeline.tracking import ledger, promotions

ROOT = Path(__file__).parents[3]
SETTINGS = Evaluate(confidence=0.95)
NOTHING = {"accuracy": {}, "calibration": {}, "copies": {}, "conditions": {}, "robustness": None}


@pytest.fixture
def champion(project, monkeypatch):
    """A champion in git that errs on a quarter of the faces, its faces and its promotion on record; params.yaml."""
    bundle = toy_models.bundle(project / "data/champion", "fer2013", off=9)
    (bundle.folder / "promotion.json").write_text(json.dumps({"name": "fer2013-7", "version": 4}))
    toy_models.faces("fer2013", 8).save(project / "data/fer2013/faces")
    source = json.loads((project / "data/fer2013/faces/manifest.json").read_text())["digest"]
    manifest = json.loads((bundle.folder / "bundle.json").read_text())
    manifest["provenance"]["source_digest"] = source
    (bundle.folder / "bundle.json").write_text(json.dumps(manifest))
    bundle = Bundle.load(bundle.folder)
    promotions.append("fer2013", toy_models.promotion("fer2013-7", bundle.id))
    toy_models.small_run(project)
    return bundle


@pytest.fixture
def undrawn(monkeypatch):
    """Without pictures, which take seconds."""
    monkeypatch.setattr(pictures, "draw", lambda *_: None)


def card() -> str:
    return Path("reports/champion/card.md").read_text(encoding="utf-8")


def test_the_card_of_a_champion_that_the_ledger_does_not_have_is_measured_and_drawn(champion, capsys):
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("corrupted_bytes: 0", "corrupted_bytes: 4000000"))
    main.main([])
    folder = Path("reports/champion")
    assert {path.name for path in folder.iterdir()} == {
        "card.md", "card.html", "description.md", "measurements.json", "predictions.csv", "confusion.png",
        "per_class.png", "calibration.png", "robustness.png", "conditions.png"}
    text = card()
    for link in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text):
        assert (folder / link).stat().st_size > 5_000
    assert f"`{champion.id}`" in text and "fer2013-7, version 4" in text and "The champion." in text
    assert "| accuracy, PrivateTest | 78.57 [" in text and "n = 56" in text
    assert "| mean |" in text and "blur of 0.7 pixels" in text and "brightness" in text
    assert "| PrivateTest | no exact copy in Training (near ones have not been looked for) |" not in text
    assert "| PrivateTest | an exact copy in Training | 56 | 78.57 [" in text, "the toys are the same in every split"
    bounded = r"\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]"
    assert re.search(rf"\| PrivateTest \| {bounded} \| {bounded} \| 78\.6 \[", text), "calibration"
    assert re.search(r"\| mean \| \d+\.\d\d \[\d+\.\d, \d+\.\d\] \|", text), "corrupted"
    assert "right on 80 %, %" in text and "the same without copies" not in text
    assert "Article 5(1)(f)" in text and "Article 50(3)" in text and "Article 3(39)" in text and "point 1(c)" in text
    assert "**Not measured, and it cannot be measured with this data**" in text
    assert "promoted: the first model." in text
    assert re.search(rf"\| from 20\d\d-\d\d-\d\d \| `toy` \| 3 \| `{champion.id}` \| 50\.00 \| not measured \|", text)
    html = (folder / "card.html").read_text(encoding="utf-8")
    assert '<h2 id="fairness">' in html and 'href="#fairness"' in html and "<table>" in html
    with open(folder / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 112 and {row["split"] for row in rows} == {"PublicTest", "PrivateTest"}
    assert np.mean([row["actual"] == row["predicted"] for row in rows]) == pytest.approx(0.7857, abs=1e-3)
    assert "predictions predicted again" in capsys.readouterr().out


def test_the_ledgers_figures_and_predictions_are_taken_where_it_has_them(champion, undrawn, monkeypatch):
    faces = toy_models.faces("fer2013", 8)
    predictions = {split: champion.predict(faces.split(split).images) for split in ("PublicTest", "PrivateTest")}
    ledger.record(ledger.entry(champion, toy_models.figures(PrivateTest=0.7357), 0.5), predictions)
    monkeypatch.setattr(measured, "evaluate", None)
    main.main([])
    assert "| accuracy, PrivateTest | 73.57 [72.1, 75.0] %, n = 3,589 |" in card() and "0.50 ms per face" in card()
    kept = json.loads(Path("reports/champion/measurements.json").read_text())
    assert kept["source"] == "ledger" and "entry" not in kept and kept["accuracy"]["PrivateTest"] == 0.785714
    assert "PrivateTest: the ledger has 73.57 %, the predictions" in card(), "a difference is said"


def test_the_text_is_written_again_without_faces_and_another_champion_is_measured(champion, undrawn, capsys):
    main.main([])
    before = card()
    shutil.move("data/fer2013/faces", "elsewhere")
    Path("reports/champion/card.md").unlink()
    main.main([])
    assert card() == before and "--again measures" in capsys.readouterr().out
    shutil.rmtree("data/champion")
    toy_models.bundle(Path("data/champion"), "fer2013", off=3)
    with pytest.raises(Failure, match=r"the faces to measure bundle .* on are missing; `dvc repro download`"):
        main.main([])
    assert card() == before


def test_extra_labels_and_teachers_without_a_ledger_entry_are_named(project, champion):
    kept = toy_models.entry(recipe="strong", bundle="kept", config={"train": {"votes": 0.4}})
    ledger.record(kept)
    path = Path("data/teacher/strong/published.npz")
    path.parent.mkdir(parents=True)
    members = [{"bundle": "kept", "recipe": "strong", "seed": 4},
               {"bundle": "lost", "recipe": "strong", "seed": 1, "without": "1/3"}]
    np.savez(path, about=json.dumps({"members": members}))
    student = toy_models.entry(config={"train": {"votes": 0.4, "teacher": 0.7, "teachers": "strong"}}, classes=EMOTIONS)
    nothing = measured.Measured(bundle="b1", digest="d", source="ledger", **NOTHING)
    facts = facts_module.Facts("fer2013-7", "1", champion, student, True, nothing, None)
    text = writing.markdown(facts, writing.CHAMPION, frozenset())
    assert "* FER+ votes, weight 0.4." in text and "teachers `strong`, weight 0.7" in text
    assert f"| `kept` | `strong` | 4 |  | FER+ votes, weight 0.4 | [entry](../results/{kept.filename}) |" in text
    assert "| `lost` | `strong` | 1 | fold 1/3 | not recorded | **none**: its weights are lost, its answers are kept" \
        in text
    assert "put in its place by hand" in text
    ledger.record(toy_models.entry(recipe="ensemble", bundle="both", config={
        "weighting": "mean", "members": {"lost": {"recipe": "strong", "int8": False, "votes": 0.4}}}))
    known = writing.markdown(facts, writing.CHAMPION, frozenset())
    assert "| fold 1/3 | FER+ votes, weight 0.4, teachers not recorded | **none**: its weights are lost" in known
    assert "[an ensemble](../results/ensemble-7-published-seed1-both.json) has its votes |" in known


def test_what_it_was_not_trained_on_follows_from_its_config(champion):
    nothing = measured.Measured(bundle="b1", digest="d", source="ledger", **NOTHING)

    def untrained(**config):
        entry = toy_models.entry(config=config)
        text = writing.markdown(facts_module.Facts("fer2013-7", "1", champion, entry, True, nothing, None),
                                writing.CHAMPION, frozenset())
        found = re.search(r"^\* Not trained on: faces (.*)\.$", text, re.MULTILINE)
        return found and found[1]

    assert untrained(members={}) is None, "an ensemble's members have configs of their own"
    assert untrained() == "from the side, turned, blurred or smaller than about 48 pixels, covered"
    assert untrained(augment={"rotation": 12.0, "strength": 0.5, "blur": 0.4, "mouth_hidden": 0.1, "glasses": 0.1}) == \
        "from the side, turned by more than 6 degrees, covered elsewhere than at the mouth and the eyes"
    for strategy, turned in (("none", "turned"), ("all", "turned by more than 30 degrees")):
        assert untrained(balance={"strategy": strategy, "rotation": 30.0}, augment={"glasses": 0.1}) == \
            f"from the side, {turned}, blurred or smaller than about 48 pixels, covered elsewhere than at the eyes"


def test_precision_and_every_corruption_have_intervals_too(champion):
    figures = toy_models.figures()
    single = figures["PrivateTest"]["single"]
    single["per_class"] = {name: {"precision": 0.8, "recall": recall, "f1": 0.6, "n": 80}
                           for name, recall in (("happy", 0.5), ("sad", 0.875), ("fear", 0.0))}
    single["confusion"] = [[40, 40, 0], [10, 70, 0], [0, 80, 0]]
    corrupted = {split: {"n": 100, "mean": 0.6, "worst": 0.5, "accuracy": dict.fromkeys(facts_module.WORDS, 0.5)}
                 for split in ("PublicTest", "PrivateTest")}
    kept = measured.Measured(bundle="b1", digest="d", source="ledger", **{**NOTHING, "robustness": corrupted})
    entry = toy_models.entry(figures=figures)
    text = writing.markdown(facts_module.Facts("fer2013-7", "1", champion, entry, True, kept, None), writing.CHAMPION,
                            frozenset())
    assert "| happy | 80 | 50.0 [39.3, 60.7] | 80.0 [67.0, 88.8] | 60.0 |" in text, "50 answers"
    assert "| fear | 80 | 0.0 [0.0, 4.6] | never answered | 60.0 |" in text
    assert "| eyes hidden | 50.00 [40.4, 59.6] | 50.00 [40.4, 59.6] |" in text
    assert "F1, their harmonic mean, is no\nshare of images and has no interval." in text


def test_the_evidence_counts_the_challengers_until_then_and_tells_of_the_seeds_that_public_test_chose_between(champion):
    before = {"bundle": champion.id, "run_id": None, "recipe": "toy", "seed": 3, "protocol": "published",
              "edition": "drawn"}
    record = toy_models.promotion("fer2013-7", "new", gates={"confidence": 0.9, "corrupted_confidence": 0.95},
                                  champion=before, gain=0.01, probability=0.95)
    for other in (toy_models.promotion("fer2013-7", "b1", decision="refused"), record,
                  toy_models.promotion("fer2013-7", "later", decision="refused")):
        promotions.append("fer2013", other)
    entries = [toy_models.entry(bundle=bundle, seed=seed, config={"train": {"votes": votes}, "seed": seed},
                                figures=toy_models.figures(PublicTest=accuracy))
               for bundle, seed, votes, accuracy in (("new", 3, 0.4, 0.7), ("two", 2, 0.4, 0.71), ("one", 1, 0.4, 0.6),
                                                     ("without", 4, 0.0, 0.8))]
    for entry in entries:
        ledger.record(entry)
    nothing = measured.Measured(bundle="new", digest="d", source="ledger", **NOTHING)

    def text(record):
        facts = facts_module.Facts("fer2013-7", "1", champion, entries[0], True, nothing, record)
        return writing.markdown(facts, writing.CHAMPION, frozenset())

    assert ("Challengers on this PublicTest until then: 3, this one included.\n"
            "It passed the gate on faces as they are: 3 have been compared on these, and the best of as many equal "
            "ones would pass it by luck in 22 %.\nThese counts leave out the models between which PublicTest "
            "chose before the challenge: this one is number 2 of the 3 seeds of its training in the "
            "ledger.\n") in text(record)
    old = ("gain -0.28 points (3 challengers so far on this PublicTest: of as many equal ones the best would pass by "
           "luck, on faces as they are, in 22 %)", "gain +0.83 points on corrupted faces")
    robuster = text(record.model_copy(update={"gain": -0.003, "probability": 0.1, "corrupted_gain": 0.008,
                                              "corrupted_probability": 0.99, "reasons": old}))
    assert ("It passed the gate on corrupted faces: 1 has been compared on these, and the best of as many equal ones "
            "would pass it by luck in 5 %.") in robuster, "by that gate's confidence and challengers"
    assert "on faces as they are, in" not in robuster and "gate on faces as they are" not in robuster
    assert "promoted: gain -0.28 points; gain +0.83 points on corrupted faces." in robuster
    later = text(record.model_copy(update={"challengers": 9}))
    assert "until then: 9, this one included" in later, "what the record says itself"
    assert "Challengers on this" not in text(toy_models.promotion("fer2013-7", champion.id)), "the first model"


def test_another_class_sets_champion_has_its_card_beside_its_data_sets_reports(project, undrawn):
    faces = toy_models.patterned(per_class=8)
    bundle = toy_models.voter(project / "six", faces, 1, "6", learnt=40)
    settings = SimpleNamespace(promote=Promote(min_gain=0.0, confidence=0.9, min_class_recall=0.0), seed=1,
                               evaluate=Evaluate(confidence=0.95, corrupted_bytes=0))
    assert challenge.promote(settings, bundle, faces).decision == "promoted"
    text = Path("reports/sample/champion-6/card.md").read_text(encoding="utf-8")
    assert "sample-6, version 1" in text and "angry, fear, happy, sad, surprise, neutral" in text
    assert "FER-2013 (Goodfellow" not in text and "its origin and licence are not known" in text
    assert not Path("reports/champion").exists()


def test_the_confusions_are_those_of_the_largest_share_of_a_class(champion):
    figures = toy_models.figures()
    matrix = np.diag([50] * 7)
    matrix[1, 0], matrix[2, 4], matrix[3, 6] = 50, 25, 1
    figures["PrivateTest"]["single"]["confusion"] = matrix.tolist()
    nothing = measured.Measured(bundle="b1", digest="d", source="ledger", **NOTHING)
    facts = facts_module.Facts("fer2013-7", "", champion, toy_models.entry(figures=figures), True, nothing, None)
    found = [(pair.true, pair.predicted, pair.count, round(pair.share, 3))
             for pair in facts.confusions("PrivateTest", 5)]
    assert found == [("disgust", "angry", 50, 0.5), ("fear", "sad", 25, 0.333), ("happy", "neutral", 1, 0.02)]


def test_the_registrys_description_fits_its_column_whatever_the_classes_are_called(champion):
    measurement = measured.measure(champion, Faces.load(Path("data/fer2013/faces")), SETTINGS)
    long = champion.manifest.model_copy(update={"classes": tuple(f"{number} {'x' * 200}" for number in range(60))})
    facts = writing.facts("fer2013-7", "1", champion, measurement.measured, None)
    assert 500 < len(writing.description(facts)) <= writing.MOST_CHARACTERS
    wide = writing.facts("fer2013-7", "1", Bundle(champion.folder, long, champion.id), measurement.measured, None)
    assert len(writing.description(wide)) == writing.MOST_CHARACTERS


def test_a_damaged_measurement_says_what_to_do(champion, undrawn):
    main.main([])
    Path("reports/champion/measurements.json").write_text("{half")
    with pytest.raises(Failure, match=r"not a card's measurements.*`ferpipe card --again`"):
        main.main([])


def test_the_committed_card_is_that_of_the_committed_champion(monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(ROOT))
    bundle, folder = Bundle.load(ROOT / "data/champion"), ROOT / "reports/champion"
    kept = measured.read(folder)
    assert kept is not None and kept.bundle == bundle.id, "run `ferpipe card`"
    facts = main.champion(bundle, kept)
    drawn = frozenset(path.name for path in folder.glob("*.png"))
    text = (folder / "card.md").read_text(encoding="utf-8")
    assert writing.markdown(facts, writing.CHAMPION, drawn) == text, "run `ferpipe card`"
    assert len(writing.description(facts)) < writing.MOST_CHARACTERS
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        if not link.startswith("http"):
            assert (folder / link).exists(), link
