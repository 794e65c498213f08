"""Only evidence moves the champion; every verdict is on record once, and saying it twice changes nothing."""

import json
import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import toy_models

from pipeline.bundle.bundle import Bundle
from pipeline.params.params import Evaluate, Promote
from pipeline.promote import __main__, challenge
from pipeline.promote import decision as decisions
from pipeline.promote.card import pictures
from pipeline.promote.decision import Answers, paired
from pipeline.system import failure
from pipeline.system.failure import Failure
from pipeline.tracking import mlflow_server, promotions, registry, runs

GATES = Promote(min_gain=0.0, confidence=0.9, min_class_recall=0.2)
SETTINGS = SimpleNamespace(promote=GATES, seed=1, evaluate=Evaluate(confidence=0.95, corrupted_bytes=0))
FAIR = {"happy": 0.8, "disgust": 0.5}


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Cards without pictures, which take seconds."""
    monkeypatch.setattr(pictures, "draw", lambda *_: None)


def answers(rng, accuracy, n=3589):
    return rng.random(n) < accuracy


def decide(challenger, champion, *arguments, **options):
    """The decision on faces as they are alone."""
    return decisions.decide(Answers(challenger), None if champion is None else Answers(champion), *arguments, **options)


# The decision


def test_a_clear_gain_is_promoted_with_its_evidence():
    rng = np.random.default_rng(0)
    champion = answers(rng, 0.6)
    decision = decide(champion | answers(rng, 0.1), champion, FAIR, GATES, seed=1)
    assert decision.promote
    assert decision.clean.gain == pytest.approx(0.04, abs=0.01)
    assert decision.clean.probability > 0.999


def test_equal_models_are_not_promoted():
    same = answers(np.random.default_rng(0), 0.6)
    decision = decide(same, same, FAIR, GATES, seed=1)
    assert (decision.promote, decision.clean.gain, decision.clean.probability) == (False, 0.0, 0.0)


def test_a_worse_challenger_never_wins():
    for seed in range(200):
        rng = np.random.default_rng(seed)
        champion = answers(rng, 0.6, n=60)
        challenger = champion.copy()
        challenger[rng.choice(np.flatnonzero(champion), 1)] = False
        assert not decide(challenger, champion, FAIR, GATES, seed).promote


@pytest.mark.slow
def test_noise_passes_no_oftener_than_the_confidence_allows_and_both_ways_alike():
    """Two models of equal skill: each wins about one time in ten when asked for 90 %."""
    wins = [0, 0]
    for seed in range(400):
        rng = np.random.default_rng(seed)
        one, two = answers(rng, 0.6, 500), answers(rng, 0.6, 500)
        forth, back = decide(one, two, FAIR, GATES, seed), decide(two, one, FAIR, GATES, seed)
        assert forth.clean.gain == -back.clean.gain
        assert not (forth.promote and back.promote)
        wins[0] += forth.promote
        wins[1] += back.promote
    assert 0.05 < wins[0] / 400 < 0.15
    assert 0.05 < wins[1] / 400 < 0.15


def test_the_multinomial_draw_is_the_paired_bootstrap():
    """The same probability as resampling image by image."""
    rng = np.random.default_rng(4)
    champion = answers(rng, 0.6, 300)
    challenger = np.where(rng.random(300) < 0.15, answers(rng, 0.75, 300), champion)
    difference = challenger.astype(int) - champion.astype(int)
    gains = difference[rng.integers(0, 300, (10_000, 300))].mean(axis=1)
    expected = (gains > 0).mean()
    assert 0.5 < expected < 0.999, "a case where the probability says something"
    assert decide(challenger, champion, FAIR, GATES, seed=1).clean.probability == pytest.approx(expected, abs=0.02)


def test_a_gain_must_exceed_the_gate_not_only_zero():
    champion = answers(np.random.default_rng(0), 0.6)
    challenger = champion.copy()
    challenger[np.flatnonzero(~champion)[:72]] = True
    assert decide(challenger, champion, FAIR, GATES, seed=1).promote
    refused = decide(challenger, champion, FAIR, GATES.model_copy(update={"min_gain": 0.03}), seed=1)
    assert not refused.promote
    assert "more than 3.00" in refused.reasons[0]


def test_a_class_below_the_floor_refuses_whatever_the_gain():
    everything = np.ones(100, bool)
    decision = decide(everything, ~everything, {"happy": 0.9, "disgust": 0.19}, GATES, seed=1)
    assert not decision.promote
    assert decision.reasons == ("recall of disgust is 0.190, the floor is 0.200",)


def test_the_first_model_passes_on_the_floor_alone():
    wrong = np.zeros(100, bool)
    assert decide(wrong, None, FAIR, GATES, seed=1).promote
    assert not decide(wrong, None, {"happy": 0.1}, GATES, seed=1).promote


def test_a_weight_is_held_against_what_git_takes_and_only_where_one_is_given():
    right = np.ones(100, bool)
    for champion in (None, ~right):
        assert decide(right, champion, FAIR, GATES, seed=1, size=4_000_000).promote
        refused = decide(right, champion, FAIR, GATES, seed=1, size=4_000_001)
        assert not refused.promote
        assert "4.0 MB to serve, at most 4.0 MB are kept in git" in refused.reasons[0]


def test_of_several_equal_challengers_one_is_lucky_more_often_and_the_evidence_says_so():
    """One in ten, the best of three in 22 %: simulated with a champion and challengers of the same skill."""
    assert decisions.luck(1, 0.9) == pytest.approx(0.1)
    rng = np.random.default_rng(6)
    gains = rng.normal(size=(100_000, 3)) - rng.normal(size=(100_000, 1))
    passed = gains > 1.2816 * 2**0.5
    assert decisions.luck(3, 0.9) == pytest.approx(passed.any(axis=1).mean(), abs=0.005)
    assert decisions.luck(3, 0.9) == pytest.approx(0.22, abs=0.01)
    champion = answers(np.random.default_rng(0), 0.6)
    better = champion | answers(np.random.default_rng(1), 0.1)
    for count, words in ((None, "probability 1.000"), (1, "(the first challenger on PublicTest)"),
                         (3, "(3 challengers so far on PublicTest: of as many equal ones the best would pass this gate "
                             "by luck in 22 %)")):
        assert decide(better, champion, FAIR, GATES, seed=1, challengers=count).reasons[0].endswith(words)


# With corrupted faces

VIEWS = 4


def model(rng, clean, corrupted, n=3589):
    """Right this often on images as they are and on corrupted ones; skill and luck are an image's, as in reality."""
    luck = rng.random(n)
    return Answers(luck < clean, (0.7 * luck + 0.3 * rng.random((VIEWS, n))) < corrupted)


def pair(better_clean=0.0, better_corrupted=0.0, n=3589):
    """A challenger that differs from its champion by these shares of the images."""
    champion = model(np.random.default_rng(0), 0.7, 0.6, n)

    def changed(right, share):
        flipped = right.copy()
        rows = np.atleast_2d(flipped)
        for row in rows:
            candidates = np.flatnonzero(row != (share > 0))
            row[candidates[: round(abs(share) * n)]] = share > 0
        return flipped

    return Answers(changed(champion.clean, better_clean), changed(champion.corrupted, better_corrupted)), champion


@pytest.mark.parametrize(("clean", "corrupted", "promoted"), [
    (0.03, 0.03, True), (0.03, 0.0, True), (0.03, -0.004, True), (0.03, -0.02, False),
    (0.0, 0.03, True), (-0.004, 0.03, True), (-0.02, 0.03, False), (0.0, 0.0, False), (-0.01, -0.01, False),
])
def test_better_on_one_kind_of_faces_and_not_much_worse_on_the_other(clean, corrupted, promoted):
    decision = decisions.decide(*pair(clean, corrupted), FAIR, GATES, seed=1)
    assert decision.promote == promoted
    assert decision.clean.gain == pytest.approx(clean, abs=2e-4)
    assert decision.corrupted.gain == pytest.approx(corrupted, abs=2e-4)
    assert len(decision.reasons) == 2, "both figures, whatever the verdict"
    assert "on PublicTest" in decision.reasons[0] and "on corrupted faces" in decision.reasons[1]


def test_what_is_expected_or_may_be_lost_is_said_where_it_refuses():
    lost = decisions.decide(*pair(0.03, -0.02), FAIR, GATES, seed=1).reasons
    assert lost[1].endswith("at most 0.50 may be lost for it") and "expected" not in lost[0]
    neither = decisions.decide(*pair(0.0, 0.0), FAIR, GATES, seed=1).reasons
    assert neither[0].endswith("expected at least 0.900") and neither[1].endswith("expected at least 0.950")


def test_luck_is_said_of_the_gate_that_was_passed_with_its_own_confidence_and_challengers():
    clean, corrupted = decisions.decide(*pair(-0.004, 0.03), FAIR, GATES, seed=1, challengers=12,
                                        challengers_corrupted=4).reasons
    assert clean.endswith("(12 challengers so far on PublicTest)")
    assert corrupted.endswith("(4 challengers so far on PublicTest's corrupted faces: of as many equal ones the best "
                              f"would pass this gate by luck in {100 * decisions.luck(4, 0.95):.0f} %)")


def test_a_gain_on_corrupted_faces_must_be_surer_than_one_on_faces_as_they_are():
    gates = GATES.model_copy(update={"confidence": 0.9999, "corrupted_confidence": 0.5})
    challenger, champion = pair(0.0, 0.001)
    assert decisions.decide(challenger, champion, FAIR, gates, seed=1).promote
    stricter = gates.model_copy(update={"corrupted_confidence": 1 - 1e-9})
    rng = np.random.default_rng(1)
    noisy = Answers(champion.clean, champion.corrupted ^ (rng.random(champion.corrupted.shape) < 0.2))
    wins = decisions.decide(champion, noisy, FAIR, gates, seed=1)
    assert wins.corrupted.gain > 0
    assert decisions.decide(noisy, champion, FAIR, stricter, seed=1).promote is False


def test_flaws_refuse_a_robust_model_too():
    decision = decisions.decide(*pair(0.0, 0.03), {"disgust": 0.1}, GATES, seed=1)
    assert (decision.promote, decision.reasons) == (False, ("recall of disgust is 0.100, the floor is 0.200",))


def test_the_bootstrap_draws_images_with_all_their_views():
    """The same probability as resampling image by image; the views of an image are no further evidence."""
    rng = np.random.default_rng(5)
    n = 300
    one, two = model(rng, 0.6, 0.6, n).corrupted, model(rng, 0.6, 0.57, n).corrupted
    difference = (one.astype(int) - two.astype(int)).mean(axis=0)
    gains = difference[rng.integers(0, n, (10_000, n))].mean(axis=1)
    found = paired(one, two, 0.0, seed=1)
    assert found.gain == pytest.approx(difference.mean())
    assert 0.5 < found.probability < 0.9999, "a case where the probability says something"
    assert found.probability == pytest.approx((gains > 0).mean(), abs=0.02)
    again = paired(np.repeat(one, 3, axis=0), np.repeat(two, 3, axis=0), 0.0, seed=1)
    assert again.probability == pytest.approx(found.probability, abs=0.02)


# The command


def records(dataset="sample"):
    return promotions.records(dataset)


def test_two_runs_leave_one_line(project, capsys):
    bundle = toy_models.bundle(project / "data/sample/bundle")
    assert challenge.promote(SETTINGS, bundle, toy_models.faces("sample")).decision == "promoted"
    assert challenge.promote(SETTINGS, bundle, toy_models.faces("sample")) is None
    assert "already champion" in capsys.readouterr().out
    (record,) = records()
    assert record.challenger.bundle == bundle.id
    assert record.champion is None
    assert registry.champion("sample-7") == ("1", bundle.id)
    assert not (project / "data/champion").exists(), "only fer2013-7 has its champion in git"
    assert not (project / "reports/promotions.jsonl").exists()


def test_a_refusal_leaves_the_champion_untouched_and_is_on_record_once(project, capsys):
    good = toy_models.bundle(project / "good", "fer2013")
    challenge.promote(SETTINGS, good, toy_models.faces("fer2013"))
    before = {file.name: file.read_bytes() for file in (project / "data/champion").iterdir()}
    worse = toy_models.bundle(project / "worse", "fer2013", off=9)
    for _ in range(2):
        assert challenge.promote(SETTINGS, worse, toy_models.faces("fer2013")).decision == "refused"
    assert {file.name: file.read_bytes() for file in (project / "data/champion").iterdir()} == before
    assert [record.decision for record in records("fer2013")] == ["promoted", "refused"]
    record = records("fer2013")[1]
    assert (record.challenger.bundle, record.champion.bundle) == (worse.id, good.id)
    assert record.gain == pytest.approx(-9 / 36 * 6 / 7, abs=0.02)
    assert record.public.n == 280 and record.challengers == 2
    assert "(2 challengers so far on PublicTest)" in record.reasons[0]
    assert registry.champion("fer2013-7")[1] == good.id
    assert "is refused: gain -" in capsys.readouterr().out


def test_a_better_challenger_takes_the_place_in_git_and_in_the_registry(project):
    old = toy_models.bundle(project / "old", "fer2013", off=9)
    new = toy_models.bundle(project / "new", "fer2013", protocol="leak-free")
    for bundle in (old, new):
        challenge.promote(SETTINGS, bundle, toy_models.faces("fer2013"))
    assert Bundle.load(project / "data/champion").id == new.id
    assert {file.name for file in (project / "data/champion").iterdir()} == {
        "bundle.json", "model.onnx", "history.csv", "promotion.json"}
    assert json.loads((project / "data/champion/promotion.json").read_text()) == {
        "name": "fer2013-7", "version": 2, "PublicTest": 1.0, "challengers": 2, "protocol": "leak-free",
        "edition": "drawn", "bundle": new.id}
    assert registry.champion("fer2013-7") == ("2", new.id)
    record = records("fer2013")[-1]
    assert (record.challenger.protocol, record.champion.protocol) == ("leak-free", "published")
    assert record.probability > 0.99


def test_both_figures_are_in_the_record_in_git_and_in_what_is_printed(project, capsys):
    settings = SimpleNamespace(promote=GATES, seed=1, evaluate=Evaluate(confidence=0.95))
    faces = toy_models.faces("fer2013", 12)
    old = toy_models.bundle(project / "old", "fer2013", off=9)
    new = toy_models.bundle(project / "new", "fer2013")
    challenge.promote(settings, old, faces)
    record = challenge.promote(settings, new, faces)
    assert record.decision == "promoted" and record.corrupted.n == record.public.n == 84
    assert record.corrupted_gain == pytest.approx(record.corrupted.challenger - record.corrupted.champion, abs=2e-6)
    assert record.corrupted_gain > 0.05 and record.corrupted_probability > 0.99
    assert "(2 challengers so far on PublicTest: " in record.reasons[0]
    assert record.reasons[1].endswith("(the first challenger on PublicTest's corrupted faces)")
    assert record.gates["corrupted_confidence"] == 0.95 and record.gates["max_loss"] == 0.005
    assert records("fer2013")[-1] == record, "it is read as it was written"
    assert json.loads(record.to_line())["PublicTest, corrupted"]["challenger"] == record.corrupted.challenger
    caption = json.loads((project / "data/champion/promotion.json").read_text())
    assert caption["corrupted"] == record.corrupted.challenger < caption["PublicTest"]
    out = capsys.readouterr().out
    assert "on corrupted faces, more than 0.00 with probability" in out and "PublicTest, corrupted" in out


def test_a_model_that_is_too_large_to_be_measured_on_corrupted_faces_is_compared_without(project, capsys):
    settings = SimpleNamespace(promote=GATES, seed=1, evaluate=Evaluate(confidence=0.95, corrupted_bytes=100_000))
    faces = toy_models.faces("sample", 6)
    challenge.promote(settings, toy_models.bundle(project / "small", off=9), faces)
    record = challenge.promote(settings, toy_models.bundle(project / "large", bulk=200_000), faces)
    assert record.decision == "promoted" and len(record.reasons) == 1
    assert (record.corrupted_gain, record.corrupted.challenger) == (None, None)
    assert "not measured" in capsys.readouterr().out


def test_private_test_is_told_from_the_ledger_and_neither_opened_nor_decisive(project, capsys):
    """A challenger that shines on PrivateTest alone is refused."""
    faces = toy_models.faces("sample").split("Training", "PublicTest")
    for name, off, private in (("one", 0, 0.25), ("two", -9, 0.75)):
        bundle = toy_models.bundle(project / name, off=off)
        toy_models.record(bundle, toy_models.figures(n=123, PrivateTest=private))
        record = challenge.promote(SETTINGS, bundle, faces)
    assert record.decision == "refused"
    assert json.loads(record.to_line())["PrivateTest, not used"] == {"n": 123, "challenger": 0.75, "champion": 0.25}
    assert "75.00 %" in capsys.readouterr().out


def test_private_test_figures_that_the_ledger_lacks_stay_open(project, capsys):
    record = challenge.promote(SETTINGS, toy_models.bundle(project / "made"), toy_models.faces("sample"))
    assert record.private.model_dump() == {"n": None, "challenger": None, "champion": None}
    assert "not in the ledger" in capsys.readouterr().out


def test_a_class_that_is_never_said_refuses_the_first_model(project):
    blind = toy_models.bundle(project / "blind", blind="disgust")
    record = challenge.promote(SETTINGS, blind, toy_models.faces("sample"))
    assert record.decision == "refused"
    assert record.reasons == ("recall of disgust is 0.000, the floor is 0.200",)
    assert registry.champion("sample-7") is None


def test_a_model_that_was_trained_anew_while_it_was_compared_is_not_promoted_in_its_place(project, monkeypatch):
    old = toy_models.bundle(project / "old", "fer2013", off=9)
    challenge.promote(SETTINGS, old, toy_models.faces("fer2013"))
    new = toy_models.bundle(project / "new", "fer2013", run_id="1" * 32)
    other = toy_models.bundle(project / "other", "fer2013", run_id="2" * 32)
    measure = challenge.measured.measure

    def trained_anew(*arguments):
        measurement = measure(*arguments)
        for file in other.folder.iterdir():
            shutil.copyfile(file, new.folder / file.name)
        return measurement

    monkeypatch.setattr(challenge.measured, "measure", trained_anew)
    with pytest.raises(Failure, match=f"was {new.id} when it was measured, and is {other.id} now; run this again"):
        challenge.promote(SETTINGS, new, toy_models.faces("fer2013"))
    assert Bundle.load(project / "data/champion").id == old.id == registry.champion("fer2013-7")[1]
    assert [record.challenger.bundle for record in records("fer2013")] == [old.id]


def test_a_champion_that_somebody_registered_by_hand_is_one_line(project):
    challenge.promote(SETTINGS, toy_models.bundle(project / "made"), toy_models.faces("sample"))
    runs.connect().delete_model_version_tag("sample-7", "1", "bundle")
    with pytest.raises(Failure, match=r"sample-7 version 1: has @champion but no tag `bundle`.*take the alias from it"):
        challenge.promote(SETTINGS, toy_models.bundle(project / "next", off=9), toy_models.faces("sample"))


def test_the_registry_learns_of_the_committed_champion(project):
    """A fresh clone: data/champion is there, the server is empty, the trained model is worse."""
    champion = toy_models.bundle(project / "data/champion", "fer2013", run_id="c" * 32)
    toy_models.record(champion)
    (champion.folder / "model.keras").unlink()
    card = promotions.card_folder(promotions.IN_GIT)
    card.mkdir(parents=True)
    (card / promotions.DESCRIPTION).write_text(f"The card of {champion.id}")
    promotions.append("fer2013", toy_models.promotion("fer2013-7", champion.id))
    challenge.promote(SETTINGS, toy_models.bundle(project / "worse", "fer2013", off=9), toy_models.faces("fer2013"))
    version, bundle_id = registry.champion("fer2013-7")
    assert bundle_id == champion.id
    registered = runs.connect().get_model_version("fer2013-7", version)
    assert registered.description == f"The card of {champion.id}"
    assert registered.tags["decision"] == "promoted: the first model, PublicTest 50.00 %"
    run = runs.connect().get_run(registered.run_id)
    assert run.data.metrics["accuracy/PublicTest"] == 0.5, "its missing run is made of the ledger entry"
    assert run.data.tags["trained_as"] == "c" * 32


def test_a_bundle_too_heavy_for_git_is_refused_on_record_and_the_champion_stays(project):
    good = toy_models.bundle(project / "good", "fer2013", off=9)
    challenge.promote(SETTINGS, good, toy_models.faces("fer2013"))
    heavy = toy_models.bundle(project / "heavy", "fer2013", bulk=4_100_000)
    challenge.promote(SETTINGS, heavy, toy_models.faces("fer2013"))
    assert Bundle.load(project / "data/champion").id == good.id
    record = records("fer2013")[1]
    assert (record.decision, record.challenger.bundle) == ("refused", heavy.id)
    assert record.reasons[0].startswith("4.1 MB to serve, at most 4.0 MB are kept in git")
    assert record.gates["most_bytes"] == 4_000_000


def test_what_git_does_not_keep_may_be_heavy(project):
    heavy = toy_models.bundle(project / "heavy", bulk=4_100_000)
    assert challenge.promote(SETTINGS, heavy, toy_models.faces("sample")).decision == "promoted"


def test_a_promotion_cut_short_is_finished_by_the_next_and_recorded_once(project, monkeypatch):
    bundle = toy_models.bundle(project / "made")

    def cut(name, label, version):
        if label == "champion":
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(registry, "alias", cut)
        challenge.promote(SETTINGS, bundle, toy_models.faces("sample"))
    challenge.promote(SETTINGS, bundle, toy_models.faces("sample"))
    assert len(records()) == 1
    assert registry.champion("sample-7")[1] == bundle.id


def test_a_bundle_of_other_faces_is_one_line(project):
    with pytest.raises(Failure, match=r"trained on sample .* the faces here are fer2013"):
        challenge.promote(SETTINGS, toy_models.bundle(project / "made"), toy_models.faces("fer2013"))


def test_a_bundle_of_another_edition_is_one_line(project):
    bundle = toy_models.bundle(project / "made", source_digest="f" * 64)
    with pytest.raises(Failure, match=r"\(drawn, ffffffff\).*\(drawn, dddddddd\)"):
        challenge.promote(SETTINGS, bundle, toy_models.faces("sample"))
    assert records() == [] and registry.champion("sample-7") is None


def test_the_command_reads_params_and_a_refusal_is_no_error(project, capsys):
    shutil.copyfile(toy_models.PARAMS, project / "params.yaml")
    faces = toy_models.faces("fer2013")
    faces.save(project / "data/fer2013/faces")
    for place, off in (("data/fer2013/bundle", 0), ("imported", 9)):
        note = toy_models.bundle(project / place, "fer2013", off=off).folder / "bundle.json"
        note.write_text(note.read_text().replace("d" * 64, faces.digest()))
    __main__.main([])
    __main__.main([str(project / "imported")])
    out = capsys.readouterr().out
    assert "fer2013-7 version 1 is the champion now" in out
    assert "fer2013-7 version 2 is refused" in out
    assert [json.loads(line)["decision"] for line in Path("reports/promotions.jsonl").read_text().splitlines()] == \
        ["promoted", "refused"]


def test_a_locked_database_is_one_line_and_exit_code_one(project, monkeypatch, capsys):
    monkeypatch.setattr(mlflow_server, "WAIT", 0.2)
    holder = sqlite3.connect(project / "mlflow.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    bundle = toy_models.bundle(project / "made")
    with pytest.raises(SystemExit) as caught:
        failure.run(lambda: challenge.promote(SETTINGS, bundle, toy_models.faces("sample")), "promote")
    holder.close()
    assert str(caught.value).startswith("promote: MLflow at sqlite:")
    assert "locked by another program" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (project / "reports").exists()


def at_once(*challengers):
    """Promote these bundles on the drawn faces, each in a thread; what each got, an error included."""
    ready = threading.Barrier(len(challengers))

    def challenge_of(bundle):
        ready.wait(60)
        return challenge.promote(SETTINGS, bundle, toy_models.faces("fer2013"))

    runs.connect()
    with ThreadPoolExecutor(len(challengers)) as pool:
        return list(pool.map(challenge_of, challengers))


def test_two_challengers_at_once_are_decided_one_after_the_other(project):
    worse = toy_models.bundle(project / "worse", "fer2013", off=9)
    better = toy_models.bundle(project / "better", "fer2013")
    at_once(worse, better)
    first, second = records("fer2013")
    assert first.decision == "promoted" and first.champion is None
    assert second.champion.bundle == first.challenger.bundle, "it is compared with the champion that there is by then"
    assert registry.champion("fer2013-7")[1] == better.id == Bundle.load(project / "data/champion").id


def test_one_bundle_twice_at_once_is_registered_and_recorded_once(project):
    bundle = toy_models.bundle(project / "made", "fer2013")
    assert [record is None for record in sorted(at_once(bundle, bundle), key=bool)] == [True, False]
    assert len(records("fer2013")) == 1
    assert len(runs.connect().search_model_versions("name='fer2013-7'")) == 1


def test_records_that_are_added_at_once_are_all_there(project):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: promotions.append("sample", toy_models.promotion("sample-7", f"bundle{number}")),
                      range(24)))
    assert {record.challenger.bundle for record in records()} == {f"bundle{number}" for number in range(24)}
