"""Training: the same seed gives the same network, wherever a run was cut; and no run takes up another's state."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.faces.faces import EMOTIONS, Faces
from pipeline.params.params import Train
from pipeline.system.failure import Failure

ROOT = Path(__file__).parents[2]


def config(**train) -> dict:
    return {
        "recipe": "toy", "seed": 3, "classes": list(EMOTIONS), "class_weights": None,
        "model": {"name": "compact", "stem": 4, "width": 4, "stages": 2, "dropout": 0.3},
        "augment": {"rotation": 5, "translation": 0.1, "brightness": 0.2, "erasing": 0.2},
        "train": Train(**{"epochs": 4, "batch_size": 32, "optimizer": "adamw", "learning_rate": 0.01,
                          "schedule": "one_cycle", "warmup": 0.2, "weight_decay": 0.01, "label_smoothing": 0.1,
                          "keep": "last", "plateau_patience": 2, **train}).model_dump(),
    }


@pytest.fixture(scope="module")
def toy() -> Faces:
    """Stripes whose direction and pitch tell the class; 140 to train, 35 and 35 to test."""
    rng = np.random.default_rng(0)
    labels = np.arange(210) % 7
    axis = np.linspace(0, 6.28, 48)
    images = []
    for label in labels:
        angle = label * np.pi / 7
        wave = np.sin(4 * (np.cos(angle) * axis[None] + np.sin(angle) * axis[:, None]) + rng.uniform(0, 6))
        images.append(127 + 80 * wave + rng.normal(0, 20, (48, 48)))
    splits = np.repeat(["Training", "PublicTest", "PrivateTest"], [140, 35, 35])
    ids = np.array([f"toy_{i:03d}" for i in range(210)])
    manifest = {"dataset": "sample", "edition": "toy", "protocol": "published", "class_set": "7",
                "classes": list(EMOTIONS), "digest": "toy"}
    return Faces(np.clip(images, 0, 255).astype("uint8"), ids, splits, labels.astype("int64"), manifest)


SERESNET = {"name": "seresnet", "width": 4, "blocks": [1], "squeeze": 2, "drop_path": 0.2, "dropout": 0.2}


class Cut(Exception):
    """Stands for a kill in the middle of a run."""


def fitted(toy, settings, **options):
    from pipeline.training.loop import fit_faces

    return fit_faces(settings, toy, verbose=False, **options)


def cut_after(toy, settings, folder, epoch):
    """A run, the one that goes on from what the first had on the disk after an epoch, and that one's epochs."""
    def kill(row):
        if row["epoch"] == epoch:
            shutil.copytree(folder / "whole", folder / "cut")

    epochs = []
    whole = fitted(toy, settings, checkpoint=folder / "whole", on_epoch=kill)
    resumed = fitted(toy, settings, checkpoint=folder / "cut", on_epoch=lambda row: epochs.append(row["epoch"]))
    return whole, resumed, epochs


def assert_equal(whole, resumed):
    for one, two in zip(whole.net.get_weights(), resumed.net.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in whole.history]
    assert rows == [{k: v for k, v in row.items() if k != "seconds"} for row in resumed.history]


@pytest.fixture(scope="module")
def whole(toy):
    """A run of four epochs that nothing disturbed, without checkpoints."""
    return fitted(toy, config())


@pytest.mark.slow
def test_one_seed_one_network_and_a_run_cut_while_it_writes_its_checkpoint_ends_in_the_same_one(toy, tmp_path, whole):
    def cut(row):
        if row["epoch"] == 2:
            raise Cut

    with pytest.raises(Cut):
        fitted(toy, config(), checkpoint=tmp_path, on_epoch=cut)
    half = tmp_path / ".epoch-00003.1.new"
    half.mkdir()
    (half / "variables.npz").write_bytes(b"half")
    epochs = []
    resumed = fitted(toy, config(), checkpoint=tmp_path, on_epoch=lambda row: epochs.append(row["epoch"]))
    assert epochs == [3, 4], "the resumed run repeats no finished epoch and skips none"
    assert_equal(whole, resumed)


EVERYTHING = {"optimizer": "muon", "ema": 0.9, "start_share": 0.2, "mixup": 0.3, "cutmix": 1.0, "mix_until": 0.7,
              "votes": 0.4, "augment_until": 0.5, "degrade_from": 0.25}


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["last", "best"])
def test_averages_mixing_and_votes_survive_a_cut_too(toy, tmp_path, keep):
    """Everything that a long run on an accelerator switches on, cut where mixing stops."""
    voted = replace(toy, votes=np.eye(10, dtype="uint8")[toy.labels] * 9)
    settings = {**config(**EVERYTHING, keep=keep), "model": SERESNET,
                "augment": {"rotation": 5, "erasing": 0.2, "blur": 0.5, "jpeg": 0.3, "noise": 0.3, "glasses": 0.2}}
    whole, resumed, epochs = cut_after(voted, settings, tmp_path, 3)
    assert epochs == [4]
    assert_equal(whole, resumed)


@pytest.mark.slow
def test_a_recipe_may_degrade_its_last_epochs_alone(toy):
    def losses(probability):
        settings = {**config(degrade_from=0.5), "augment": {"flip": True, "blur": probability}}
        return [row["loss"] for row in fitted(toy, settings).history]

    rarely, often = losses(0.01), losses(1.0)
    assert rarely[:2] == often[:2] and rarely[2] != often[2]


@pytest.mark.slow
def test_the_averaged_network_is_the_one_that_was_measured(toy):
    from pipeline.training.loop import predict

    result = fitted(toy, config(epochs=3, ema=0.9, start_share=0.3))
    validation = toy.split("PublicTest")
    logits = predict(result.net, validation.images)
    assert (logits.argmax(axis=1) == validation.labels).mean() == pytest.approx(result.history[-1]["val_accuracy"])


@pytest.mark.slow
def test_a_share_of_the_weights_that_it_began_with_is_kept(toy):
    from pipeline.training.loop import build_net

    def kernel(net):
        return net.get_layer("logits").get_weights()[0]

    trained, kept = fitted(toy, config()), fitted(toy, config(start_share=0.25))
    assert [row["loss"] for row in trained.history] == [row["loss"] for row in kept.history], "it trains as ever"
    expected = 0.75 * kernel(trained.net) + 0.25 * kernel(build_net(config()))
    np.testing.assert_allclose(kernel(kept.net), expected, atol=1e-6)


@pytest.mark.slow
def test_sharpness_is_evened_out_when_the_network_answers_and_not_while_it_trains(toy):
    from pipeline.faces.corruptions import Corruption
    from pipeline.training.loop import predict

    resnet = {"name": "resnet", "width": 8, "blocks": [1], "dropout": 0.0}
    plain, even = (fitted(toy, {**config(epochs=2), "model": {**resnet, "sharpness": on}}) for on in (False, True))
    assert [row["loss"] for row in plain.history] == [row["loss"] for row in even.history]
    for one, two in zip(plain.net.get_weights(), even.net.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    blurred = Corruption("blur", 1.5)(toy.split("PublicTest").images)
    assert not np.allclose(predict(plain.net, blurred), predict(even.net, blurred), atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("values", "augmented"), [({"start_share": 0.25}, False), ({"ema": 0.9}, True)])
def test_a_share_of_the_start_has_the_statistics_of_images_as_they_are(toy, monkeypatch, values, augmented):
    from pipeline.training import averaging

    seen, estimate = [], averaging.estimate_statistics
    monkeypatch.setattr(averaging, "estimate_statistics",
                        lambda student, images, augmented: seen.append(augmented) or estimate(student, images, True))
    fitted(toy, config(epochs=1, **values))
    assert seen == [augmented]


def test_missing_votes_are_one_line(toy):
    with pytest.raises(Failure, match="the faces have no votes"):
        fitted(toy, config(votes=0.4))


@pytest.mark.slow
def test_it_does_not_matter_how_many_steps_one_call_takes(toy, monkeypatch):
    from pipeline.training import epochs

    monkeypatch.setattr(epochs, "CALL", 0)  # one at a time
    one = fitted(toy, config())
    monkeypatch.setattr(epochs, "CALL", 1000)  # one, two, then all whole batches of an epoch
    many = fitted(toy, config())
    for a, b in zip(one.net.get_weights(), many.net.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [row["loss"] for row in one.history] == [row["loss"] for row in many.history]


@pytest.mark.slow
def test_an_epochs_figures_are_those_of_its_batches_one_by_one(toy):
    """The last batch is smaller: every image counts once, not every batch."""
    from pipeline.training import epochs, optimizers
    from pipeline.training.loop import build_net
    from pipeline.training.student import Student, feed

    settings, train, order = config(), toy.split("Training"), np.arange(140)
    data = feed(settings, train.images, train.labels, {})
    figures = []
    for way in (lambda student: epochs.epochs_of(student, data, 32, False)(order),
                lambda student: epochs._batch_by_batch(student, data, order, 32, False)):
        student = Student(build_net(settings), settings)
        student.compile(optimizer=optimizers.build(settings["train"], steps=5))
        student.optimizer.build(student.trainable_variables)
        figures.append(way(student))
    assert figures[0] == pytest.approx(figures[1], rel=1e-5)


@pytest.mark.slow
def test_another_seed_gives_another_network(toy, whole):
    other = fitted(toy, {**config(), "seed": 4})
    assert any(not np.array_equal(a, b) for a, b in zip(whole.net.get_weights(), other.net.get_weights(), strict=True))


@pytest.mark.slow
def test_the_toy_is_learned(toy):
    assert fitted(toy, config(epochs=12)).history[-1]["val_accuracy"] > 0.8


@pytest.mark.slow
def test_early_stopping_keeps_the_best_epoch_and_survives_a_cut(toy, tmp_path):
    settings = config(epochs=30, early_stopping=2, keep="best", schedule="plateau", optimizer="sgd",
                      learning_rate=0.05, plateau_patience=1)
    states = []

    def keep(row):
        states.append(shutil.copytree(tmp_path / "whole", tmp_path / f"after-{row['epoch']}"))

    whole = fitted(toy, settings, checkpoint=tmp_path / "whole", on_epoch=keep)
    scores = [row["val_accuracy"] for row in whole.history]
    assert len(scores) < 30 and whole.best_epoch == int(np.argmax(scores)) + 1 == len(scores) - 2
    # as if it had been cut an epoch after the best one
    assert_equal(whole, fitted(toy, settings, checkpoint=states[whole.best_epoch]))


@pytest.mark.parametrize("change", [{"learning_rate": 0.02}, {"epochs": 5}, {"batch_size": 16}])
def test_changed_parameters_never_take_up_the_old_checkpoint(change):
    from pipeline.training.checkpoint import key

    assert key(config(**change), "data") != key(config(), "data")
    assert key(config(), "other data") != key(config(), "data")
    assert key(config(), "data") == key(config(), "data")


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_the_run_in_one_line(toy):
    # Beyond what params.yaml allows, so that one epoch is enough
    diverging = config(epochs=1, optimizer="sgd")
    diverging["train"]["learning_rate"] = 1e30
    with pytest.raises(Failure, match=r"lower train\.learning_rate"):
        fitted(toy, diverging)


@pytest.mark.slow
def test_every_epoch_says_how_long_the_rest_will_take_and_a_damaged_checkpoint_is_dropped(toy, tmp_path, capsys):
    from pipeline.training.loop import fit_faces

    fit_faces(config(epochs=1), toy, checkpoint=tmp_path)
    said = capsys.readouterr().out
    assert re.search(r"^epoch   1 of 1: PublicTest accuracy .* min, about 0\.0 left$", said, re.M)
    file = next(tmp_path.glob("epoch-*")) / "variables.npz"
    file.write_bytes(file.read_bytes()[:100])
    epochs = []
    fitted(toy, config(epochs=1), checkpoint=tmp_path, on_epoch=lambda row: epochs.append(row["epoch"]))
    assert epochs == [1] and "dropped" in capsys.readouterr().out


def test_one_run_is_trained_by_one_process_at_a_time(tmp_path):
    from pipeline.training import checkpoint

    with checkpoint.alone(tmp_path / "run"):
        with pytest.raises(Failure, match="another process"), checkpoint.alone(tmp_path / "run"):
            raise AssertionError("two processes hold the same run")
        assert (tmp_path / "run").is_dir()
    assert not (tmp_path / "run").exists(), "nothing stays behind a finished run"
    (tmp_path / "run" / "lock").mkdir(parents=True)
    with pytest.raises(Failure, match="run: cannot be locked"):
        checkpoint.alone(tmp_path / "run").__enter__()


@pytest.mark.slow
def test_the_standalone_program_never_goes_on_with_another_config_s_state(toy, tmp_path, monkeypatch):
    """Interrupt one run, start another into the same folder: the worst trap would report the first one's network."""
    from pipeline.training import checkpoint
    from pipeline.training.__main__ import main

    toy.save(tmp_path / "faces")

    def run(settings):
        (tmp_path / "config.json").write_text(json.dumps(settings))
        main([f"{tmp_path}/{name}" for name in ("config.json", "faces", "out")])

    def cut(*arguments):
        real(*arguments)
        raise KeyboardInterrupt

    real = checkpoint.save
    monkeypatch.setattr(checkpoint, "save", cut)
    with pytest.raises(KeyboardInterrupt):
        run(config())
    monkeypatch.setattr(checkpoint, "save", real)
    run(config(learning_rate=0.02, epochs=2))
    rows = json.loads((tmp_path / "out/history.json").read_text())
    assert [row["epoch"] for row in rows] == [1, 2]
    alone = fitted(toy, config(learning_rate=0.02, epochs=2))
    assert [row["loss"] for row in rows] == [row["loss"] for row in alone.history]


@pytest.mark.parametrize("content", ["{", "{}", "[1]"])
def test_a_config_that_is_none_is_one_line(content, tmp_path):
    from pipeline.training.__main__ import main

    (tmp_path / "config.json").write_text(content)
    with pytest.raises(Failure, match="not a resolved config"):
        main([str(tmp_path / "config.json"), str(tmp_path), str(tmp_path / "out")])


def test_faces_of_other_classes_than_the_config_s_are_one_line(toy, tmp_path):
    from pipeline.training.__main__ import main

    toy.save(tmp_path / "faces")
    (tmp_path / "config.json").write_text(json.dumps({**config(), "classes": list(EMOTIONS[:6])}))
    with pytest.raises(Failure, match=r"its classes are angry, .*those of .*faces are angry, .*neutral"):
        main([f"{tmp_path}/{name}" for name in ("config.json", "faces", "out")])


@pytest.mark.slow
def test_the_standalone_program_survives_kill_9(toy, tmp_path):
    toy.save(tmp_path / "faces")
    (tmp_path / "config.json").write_text(json.dumps(config(epochs=6)))

    def command(out):
        return [sys.executable, "-m", "pipeline.training", f"{tmp_path}/config.json", f"{tmp_path}/faces", str(out)]

    from pipeline.training.__main__ import main

    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    main(command(tmp_path / "whole")[3:])
    process = subprocess.Popen(command(tmp_path / "cut"), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list((tmp_path / "cut/checkpoint").glob("*/epoch-*")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    process.wait()
    assert not (tmp_path / "cut/net.keras").exists(), "the run was over before it was cut"
    subprocess.run(command(tmp_path / "cut"), check=True, env=env, capture_output=True)

    import keras

    whole, cut = (keras.saving.load_model(tmp_path / name / "net.keras", safe_mode=True) for name in ("whole", "cut"))
    for one, two in zip(whole.get_weights(), cut.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


KERNELS = ((3, 3, 4, 6), (6, 5), (3, 3, 6, 4), (3, 3, 1, 8), (6, 6), (5,))


def _after_three_steps_of_muon() -> list[np.ndarray]:
    """KERNELS after three steps along fixed gradients."""
    import keras

    from pipeline.training.optimizers import Muon

    rng = np.random.default_rng(0)
    variables = [keras.Variable(rng.normal(size=shape), dtype="float32") for shape in KERNELS]
    optimizer = Muon(0.01, weight_decay=0.1)
    for _ in range(3):
        optimizer.apply([keras.ops.array(rng.normal(size=shape), "float32") for shape in KERNELS], variables)
    return [np.asarray(variable) for variable in variables]


@pytest.mark.slow
def test_muon_takes_the_same_steps_under_jax_where_it_takes_kernels_together(tmp_path):
    code = ("import numpy, sys, test_loop\n"
            "numpy.savez(sys.argv[1], *test_loop._after_three_steps_of_muon())")
    subprocess.run([sys.executable, "-c", code, tmp_path / "jax.npz"], check=True, cwd=Path(__file__).parent,
                   env={**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_backend_optimization_level=0",
                        "PYTHONPATH": os.pathsep.join(sys.path)})
    with np.load(tmp_path / "jax.npz") as under_jax:
        for name, expected in zip(under_jax.files, _after_three_steps_of_muon(), strict=True):
            np.testing.assert_allclose(under_jax[name], expected, atol=1e-5)


def test_muon_s_shorter_iteration_gives_what_keras_s_gives():
    import keras

    from pipeline.training import optimizers

    ours = optimizers.Muon(0.01, ns_steps=5)
    for shape in ((90, 10), (10, 90), (16, 16)):
        matrix = keras.ops.array(np.random.default_rng(0).normal(size=shape).astype("float32"))
        theirs = keras.optimizers.Muon.zeropower_via_newtonschulz5(ours, matrix, 5)
        normed = matrix / keras.ops.norm(matrix)
        actual = optimizers._times(normed, ours._polynomial(optimizers._gram(normed)))
        np.testing.assert_allclose(actual, theirs, atol=1e-4)


def test_the_last_epochs_can_see_images_that_are_mirrored_only():
    from pipeline.training.augment import Augment

    images = np.random.default_rng(0).integers(0, 256, (32, 48, 48, 1)).astype("float32")
    augment = Augment(flip=True, rotation=20, zoom=0.2, brightness=0.5, erasing=1.0)
    augment.mirrors_only = True
    shown = np.asarray(augment(images, training=True))
    mirrored = (shown == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert ((shown == images).all(axis=(1, 2, 3)) ^ mirrored).all() and 0 < mirrored.sum() < 32
