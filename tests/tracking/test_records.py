"""Records outlive the code that wrote them: every old file loads, none is rewritten, and what is none is one line.

The fixtures are real: the first entry of the ledger, an ensemble's, the first int8 one, a bundle.json, two promotions.
"""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import toy_models

from pipeline.bundle.bundle import Bundle
from pipeline.bundle.manifest import BundleManifest
from pipeline.reporting import figures
from pipeline.system.failure import Failure
from pipeline.tracking import ledger, promotions
from pipeline.tracking.entry import Entry
from pipeline.tracking.promotions import PromotionRecord

ROOT = Path(__file__).parents[2]
FIXTURES = Path(__file__).parent / "fixtures"
FIRST, ENSEMBLE, INT8 = (FIXTURES / name for name in (
    "compact-7-published-seed1-fd81bca94406.json", "ensemble-6-published-seed0-bb6f3f0ac003.json",
    "hour-7-published-seed1-e9355145b2d0.json"))


def entry_of(path):
    return Entry.read(path.read_bytes(), path, "a ledger entry", "restore it")


def says(record):
    """A record as the JSON that it would be written as."""
    return json.loads(json.dumps(record.as_json()))


# Old files


def test_the_first_entry_lacks_what_later_ones_have():
    entry = entry_of(FIRST)
    assert entry.format == 1 and "format" not in says(entry)
    assert entry.milliseconds is None and entry.quantised is None and entry.weights is None
    assert (entry.recipe, entry.seed, entry.epochs.run, entry.parameters) == ("compact", 1, 28, 692_519)
    assert entry.figures["PrivateTest"]["single"]["accuracy"] == 0.671218
    assert len(entry.history) == 28 and entry.history[-1]["epoch"] == 28
    assert entry.filename == FIRST.name


def test_an_ensemble_s_entry_has_its_members_in_the_config():
    entry = entry_of(ENSEMBLE)
    assert entry.recipe == ledger.ENSEMBLE and figures.published_ensemble(entry)
    assert len(entry.config["members"]) == 9 and entry.config["search"]["tried"] == 5005
    assert figures.title(entry).startswith("ensemble of 9, ")


def test_an_int8_entry_says_what_it_was_made_of_and_the_switch_is_no_gate():
    quantised = entry_of(INT8).quantised
    assert "int8" in quantised.settings, "the first files have it among the settings"
    assert quantised.gates == {"faces": 512, "max_loss": 0.003, "max_bytes": None}
    assert quantised.bytes.int8 < quantised.bytes.float32
    assert 0.9 < quantised.public.agreement <= 1


def test_a_bundle_json_and_the_promotions_load_with_all_that_they_say():
    text = (FIXTURES / "bundle.json").read_bytes()
    manifest = BundleManifest.read(text, "bundle.json", "a manifest", "restore it")
    assert says(manifest) == json.loads(text)
    assert manifest.provenance.quantised.bundle == "b78680758aa8" and manifest.provenance.weights is None
    lines = (FIXTURES / "promotions.jsonl").read_text().splitlines(keepends=True)
    first, second = (PromotionRecord.read(line, "promotions", "a promotion", "restore it") for line in lines)
    assert (first.decision, first.champion, first.gain) == ("promoted", None, None)
    assert (second.decision, second.pair) == ("refused", ("6eeb739b4e5e", "fd81bca94406"))
    assert second.private.challenger == 0.671218 and second.gates["most_bytes"] == 4_000_000
    assert [record.to_line() for record in (first, second)] == lines


def test_every_committed_record_loads_loses_nothing_and_stays_as_it_is(monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(ROOT))
    paths = [*sorted((ROOT / "reports/results").glob("*.json")), ROOT / "reports/promotions.jsonl",
             ROOT / "data/champion/bundle.json"]
    before = [path.read_bytes() for path in paths]
    entries, records = ledger.entries(), promotions.records("fer2013")
    champion = Bundle.load(ROOT / "data/champion")
    assert [says(entry) for entry in entries] == [json.loads(text) for text in before[:-2]]
    assert [ledger.path_of(entry) for entry in entries] == paths[:-2]
    assert "".join(record.to_line() for record in records).encode() == before[-2]
    assert says(champion.manifest) == json.loads(before[-1])
    assert champion.id == hashlib.sha256(before[-1]).hexdigest()[:12] == promotions.champions("fer2013")["fer2013-7"]
    assert [ledger.record(entry) for entry in entries] == paths[:-2], "recording again"
    assert [path.read_bytes() for path in paths] == before


def test_what_a_file_says_beyond_the_fields_is_kept():
    more = {**json.loads(FIRST.read_bytes()), "remark": "by hand"}
    more["figures"]["PublicTest"]["single"]["brier"] = 0.4
    entry = Entry.read(json.dumps(more), "entry.json", "a ledger entry", "restore it")
    assert says(entry) == more


def test_a_training_that_diverged_is_on_record_like_any_other():
    text = json.loads(FIRST.read_bytes())
    text["history"][-1]["loss"] = float("nan")
    entry = Entry.read(json.dumps(text), "entry.json", "a ledger entry", "restore it")
    assert json.dumps(entry.as_json()) == json.dumps(text)


def test_a_new_entry_and_a_new_promotion_have_a_format_and_come_back_equal(project):
    bundle = toy_models.bundle(project / "made")
    path = toy_models.record(bundle)
    assert json.loads(path.read_text())["format"] == 1
    assert ledger.entries("sample") == [ledger.entry(bundle, toy_models.FIGURES, 0.5)]
    assert ledger.recorded(bundle).bundle == bundle.id
    record = toy_models.promotion("sample-7", bundle.id, format=1)
    promotions.append("sample", record)
    assert json.loads(promotions.file("sample").read_text())["format"] == 1
    assert promotions.records("sample") == [record]


# What is none


def changed(text, **fields):
    return json.dumps({**json.loads(text), **fields})


def without(text, name):
    return json.dumps({field: value for field, value in json.loads(text).items() if field != name})


NO_RECORD = [
    ("[]", r"expected an object, found \[\]"),
    ("null", "expected an object, found None"),
    ("{half", "Invalid JSON"),
    ("", "Invalid JSON"),
    ("\udcff", "Invalid JSON"),
    ("{}", r": missing\)"),
]


@pytest.mark.parametrize(("text", "said"), [
    *NO_RECORD,
    (without(FIRST.read_text(), "figures"), "figures: missing"),
    (changed(FIRST.read_text(), seed="1"), "seed: expected a valid integer, found '1'"),
    (changed(FIRST.read_text(), figures=[]), r"figures: expected an object|figures: expected a valid dictionary"),
    (changed(FIRST.read_text(), figures={"PublicTest": {"single": {"n": 1}}}),
     r"figures\.PublicTest\.single\.accuracy: missing"),
    (changed(FIRST.read_text(), history=[{"epoch": "one"}]), r"history\.0\.epoch: expected a valid number"),
    (changed(FIRST.read_text(), recipe="../../x"), "recipe: expected|recipe: String should match"),
    (changed(FIRST.read_text(), format=2), "format: expected 1, found 2.*update this project"),
])
def test_a_file_that_is_no_entry_is_one_line_with_file_field_and_expectation(project, text, said):
    path = ledger.folder("fer2013") / "toy.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(Failure, match=rf"toy\.json: not a ledger entry \(.*({said})") as caught:
        ledger.entries()
    assert "\n" not in str(caught.value)


def test_the_succession_has_every_champion_with_what_was_measured_when_it_was_challenged(project):
    def challenge(bundle, champion, decision, corrupted):
        return toy_models.promotion("sample-7", bundle, decision=decision, champion=champion, **{
            promotions.CORRUPTED: {"n": 280, "challenger": corrupted[0], "champion": corrupted[1]}})

    first = toy_models.promotion("sample-7", "a")
    before = first.challenger.model_dump(exclude={"version", "recalls"})
    records = [first, toy_models.promotion("sample-8", "x"), challenge("b", before, "refused", (0.4, 0.3)),
               challenge("c", before, "promoted", (0.5, 0.3))]
    for record in records:
        promotions.append("sample", record)
    for last, bundles in ((records[-1], "ac"), (challenge("d", None, "proposed", (0.6, None)), "acd")):
        found = promotions.succession("sample", last)
        assert "".join(champion.contender.bundle for champion in found) == bundles
        assert [champion.corrupted for champion in found[:2]] == [0.3, 0.5]
        assert found[-1].record == last
    by_hand = challenge("e", {**before, "bundle": "h"}, "promoted", (0.7, 0.2))
    assert [(champion.contender.bundle, champion.corrupted) for champion in promotions.succession("sample", by_hand)] \
        == [("a", 0.3), ("c", 0.5), ("h", 0.2), ("e", 0.7)]
    elsewhere = by_hand.model_copy(update={"faces": first.faces.model_copy(update={"digest": "e" * 64})})
    assert [champion.contender.bundle for champion in promotions.succession("sample", elsewhere)] == ["h", "e"]


LINE = (FIXTURES / "promotions.jsonl").read_text().splitlines()[1]


@pytest.mark.parametrize(("text", "said"), [
    *(case for case in NO_RECORD if case[0]),  # an empty line is none
    (without(LINE, "PrivateTest, not used"), "PrivateTest, not used: missing"),
    (changed(LINE, decision="postponed"), "decision: expected 'promoted', 'refused' or 'proposed', found 'postponed'"),
    (changed(LINE, challenger=None), "challenger: expected an object"),
    (changed(LINE, format=3), "format: expected 1"),
])
def test_a_line_that_is_no_promotion_is_named_by_its_number(project, text, said):
    path = promotions.file("fer2013")
    path.parent.mkdir(parents=True)
    path.write_bytes(f"{LINE}\n{text}\n".encode("utf-8", "surrogateescape"))
    before = path.read_bytes()
    with pytest.raises(Failure, match=rf"promotions\.jsonl, line 2: not the record of a promotion \(.*({said})"):
        promotions.records("fer2013")
    with pytest.raises(Failure, match="line 2"):
        promotions.append("fer2013", toy_models.promotion("fer2013-7", "abc"))
    assert path.read_bytes() == before


MANIFEST = (FIXTURES / "bundle.json").read_text()
FILES = json.loads(MANIFEST)["files"]


@pytest.mark.parametrize(("text", "said"), [
    *NO_RECORD,
    (changed(MANIFEST, files={}), "files: expected model.onnx among the files, found none"),
    (changed(MANIFEST, files=["model.onnx"]), "files: expected"),
    (changed(MANIFEST, files={**FILES, "model.onnx": "abc"}), r"files\.model\.onnx: "),
    *((changed(MANIFEST, files={**FILES, name: "0" * 64}), "expected names of files in the bundle's folder, found")
      for name in ("../x", "/etc/hosts", "inner/x", "..\\x", "C:x", "..", "", ".hidden", "a\nb")),
    (changed(MANIFEST, provenance={}), r"provenance\.dataset: missing"),
    (changed(MANIFEST, classes="angry"), "classes: expected"),
    (changed(MANIFEST, classes=[]), "classes: "),
    (changed(MANIFEST, temperature=0), "temperature: expected greater than or equal to 0.1, found 0"),
    (changed(MANIFEST, crop_margin=float("nan")), "crop_margin: expected"),
    (changed(MANIFEST, format=2), "format: expected 1, found 2.*update this project"),
])
def test_a_bundle_json_that_is_none_is_one_line_and_no_path_leads_out_of_the_folder(tmp_path, text, said):
    folder = shutil.copytree(ROOT / "data/champion", tmp_path / "bundle")
    (folder / "bundle.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(Failure, match=rf"bundle\.json: not a model bundle's description \(.*({said})") as caught:
        Bundle.load(folder)
    assert "\n" not in str(caught.value)


def test_a_bundle_without_its_curves_is_one_line_where_they_are_needed(project):
    bundle = toy_models.bundle(project / "made")
    (bundle.folder / "history.csv").write_text("epoch,loss\n1,low\n")
    with pytest.raises(Failure, match=r"history\.csv: not the curves of a training"):
        ledger.unmeasured(bundle)
    (bundle.folder / "history.csv").unlink()
    with pytest.raises(Failure, match=r"history\.csv: not the curves of a training"):
        ledger.unmeasured(bundle)
