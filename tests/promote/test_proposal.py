"""A promotion that a person approves: proposing moves nothing, approving moves what was proposed and nothing else."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import toy_models

from pipeline.bundle.bundle import Bundle
from pipeline.params.params import Evaluate, Promote
from pipeline.promote import __main__, challenge, proposal
from pipeline.promote.card import pictures
from pipeline.system.failure import Failure
from pipeline.tracking import promotions, registry, runs

SETTINGS = SimpleNamespace(promote=Promote(min_gain=0.0, confidence=0.9, min_class_recall=0.2), seed=1,
                           evaluate=Evaluate(confidence=0.95, corrupted_bytes=0))
FOLDER = Path("reports/proposal")


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Without pictures, which take seconds."""
    monkeypatch.setattr(pictures, "draw", lambda *_: None)


@pytest.fixture
def proposed(project):
    """A champion, and a better bundle that is proposed in its place."""
    faces = toy_models.faces("fer2013", 12)
    old = toy_models.bundle(project / "old", "fer2013", off=9)
    new = toy_models.bundle(project / "data/fer2013/bundle", "fer2013")
    challenge.promote(SETTINGS, old, faces)
    record = proposal.propose(SETTINGS, new, faces)
    return SimpleNamespace(old=old, new=new, faces=faces, record=record)


def decisions():
    return [record.decision for record in promotions.records("fer2013")]


def test_a_proposal_writes_card_and_decision_and_moves_nothing(proposed, capsys):
    assert proposed.record.decision == "proposed"
    assert Bundle.load(Path("data/champion")).id == proposed.old.id
    assert registry.champion("fer2013-7")[1] == proposed.old.id
    assert {"card.md", "card.html", "decision.md", "proposal.json", "predictions.csv"} <= {
        path.name for path in FOLDER.iterdir()}
    assert "A proposal: not the champion" in (FOLDER / "card.md").read_text()
    assert proposed.old.id in Path("reports/champion/card.md").read_text()
    decision = (FOLDER / "decision.md").read_text()
    assert "is proposed as champion: gain +" in decision and "`ferpipe promote --approve fer2013-7`" in decision
    assert decisions() == ["promoted", "proposed"]
    proposal.propose(SETTINGS, proposed.new, proposed.faces)
    assert decisions() == ["promoted", "proposed"], "the same proposal is no news"
    aliases = runs.connect().get_registered_model("fer2013-7").aliases
    assert {alias: str(version) for alias, version in aliases.items()} == {"champion": "1", "challenger": "2"}
    assert "nothing has moved" in capsys.readouterr().out


def test_approving_makes_the_proposed_bundle_the_champion_with_its_card(proposed, capsys):
    record = proposal.approve("fer2013-7")
    assert (record.decision, record.proposed) == ("promoted", proposed.record.time)
    assert record.gain == proposed.record.gain and record.reasons == proposed.record.reasons
    assert Bundle.load(Path("data/champion")).id == proposed.new.id
    assert json.loads(Path("data/champion/promotion.json").read_text())["version"] == 2
    assert registry.champion("fer2013-7") == ("2", proposed.new.id)
    card = Path("reports/champion/card.md").read_text()
    assert "The champion." in card and proposed.new.id in card and not FOLDER.exists()
    assert not Path("reports/champion/proposal.json").exists()
    assert decisions() == ["promoted", "proposed", "promoted"]
    assert promotions.records("fer2013")[-1] == record, "it is read as it was written"
    assert "is the champion now" in capsys.readouterr().out
    with pytest.raises(Failure, match="nothing is proposed for fer2013-7"):
        proposal.approve("fer2013-7")


def test_the_registered_version_has_the_card(proposed):
    proposal.approve("fer2013-7")
    client = runs.connect()
    version = client.get_model_version("fer2013-7", "2")
    assert "apparent expression" in version.description and proposed.new.id in version.description
    assert "card/card.html" in {file.path for file in client.list_artifacts(version.run_id, "card")}


def test_a_champion_that_has_changed_since_refuses_the_approval(proposed):
    other = toy_models.bundle(Path("other"), "fer2013", off=3)
    assert challenge.promote(SETTINGS, other, proposed.faces).decision == "promoted"
    expected = f"compared with the champion {proposed.old.id}, and fer2013-7 has {other.id} now"
    with pytest.raises(Failure, match=expected):
        proposal.approve("fer2013-7")
    assert Bundle.load(Path("data/champion")).id == other.id and FOLDER.exists()


def test_another_bundle_or_another_card_is_not_what_was_proposed(proposed):
    other = toy_models.bundle(Path("other"), "fer2013", off=3)
    with pytest.raises(Failure, match=f"is bundle {other.id}, and .* proposes {proposed.new.id}"):
        proposal.approve("fer2013-7", other)
    path = FOLDER / "measurements.json"
    path.write_text(path.read_text().replace(proposed.new.id, other.id))
    with pytest.raises(Failure, match="its card is not that of bundle"):
        proposal.approve("fer2013-7")
    assert Bundle.load(Path("data/champion")).id == proposed.old.id and decisions() == ["promoted", "proposed"]


def test_a_bundle_that_is_not_at_hand_comes_from_the_registry(proposed):
    shutil.rmtree("data/fer2013/bundle")
    proposal.approve("fer2013-7")
    assert Bundle.load(Path("data/champion")).id == proposed.new.id


def test_a_refused_challenger_is_not_proposed(proposed):
    shutil.rmtree(FOLDER)
    worse = toy_models.bundle(Path("worse"), "fer2013", off=15)
    assert proposal.propose(SETTINGS, worse, proposed.faces).decision == "refused"
    assert not FOLDER.exists() and decisions()[-1] == "refused"


def test_the_command_finds_the_only_proposal(proposed, project, capsys):
    toy_models.small_run(project)
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("dataset: sample", "dataset: fer2013"))
    with pytest.raises(SystemExit):
        __main__.main(["--propose", "--approve"])
    __main__.main(["--approve"])
    assert registry.champion("fer2013-7")[1] == proposed.new.id
    with pytest.raises(Failure, match="nothing is proposed; propose a bundle with"):
        __main__.main(["--approve"])
