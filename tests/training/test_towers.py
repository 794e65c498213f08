"""A batch in halves side by side: the step is the mean of the halves', and nothing but the halves decides it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.faces.faces import EMOTIONS, Faces
from pipeline.params.params import Train
from pipeline.system import processor
from pipeline.training import checkpoint, hardware, towers
from pipeline.training.loop import fit_faces
from pipeline.training.student import Student


def config(**train) -> dict:
    settings = {"batch_size": 64, "epochs": 2, "optimizer": "adamw", "learning_rate": 0.01, "schedule": "one_cycle",
                "keep": "last", "precision": "auto"}
    return {
        "recipe": "toy", "seed": 3, "classes": list(EMOTIONS), "class_weights": None,
        "model": {"name": "compact", "stem": 4, "width": 4, "stages": 2, "dropout": 0.3},
        "augment": {"flip": True, "rotation": 5}, "train": Train(**{**settings, **train}).model_dump(),
    }


@pytest.fixture(scope="module")
def toy() -> Faces:
    """Noise: 140 to train, two batches of 64 and one of 12 that is not halved; 70 to test."""
    rng = np.random.default_rng(0)
    manifest = {"dataset": "sample", "edition": "toy", "protocol": "published", "class_set": "7",
                "classes": list(EMOTIONS), "digest": "toy"}
    return Faces(rng.integers(0, 256, (210, 48, 48), "uint8"), np.array([f"toy_{i:03d}" for i in range(210)]),
                 np.repeat(["Training", "PublicTest"], [140, 70]), np.arange(210) % 7, manifest)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(processor, "cores", lambda: 2)
    monkeypatch.setattr(processor, "cpuinfo", lambda: ["flags : avx512_bf16"])


@pytest.fixture
def towers_in_float32(monkeypatch):
    """As processors without bfloat16 do not have them, but can."""
    monkeypatch.setattr(hardware, "towers", lambda precision, batch_size: 2)
    monkeypatch.setattr(hardware, "precision", lambda wanted: "float32")
    monkeypatch.setattr(hardware, "gains", lambda technique: False)


@pytest.mark.parametrize(("size", "expected"), [
    (64, [(0, 32), (32, 64)]), (65, [(0, 32), (32, 65)]), (63, [(0, 63)]), (1, [(0, 1)])])
def test_a_batch_is_halved_unless_its_halves_are_too_small(size, expected):
    assert [(part.start, part.stop) for part in towers.parts(size, 2)] == expected


@pytest.mark.parametrize(("cores", "batch", "precision", "expected"), [
    (2, 64, "auto", 2), (1, 64, "auto", 2), (2, 63, "auto", 1), (3, 64, "auto", 1), (2, 64, "float32", 1)])
def test_towers_are_for_machines_and_recipes_where_they_were_measured(monkeypatch, cores, batch, precision, expected):
    monkeypatch.setattr(processor, "cores", lambda: cores)
    assert hardware.towers(precision, batch) == expected
    monkeypatch.setattr(processor, "cpuinfo", lambda: ["flags : avx2"])
    assert hardware.towers("auto", batch) == hardware.towers("bfloat16", batch) == 1


def student_of(net: keras.Model) -> Student:
    """A student of it that neither augments nor mixes, and steps by SGD."""
    student = Student(net, {**config(), "augment": {}})
    student.compile(optimizer=keras.optimizers.SGD(1.0))
    student.optimizer.build(student.trainable_variables)
    return student


def net_with(*norms: keras.layers.Layer) -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(8, 3, kernel_regularizer="l2")(image)
    for norm in norms:
        x = norm(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(image, keras.layers.Dense(7, name="logits")(x))


def batch_of(count: int) -> dict:
    rng = np.random.default_rng(0)
    return {"images": tf.constant(rng.normal(size=(count, 4, 4, 1)), "float32"),
            "label": tf.one_hot(rng.integers(0, 7, count), 7)}


def stepped(student: Student, batch: dict) -> list[np.ndarray]:
    figures = tf.function(student.train_step)((batch,))
    return [*student.net.get_weights(), *(np.asarray(value) for value in figures.values())]


@pytest.mark.parametrize("count", [64, 65])
def test_without_batch_norm_the_step_is_keras_own(count, monkeypatch):
    halves = student_of(net_with())
    monkeypatch.setattr(hardware, "towers", lambda precision, batch_size: 1)
    whole = student_of(net_with())
    assert (halves.towers, whole.towers) == (2, 1)
    for ours, keras_own in zip(stepped(halves, batch_of(count)), stepped(whole, batch_of(count)), strict=True):
        np.testing.assert_allclose(ours, keras_own, rtol=1e-5, atol=1e-6)


def test_batch_norm_has_the_statistics_of_each_half_and_moves_as_far_as_for_a_batch():
    student, batch = student_of(net_with(keras.layers.BatchNormalization(momentum=0.81))), batch_of(64)
    kernel, bias = student.net.get_weights()[:2]
    features = tf.nn.conv2d(batch["images"], kernel, 1, "VALID") + bias
    first, second = (np.asarray(part).reshape(-1, 8).mean(axis=0) for part in (features[:32], features[32:]))
    stepped(student, batch)
    norm = student.net.layers[2]
    # of the old average, 0, stays the momentum of a whole batch
    np.testing.assert_allclose(norm.moving_mean, 0.9 * 0.1 * first + 0.1 * second, rtol=1e-4, atol=1e-6)
    variances = [np.asarray(part).reshape(-1, 8).var(axis=0) for part in (features[:32], features[32:])]
    np.testing.assert_allclose(norm.moving_variance, 0.81 + 0.9 * 0.1 * variances[0] + 0.1 * variances[1], rtol=1e-4)


def test_the_step_with_batch_norm_is_the_mean_of_both_halves():
    def gradients(rows: slice) -> list[np.ndarray]:
        student = student_of(net_with(keras.layers.BatchNormalization()))
        before = [np.asarray(variable) for variable in student.trainable_variables]
        tf.function(student.train_step)(({name: value[rows] for name, value in batch.items()},))
        return [np.asarray(new) - old for new, old in zip(student.trainable_variables, before, strict=True)]

    batch = batch_of(64)
    whole, first, second = gradients(slice(None)), gradients(slice(32)), gradients(slice(32, None))
    for step, half, other in zip(whole, first, second, strict=True):
        np.testing.assert_allclose(step, (half + other) / 2, rtol=1e-4, atol=1e-6)


def test_a_checkpoint_of_towers_is_no_other_run_s(monkeypatch):
    with_towers = checkpoint.key(config(), "data")
    monkeypatch.setattr(processor, "cores", lambda: 1)
    assert checkpoint.key(config(), "data") == with_towers, "on one core the halves are trained in turn"
    monkeypatch.setattr(processor, "cores", lambda: 16)
    assert checkpoint.key(config(), "data") != with_towers


@pytest.mark.slow
@pytest.mark.usefixtures("towers_in_float32")
def test_in_towers_too_a_cut_run_ends_in_the_same_network(toy, tmp_path):
    def kill(row):
        """Keep what a kill would leave on the disk after the first epoch."""
        if row["epoch"] == 1:
            shutil.copytree(tmp_path / "whole", tmp_path / "cut")

    settings = config(optimizer="muon")
    whole = fit_faces(settings, toy, verbose=False, checkpoint=tmp_path / "whole", on_epoch=kill)
    resumed = fit_faces(settings, toy, verbose=False, checkpoint=tmp_path / "cut")
    for one, two in zip(whole.net.get_weights(), resumed.net.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    for before, after in zip(whole.history, resumed.history, strict=True):
        assert {**before, "seconds": 0} == {**after, "seconds": 0}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system cannot take cores from a process")
def test_one_core_and_two_train_the_same_network(toy, tmp_path):
    """And TensorFlow has one thread an operation, so nothing has started it before the training set that."""
    toy.save(tmp_path / "faces")
    (tmp_path / "config.json").write_text(json.dumps(config()))
    code = """if True:
        import os, sys
        os.sched_setaffinity(0, {int(core) for core in sys.argv[1].split(",")})
        from pipeline.training.__main__ import main
        from pipeline.training import hardware
        hardware.towers = lambda precision, batch_size: 2  # as where the processor has bfloat16
        main([f"{sys.argv[2]}/config.json", f"{sys.argv[2]}/faces", f"{sys.argv[2]}/{sys.argv[1]}"])
        import tensorflow as tf
        assert tf.config.threading.get_intra_op_parallelism_threads() == 1
    """
    weights, cores = [], [str(core) for core in sorted(os.sched_getaffinity(0))[:2]]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    for affinity in (",".join(cores), cores[0]):
        done = subprocess.run([sys.executable, "-c", code, affinity, str(tmp_path)], capture_output=True, text=True,
                              env=environment)
        assert done.returncode == 0, done.stderr[-2000:]
        weights.append(keras.saving.load_model(tmp_path / affinity / "net.keras").get_weights())
    for one, two in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, two)
