"""Staged unfreezing: what learns when follows from recipe and history alone, and a cut run ends the same."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from pipeline.params.params import Train
from pipeline.system.failure import Failure
from pipeline.training import models, unfreezing
from pipeline.training.loop import fit
from pipeline.training.models import pretrained
from pipeline.training.output import provenance

FACTS = ("dataset", "edition", "protocol", "class_set", "digest")
STAGES = [{"epochs": 2, "trainable": "head", "learning_rate": 0.01},
          {"epochs": 3, "trainable": 0.5, "learning_rate": 0.005},
          {"epochs": 2, "trainable": 1.0, "learning_rate": 0.001}]


def settings(**more) -> dict:
    return Train(**{"epochs": 7, "batch_size": 16, "optimizer": "adam", "learning_rate": 0.02, "schedule": "plateau",
                    "keep": "best", "plateau_patience": 1, "stages": STAGES, **more}).model_dump(mode="json")


def history(*rows: tuple[int, float]) -> list[dict]:
    return [{"stage": stage, "val_accuracy": accuracy} for stage, accuracy in rows]


def test_a_recipe_without_stages_is_one_until_its_epochs_are_over():
    plain = settings(stages=[])
    assert unfreezing.next_stage(plain, []) == 0 and unfreezing.next_stage(plain, [{"val_accuracy": 0.5}] * 6) == 0
    assert unfreezing.next_stage(plain, [{"val_accuracy": 0.5}] * 7) is None
    assert unfreezing.stage_settings(plain, 0) == plain and unfreezing.stage_column(plain, 0) == {}


def test_a_stage_lasts_its_epochs_and_the_run_ends_with_the_last():
    rows, seen = [], []
    while (stage := unfreezing.next_stage(settings(), rows)) is not None:
        seen.append(stage)
        rows.append({**unfreezing.stage_column(settings(), stage), "val_accuracy": 0.5})
    assert seen == [0, 0, 1, 1, 1, 2, 2]
    assert unfreezing.next_stage(settings(epochs=3), rows[:3]) is None, "fewer epochs cut the run"
    assert unfreezing.next_stage(settings(epochs=99), rows) is None, "more do not stretch it"


def test_early_stopping_ends_the_stage_and_not_the_run():
    patient = settings(early_stopping=1)
    assert unfreezing.next_stage(patient, history((1, 0.5), (1, 0.4))) == 1
    assert unfreezing.next_stage(patient, history((1, 0.5), (1, 0.6), (2, 0.4))) == 1, "a stage counts for itself"
    assert unfreezing.next_stage(patient, history((1, 0.5), (1, 0.6), (2, 0.4), (2, 0.4))) == 2
    assert unfreezing.next_stage(patient, history((3, 0.5), (3, 0.4))) is None
    second = unfreezing.stage_settings(patient, 1)
    assert second["early_stopping"] == 0 and second["learning_rate"] == 0.005


def backboned(classes: int, size: int = 48):
    """A network with a pretrained part of four layers with weights, and a head."""
    inside = keras.Input((size, size, 1))
    x = keras.layers.MaxPooling2D(8)(inside)
    for _ in range(2):
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(x)))
    backbone = keras.Model(inside, x, name=pretrained.BACKBONE)
    image = keras.Input((size, size, 1), name="image")
    x = keras.layers.Flatten()(backbone(keras.layers.Rescaling(1 / 255)(image)))
    net = keras.Model(image, keras.layers.Dense(classes, name="logits")(x), name="toy")
    net.started_from = "random weights"
    return net


@pytest.mark.parametrize(("share", "learning"), [("head", 0), (0.2, 1), (0.5, 2), (1.0, 4)])
def test_the_share_counts_the_backbone_s_last_layers_with_weights_and_the_head_always_learns(share, learning):
    net = backboned(7)
    unfreezing.unfreeze(net, 1.0)
    unfreezing.unfreeze(net, share)
    layers = [layer for layer in net.get_layer(pretrained.BACKBONE).layers if layer.weights]
    assert [bool(layer.trainable_variables) for layer in layers] == [False] * (4 - learning) + [True] * learning
    assert net.get_layer("logits").trainable_variables


def test_a_network_without_a_pretrained_part_is_one_line():
    with pytest.raises(Failure, match="compact has no pretrained part"):
        unfreezing.unfreeze(models.build("compact", classes=7, stem=4, width=4), "head")


@pytest.mark.slow
def test_a_run_goes_on_from_any_epoch_to_the_same_end_and_moves_only_what_its_stage_lets_learn(monkeypatch, tmp_path):
    monkeypatch.setattr(models, "build", lambda name, *, classes, **options: backboned(classes))
    rng = np.random.default_rng(0)
    labels = np.arange(70) % 7
    images = (labels[:, None, None] * 36 + rng.integers(0, 60, (70, 48, 48))).astype("uint8")
    train = settings(epochs=4, stages=[{**STAGES[0], "epochs": 2}, {**STAGES[2], "epochs": 2}])
    config = {"recipe": "toy", "seed": 1, "classes": list("abcdefg"), "model": {"name": "toy"}, "augment": {},
              "train": train}

    def run(folder, **options):
        return fit(config, (images, labels), (images, labels), verbose=False, checkpoint=folder, **options)

    def keep(row):
        shutil.copytree(tmp_path / "run", tmp_path / str(row["epoch"]))

    whole = run(tmp_path / "run", on_epoch=keep)
    assert [row["stage"] for row in whole.history] == [1, 1, 2, 2]
    assert [row["learning_rate"] for row in whole.history][0::2] == pytest.approx([0.01, 0.001])
    about = provenance(config, SimpleNamespace(manifest=dict.fromkeys(FACTS)), whole)
    assert about["weights"] == "random weights", "what the network really started from"
    kernels = [kernel(tmp_path / str(epoch)) for epoch in (1, 2, 3)]
    assert np.array_equal(kernels[0], kernels[1]), "frozen in the first stage"
    assert not np.array_equal(kernels[1], kernels[2]), "learns in the second"

    for epoch in (2, 3):  # the last of a stage, and one within
        resumed = run(tmp_path / str(epoch))
        for one, two in zip(whole.net.get_weights(), resumed.net.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)
        told = [[{k: v for k, v in row.items() if k != "seconds"} for row in one.history] for one in (whole, resumed)]
        assert told[0] == told[1]


def kernel(checkpoint: Path) -> np.ndarray:
    """The backbone's second convolution in a checkpoint, where the network's variables come before the optimiser's."""
    file, = checkpoint.glob("epoch-*/variables.npz")
    with np.load(file) as saved:
        return next(saved[name] for name in saved.files if saved[name].shape == (3, 3, 4, 4))
