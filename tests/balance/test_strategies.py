"""Balancing: every strategy's counts, and that nothing but Training changes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import toy_models

from pipeline.balance import __main__
from pipeline.balance.strategies import balance, folds
from pipeline.balance.warp import warp
from pipeline.faces.faces import SPLITS, Faces
from pipeline.params.params import Balance
from pipeline.system.failure import Failure

ROOT = Path(__file__).parents[2]
TRAINING = (13, 3, 14, 25, 17, 11, 16)  # FER-2013's shape, in small
RANGES = {"rotation": 15, "shear": 0.1, "zoom": 0.1, "flip": True}
SETTINGS = {
    "none": Balance(strategy="none"),
    "augment_to": Balance(strategy="augment_to", target=20, **RANGES),
    "replicate": Balance(strategy="replicate", share=0.6),
    "class_weights": Balance(strategy="class_weights"),
}


@pytest.fixture
def faces() -> Faces:
    labels = np.concatenate([np.repeat(np.arange(7), TRAINING), np.tile(np.arange(7), 6)]).astype("int64")
    splits = np.repeat(SPLITS, [sum(TRAINING), 21, 21])
    order = np.random.default_rng(1).permutation(len(labels))  # splits and classes mixed, as nothing promises an order
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 48, 48)).astype("uint8")
    ids = np.array([f"face{place}" for place in range(len(labels))])
    return Faces(images, ids, splits[order], labels[order],
                 {"dataset": "fer2013", "edition": "csv", "digest": "0123", "class_set": "7", "protocol": "published"})


def training(result: Faces) -> list[int]:
    return list(result.counts()["Training"].values())


@pytest.mark.parametrize("drop_leaks", ["none", "exact"])
@pytest.mark.parametrize("strategy", SETTINGS)
def test_test_splits_stay_as_they_are(faces, strategy, drop_leaks):
    result = balance(faces, SETTINGS[strategy].model_copy(update={"drop_leaks": drop_leaks}), "7", 1)
    for split in ("PublicTest", "PrivateTest"):
        before, after = faces.split(split), result.split(split)
        assert np.array_equal(before.images, after.images) and before.images.dtype == after.images.dtype
        assert before.ids.tolist() == after.ids.tolist() and before.labels.tolist() == after.labels.tolist()


@pytest.mark.parametrize("strategy", SETTINGS)
def test_nobody_is_copied_across_splits(faces, strategy):
    result = balance(faces, SETTINGS[strategy], "7", 1)
    home = dict(zip(faces.ids, faces.splits, strict=True))
    assert all(home[name.split("#")[0]] == split for name, split in zip(result.ids, result.splits, strict=True))
    assert len(set(result.ids)) == len(result), "every name stands there once"


@pytest.mark.parametrize("strategy", SETTINGS)
def test_a_copy_has_the_label_of_its_original(faces, strategy):
    result = balance(faces, SETTINGS[strategy], "7", 1)
    label = dict(zip(faces.ids, faces.labels, strict=True))
    assert all(label[name.split("#")[0]] == own for name, own in zip(result.ids, result.labels, strict=True))


def test_none_changes_nothing(faces):
    result = balance(faces, SETTINGS["none"], "7", 1)
    assert result.digest() == faces.digest()
    assert result.manifest["class_weights"] is None and result.manifest["protocol"] == "published"


def test_augment_to_brings_every_class_to_the_target(faces):
    result = balance(faces, SETTINGS["augment_to"], "7", 1)
    assert training(result) == [20] * 7
    copies = np.array(["#" in name for name in result.ids])
    assert copies.sum() == sum(max(20 - n, 0) for n in TRAINING)
    small = set(faces.ids[(faces.splits == "Training") & (faces.labels != 3)])
    assert small <= set(result.ids), "a class that is too small keeps all its originals"


def test_augmented_copies_are_spread_evenly_and_differ_from_their_originals(faces):
    result = balance(faces, SETTINGS["augment_to"], "7", 1)
    row = {name: place for place, name in enumerate(result.ids)}
    copies = [name for name in result.ids if "#" in name]
    assert all(not np.array_equal(result.images[row[name]], result.images[row[name.split("#")[0]]]) for name in copies)
    disgust = [name.split("#")[0] for name in copies if result.labels[row[name]] == 1]
    assert sorted(map(disgust.count, set(disgust))) == [5, 6, 6]


def test_augment_to_can_cut_every_class(faces):
    assert training(balance(faces, Balance(strategy="augment_to", target=2), "7", 1)) == [2] * 7


def test_replicate_copies_the_share_of_every_class_but_happy(faces):
    result = balance(faces, SETTINGS["replicate"], "7", 1)
    assert result.counts()["Training"]["happy"] == 25
    others = sum(TRAINING) - 25
    assert sum(training(result)) == sum(TRAINING) + int(0.6 * others)
    assert all(abs(after - 1.6 * before) < 1 for after, before in zip(training(result), TRAINING, strict=True)
               if before != 25)
    row = {name: place for place, name in enumerate(result.ids)}
    for name in result.ids:
        if "#" in name:
            assert name.endswith("#1"), "no image is copied twice"
            assert np.array_equal(result.images[row[name]], result.images[row[name[:-2]]])


@pytest.mark.parametrize("class_set", ["6", "7"])
def test_replicate_gives_the_published_size_on_fer_2013(class_set):
    labels = np.repeat(np.arange(7), (3995, 436, 4097, 7215, 4830, 3171, 4965))
    rows = len(labels)
    faces = Faces(np.zeros((rows, 1, 1), "uint8"), np.arange(rows).astype(str), np.full(rows, "Training"), labels)
    assert sum(training(balance(faces, SETTINGS["replicate"], class_set, 1))) == 41_605


def test_class_weights_even_out_the_loss(faces):
    result = balance(faces, SETTINGS["class_weights"], "7", 1)
    weights = np.array(result.manifest["class_weights"])
    assert result.digest() == faces.digest()
    assert np.allclose(weights * TRAINING, sum(TRAINING) / 7, rtol=1e-5), "every class weighs the same"


def test_without_a_fold_the_others_are_left_and_the_folds_share_no_pixels(faces):
    twins = Faces.take(faces, np.r_[np.arange(len(faces)), np.flatnonzero(faces.splits == "Training")[:5]])
    fold = folds(twins, 3)
    assert set(fold[twins.splits == "Training"]) == {1, 2, 3} and not fold[twins.splits != "Training"].any()
    np.testing.assert_array_equal(fold[-5:], fold[twins.splits == "Training"][:5])
    left = [set(balance(faces, Balance(strategy="none", without=f"{fold}/3"), "7", 1).split("Training").ids)
            for fold in (1, 2, 3)]
    every = set(faces.split("Training").ids)
    assert sorted(name for ids in left for name in every - ids) == sorted(every)


def test_drop_leaks_removes_exactly_the_planted_ones(faces):
    train, public, private = (np.flatnonzero(faces.splits == split) for split in SPLITS)
    faces.images[train[3]] = faces.images[public[0]]
    faces.images[train[5]] = faces.images[private[1]]
    faces.images[train[6]] = faces.images[private[1]]
    faces.images[train[8]] = faces.images[train[9]]  # a duplicate inside Training is no leak
    faces.images[private[2]] = faces.images[public[2]]  # neither is one between the test splits
    result = balance(faces, Balance(strategy="none", drop_leaks=True), "7", 1)
    assert set(faces.ids) - set(result.ids) == set(faces.ids[train[[3, 5, 6]]])
    assert result.manifest["protocol"] == "leak-free" and result.manifest["leaks_dropped"] == 3


def test_leaks_are_dropped_before_anything_is_copied(faces):
    train, public = np.flatnonzero(faces.splits == "Training"), np.flatnonzero(faces.splits == "PublicTest")
    faces.images[train[0]] = faces.images[public[0]]
    settings = SETTINGS["augment_to"].model_copy(update={"drop_leaks": "exact"})
    result = balance(faces, settings, "7", 1)
    assert training(result) == [20] * 7
    assert not [name for name in result.ids if name.split("#")[0] == faces.ids[train[0]]]


def test_six_classes_merge_disgust_into_angry_in_every_split(faces):
    result = balance(faces, SETTINGS["augment_to"], "6", 1)
    assert result.classes == ("angry", "fear", "happy", "sad", "surprise", "neutral")
    assert training(result) == [20] * 6
    assert result.counts()["PublicTest"]["angry"] == (np.isin(faces.split("PublicTest").labels, [0, 1])).sum()
    assert result.manifest["counts_before"]["Training"]["angry"] == 16 and result.manifest["class_set"] == "6"


@pytest.mark.parametrize("strategy", ["augment_to", "replicate"])
def test_the_seed_decides(faces, strategy):
    one, again, other = (balance(faces, SETTINGS[strategy], "7", seed) for seed in (1, 1, 2))
    assert one.digest() == again.digest() != other.digest()


def test_the_manifest_tells_what_was_done(faces):
    facts = balance(faces, SETTINGS["augment_to"], "7", 1).manifest
    assert facts["strategy"] == "augment_to" and facts["source_digest"] == "0123" and "digest" not in facts
    assert facts["counts_before"]["Training"]["disgust"] == 3 and facts["counts"]["Training"]["disgust"] == 20
    assert facts["edition"] == "csv" and facts["class_weights"] is None


def test_a_class_without_training_images_is_named(faces):
    with pytest.raises(Failure, match="disgust"):
        balance(faces.take((faces.labels != 1) | (faces.splits != "Training")), SETTINGS["augment_to"], "7", 1)


@pytest.mark.parametrize(("strategy", "key"), [("augment_to", "target"), ("replicate", "share")])
def test_a_strategy_without_its_number_is_named(faces, strategy, key):
    with pytest.raises(Failure, match=f"balance.{key}"):
        balance(faces, Balance(strategy=strategy), "7", 1)


def test_warp_keeps_within_its_ranges():
    images = np.full((50, 48, 48), 77, "uint8")
    images[:, :, 40:] = 200
    same = warp(images, np.random.default_rng(0))
    assert np.array_equal(same, images), "no range, no change"
    mirrored = warp(images, np.random.default_rng(0), flip=True)
    flips = [np.array_equal(one, images[0, :, ::-1]) for one in mirrored]
    assert 10 < sum(flips) < 40 and all(flip or np.array_equal(one, images[0]) for flip, one in zip(flips, mirrored,
                                                                                                  strict=True))
    turned = warp(np.full((20, 48, 48), 77, "uint8"), np.random.default_rng(0), rotation=15, shear=0.1, zoom=0.1)
    assert (turned == 77).all(), "new pixels hold the nearest pixel, never black"
    assert (warp(np.full((20, 48, 48), 77, "uint8"), np.random.default_rng(0), rotation=15, fill="constant") < 77).any()


@pytest.fixture
def project(tmp_path, monkeypatch, faces):
    """A project with toy faces, as the working directory."""
    shutil.copy(toy_models.PARAMS, tmp_path)
    monkeypatch.chdir(tmp_path)
    faces.save(tmp_path / "data/fer2013/faces")
    return tmp_path


def test_the_stage_writes_faces_and_pictures(project):
    __main__.main()
    manifest = json.loads((project / "data/fer2013/balanced/manifest.json").read_text(encoding="utf-8"))
    assert manifest["strategy"] == "none"
    assert manifest["digest"] == Faces.load(project / "data/fer2013/balanced").digest()
    for name in ("balance.png", "augmentation.png"):
        assert (project / "reports/fer2013" / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_two_runs_draw_the_same_pictures(project):
    reports = project / "reports/fer2013"
    __main__.main()
    first = {file.name: file.read_bytes() for file in reports.glob("*.png")}
    __main__.main()
    assert first == {file.name: file.read_bytes() for file in reports.glob("*.png")} and len(first) == 2


def test_the_command_fails_in_one_line_and_leaves_the_last_good_faces(project, faces):
    __main__.main()
    good = (project / "data/fer2013/balanced/manifest.json").read_bytes()
    faces.take(faces.labels != 1).save(project / "data/fer2013/faces")
    run = subprocess.run([sys.executable, "-m", "pipeline.balance"], cwd=project, capture_output=True, text=True,
                         env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert run.returncode == 1 and run.stderr.count("\n") == 1 and "disgust" in run.stderr
    assert (project / "data/fer2013/balanced/manifest.json").read_bytes() == good
