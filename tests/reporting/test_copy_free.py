"""Copy-free figures of models that were measured before near copies were looked for."""

import json
from pathlib import Path

import numpy as np
import pytest
import toy_models

from pipeline.evaluate.robustness import TESTS
from pipeline.faces.copies import Copies
from pipeline.faces.faces import EMOTIONS, Faces
from pipeline.reporting import copy_free
from pipeline.system.failure import Failure
from pipeline.tracking import ledger

ROOT = Path(__file__).parents[2]
CSV = "id,split,actual,predicted\n{}\n"


@pytest.fixture
def faces(tmp_path, monkeypatch):
    """Six different faces a split; the first of PublicTest is an exact copy of one in Training, its second one a near
    copy by the list."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    images = np.random.default_rng(0).integers(0, 256, (18, 48, 48)).astype("uint8")
    images[6] = images[0]
    ids = np.array([f"face{row}" for row in range(18)])
    faces = Faces(images, ids, np.repeat(["Training", "PublicTest", "PrivateTest"], 6), np.arange(18) % 7,
                  {"dataset": "fer2013", "edition": "drawn", "class_set": "7", "classes": list(EMOTIONS)})
    faces.save(tmp_path / "data/fer2013/faces")
    faces.manifest["digest"] = faces.digest()
    Copies(faces.digest(), ids[[1]], ids[[7]], np.array([0.9]), np.array([False])).save(
        tmp_path / "data/fer2013/copies.json")
    return faces


def recorded(faces, wrong=(), beside=True, **changes):
    """An entry whose model is wrong on the test images with these ids; its predictions beside it or not."""
    made = toy_models.entry(source_digest=faces.manifest["digest"], classes=EMOTIONS, **changes)
    kept = {}
    for split in TESTS:
        part = faces.split(split)
        kept[split] = np.eye(7, dtype="float32")[(part.labels + np.isin(part.ids, wrong)) % 7]
    ledger.record(made, kept if beside else None)
    return made


def test_what_lies_beside_an_entry_is_counted_without_exact_and_near_copies_and_kept(faces, tmp_path):
    entry = recorded(faces, wrong=["face6", "face7", "face8", "face12", "face13", "face14"])
    found = copy_free.complete(ledger.entries())
    assert found == {"b1": {"PublicTest": {"n": 4, "accuracy": 0.75}, "PrivateTest": {"n": 6, "accuracy": 0.5}}}
    (tmp_path / "data/fer2013/copies.json").unlink()
    assert copy_free.kept() == found == copy_free.complete(ledger.entries()), "a clone without the faces has it too"
    with_it = copy_free.with_figures(entry, found)
    assert with_it.figures["PublicTest"]["single"] == {"n": 4, "accuracy": 0.75}
    assert copy_free.with_figures(entry, {}) is None


def test_the_champions_and_the_last_runs_predictions_count_where_the_entry_has_none(faces, tmp_path):
    for bundle in ("b1", "b2", "b3"):
        recorded(faces, beside=False, bundle=bundle)
    for about, bundle, wrong in (("champion/measurements.json", "b1", 9), ("fer2013/metrics.json", "b2", 12)):
        path = tmp_path / "reports" / about
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"bundle": bundle}))
        path.with_name("predictions.csv").write_text(CSV.format("\n".join(
            f"face{row},,happy,{'sad' if row == wrong else 'happy'}" for row in range(6, 18))))
    found = copy_free.complete(ledger.entries())
    assert found["b1"] == {"PublicTest": {"n": 4, "accuracy": 0.75}, "PrivateTest": {"n": 6, "accuracy": 1.0}}
    assert found["b2"]["PrivateTest"]["accuracy"] == pytest.approx(5 / 6, abs=1e-6) and "b3" not in found
    (tmp_path / "reports/champion/measurements.json").write_text("{}")
    with pytest.raises(Failure, match=r"measurements\.json: names no bundle"):
        copy_free.complete(ledger.entries())


def test_figures_of_the_entry_itself_come_first_and_other_faces_are_not_counted(faces):
    own = recorded(faces, copy_free=toy_models.figures(0.61))
    recorded(faces, bundle="b2")
    other = toy_models.entry(source_digest="other", classes=EMOTIONS, bundle="b4")
    ledger.record(other, {split: np.eye(7)[:6] for split in TESTS})
    found = copy_free.complete(ledger.entries())
    assert set(found) == {"b2"}
    assert copy_free.with_figures(own, {"b1": {}}).figures["PrivateTest"]["single"]["accuracy"] == 0.61


def test_a_broken_file_is_named(faces, tmp_path):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/copy-free.json").write_text('{"b1": []}')
    with pytest.raises(Failure, match=r"copy-free\.json: no copy-free figures .*restore it from git"):
        copy_free.kept()


def test_the_champions_committed_figures_are_those_of_its_card(monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(ROOT))
    card = json.loads((ROOT / "reports/champion/measurements.json").read_text(encoding="utf-8"))
    entry = next(entry for entry in ledger.entries() if entry.bundle == card["bundle"])
    of_champion = copy_free.with_figures(entry, copy_free.kept())
    for split in TESTS:
        part, figures = card["copies"][split]["no copy in Training"], of_champion.figures[split]["single"]
        assert (figures["n"], figures["accuracy"]) == (part["n"], pytest.approx(part["accuracy"], abs=1e-6)), \
            "run `ferpipe results`"


def test_the_pages_give_the_counts_of_copies_that_validation_found():
    found = json.loads((ROOT / "reports/fer2013/validation.json").read_text(encoding="utf-8"))
    exact, near = found["leaks"], found["near"]
    front, data, reports, index = (" ".join((ROOT / page).read_text(encoding="utf-8").split()) for page in (
        "README.md", "data/README.md", "reports/README.md", "reports/index.html"))
    either, pixels = f"{near['any']['Training in either']:,}", f"{exact['Training in either']:,}"
    for page in (front, index):
        assert f"with the {either} Training images that are copies of test images" in page
        assert f"without the {pixels} exact ones" in page
    assert f"leaves out the {pixels} Training images" in reports and f"the {either} that are exact or near" in reports
    assert f"{pixels} Training images fewer) or `near` (*without copies*: {either} fewer)" in data
    assert f"{near['free']['PublicTest']:,} of PublicTest and {near['free']['PrivateTest']:,} of Pri" in reports
    rows = {"with an exact copy in Training": [exact[f"{split} in Training"] for split in TESTS],
            "with a near copy there and no exact one": [near["any"][f"{split} in Training"] -
                                                        exact[f"{split} in Training"] for split in TESTS],
            "without any copy there": [near["free"][split] for split in TESTS]}
    for words, counts in rows.items():
        assert f"| images {words} | {' | '.join(f'{count:,}' for count in counts)} |" in data
