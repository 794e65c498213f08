"""ferpipe compare: any two models image by image, from the ledger's predictions or from their bundles."""

import numpy as np
import pytest
import toy_models

from pipeline.evaluate.intervals import mcnemar, paired
from pipeline.faces.faces import EMOTIONS
from pipeline.reporting import compare
from pipeline.system.failure import Failure
from pipeline.tracking import ledger


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder without MLflow's database, which nothing here needs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


@pytest.fixture
def faces(project):
    faces = toy_models.faces("sample", 6)
    faces.manifest.update(protocol="published", class_set="7", classes=list(faces.classes))
    faces.save(project / "data/sample/faces")
    return faces


def entry(faces, bundle="b1", right=None, **changes):
    """A ledger entry whose model is right on the faces where ``right`` is true, by split; without it, no predictions
    are kept."""
    made = toy_models.entry(**{"dataset": "sample", "source_digest": faces.digest(), "classes": EMOTIONS,
                               "bundle": bundle, **changes})
    kept = None
    if right is not None:
        kept = {}
        for split, of_split in right.items():
            labels = faces.split(split).labels
            kept[split] = np.eye(7, dtype="float32")[np.where(of_split, labels, (labels + 1) % 7)]
    ledger.record(made, kept)
    return made


def answers(seed, accuracy):
    rng = np.random.default_rng(seed)
    return {split: rng.random(42) < accuracy for split in compare.TESTS}


def test_two_entries_are_compared_image_by_image_and_class_by_class(faces, capsys):
    one, two = answers(1, 0.8), answers(2, 0.5)
    entry(faces, "aaaaaaaaaaaa", one)
    entry(faces, "bbbbbbbbbbbb", two, seed=2, protocol="leak-free")
    compared = compare.compare(compare.named("aaaaaaaaaaaa"), compare.named("bbbb"))
    for split in compare.TESTS:
        overall, of_class = compared[split]
        gained, lost = int((one[split] & ~two[split]).sum()), int((two[split] & ~one[split]).sum())
        assert (overall.gained, overall.lost, overall.n) == (gained, lost, 42) and gained and lost
        assert (overall.estimate, overall.p) == (paired(gained, lost, 42), mcnemar(gained, lost))
        assert overall.first == one[split].sum() and overall.second == two[split].sum()
        assert list(of_class) == list(EMOTIONS) and all(part.n == 6 for part in of_class.values())
        assert sum(part.gained for part in of_class.values()) == gained
    compare.main(["toy-7-published-seed1-aaaaaaaaaaaa.json", "bbbbbbbbbbbb"])
    out = capsys.readouterr().out
    for words in ("A  toy, seed 1, published protocol, extra labels: none; bundle aaaaaaaaaaaa", "PublicTest, n = 42:",
                  "McNemar", "another seed", "differ in protocol (published against without exact copies)."):
        assert words in out
    assert sum(line.startswith("happy") for line in out.splitlines()) == 2


def test_an_old_entry_says_in_one_line_how_to_get_its_predictions(faces):
    entry(faces, "aaaaaaaaaaaa")
    with pytest.raises(Failure, match=r"toy-7-published-seed1-aaaaaaaaaaaa.json: no predictions .* name the bundle's "
                                      r"folder") as caught:
        compare.named("aaaaaaaaaaaa")
    assert "\n" not in str(caught.value)


def test_a_bundle_at_hand_is_asked_whether_it_is_recorded_or_not(faces, project):
    digest = faces.digest()
    good = toy_models.bundle(project / "data/sample/bundle", source_digest=digest)
    toy_models.bundle(project / "elsewhere", off=9, source_digest=digest)
    by_folder, by_id = compare.named("elsewhere"), compare.named(good.id)
    assert np.array_equal(by_id.predictions["PublicTest"], good.predict(faces.split("PublicTest").images))
    overall, _ = compare.compare(by_id, by_folder)["PublicTest"]
    assert overall.first == 42 and overall.lost == 0 < overall.gained
    toy_models.record(good, toy_models.figures())
    assert np.array_equal(compare.named(good.id).predictions["PrivateTest"], by_id.predictions["PrivateTest"])


def test_the_champion_has_a_name(project):
    faces = toy_models.faces("fer2013", 6)
    faces.save(project / "data/fer2013/faces")
    champion = toy_models.bundle(project / "data/champion", "fer2013", source_digest=faces.digest())
    assert compare.named("champion").entry.bundle == champion.id


def test_what_cannot_be_paired_is_refused_in_one_line(faces):
    entry(faces, "aaaaaaaaaaaa", answers(1, 0.8))
    entry(faces, "aaaabbbbbbbb", answers(2, 0.8), classes=[*EMOTIONS[:-1], "calm"], class_set="own")
    short = answers(3, 0.8)
    del short["PrivateTest"]
    entry(faces, "cccccccccccc", short)
    one = compare.named("aaaaaaaaaaaa")
    with pytest.raises(Failure, match="expected the same classes"):
        compare.compare(one, compare.named("aaaabbbbbbbb"))
    with pytest.raises(Failure, match="2 ledger entries begin so: aaaaaaaaaaaa, aaaabbbbbbbb"):
        compare.named("aaaa")
    with pytest.raises(Failure, match="42 faces of PrivateTest, found none"):
        compare.compare(one, compare.named("cccccccccccc"))
    with pytest.raises(Failure, match="nothing: no entry of the ledger"):
        compare.named("nothing")
    faces.manifest["edition"] = "another"
    faces.labels[0] = 3
    faces.save(compare.project.root() / "data/sample/faces")
    with pytest.raises(Failure, match=r"measured on folder .* get the same edition"):
        compare.compare(one, one)
