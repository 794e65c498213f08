"""What cameras and uploads do to a face in training: as often and as strongly as the recipe says, and no more."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.faces import corruptions

KINDS = ("blur", "jpeg", "noise", "gamma", "misplaced", "mouth_hidden", "glasses")


def faces(count=64):
    """Smooth blotches with fine noise, float32 ``(count, 48, 48, 1)``."""
    rng = np.random.default_rng(1)
    blotches = np.kron(rng.uniform(40, 210, (count, 6, 6)), np.ones((8, 8)))
    return (blotches + rng.normal(0, 8, (count, 48, 48))).clip(0, 255).astype("float32")[..., None]


def shown(images, training=True, mirrors_only=False, **arguments):
    from pipeline.training.augment import Augment

    augment = Augment(seed=4, **arguments)
    augment.mirrors_only = mirrors_only
    return np.asarray(augment(images, training=training))


def sharpness(images):
    """The mean difference of neighbouring pixels, an image each."""
    return abs(np.diff(images[..., 0], axis=2)).mean(axis=(1, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_the_share_of_faces_that_the_recipe_names_is_degraded_and_the_others_stay_as_they_are(kind):
    images = faces(400)
    changed = abs(shown(images, **{kind: 0.3}) - images).max(axis=(1, 2, 3)) > 0.01
    assert 0.2 < changed.mean() < 0.4
    result = shown(images, **{kind: 1.0})
    assert result.min() >= 0 and result.max() <= 255 and result.shape == images.shape
    assert (abs(result - images).max(axis=(1, 2, 3)) > 0.01).mean() > 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_epochs_degrade_too_and_nothing_is_degraded_outside_training(kind):
    images = faces()
    assert np.array_equal(shown(images, training=False, **{kind: 1.0}), images)
    last = shown(images, mirrors_only=True, flip=False, rotation=20, brightness=0.5, **{kind: 1.0})
    assert np.array_equal(last, shown(images, **{kind: 1.0})), "all but the degradations is left out"


def test_severity_bounds_how_much_is_done():
    images = faces(200)
    for kind in ("blur", "jpeg", "noise", "gamma", "misplaced"):
        weak, strong = (np.abs(shown(images, **{kind: 1.0}, severity=severity) - images).mean()
                        for severity in (0.3, 1.0))
        assert 0 < weak < (0.97 if kind == "jpeg" else 0.8) * strong, kind


def test_the_bank_holds_only_means_of_pixels_and_begins_with_the_identity():
    from pipeline.training.degrade import bank

    matrices, pairs = bank(48, 1.0)
    assert np.array_equal(matrices[0], np.eye(48))
    assert (matrices >= 0).all() and np.allclose(matrices.sum(axis=2), 1, atol=1e-5)
    assert set(pairs.ravel()) == set(range(len(matrices))) and 0 in pairs[:, 0] and 0 in pairs[:, 1]
    assert len(bank(48, 0.5)[1]) < len(pairs)
    assert bank(48, 0.0)[1].tolist() == [[0, 0]], "nothing is weak enough: the identity"


def test_blur_leaves_less_detail_and_noise_more():
    images = faces()
    assert (sharpness(shown(images, blur=1.0)) <= sharpness(images)).all()
    assert sharpness(shown(images, noise=1.0)).mean() > sharpness(images).mean()


def test_blocks_are_jpegs():
    """At one quality the layer's blocks are those of the fixed corruption, whose coefficients OpenCV's are."""
    from pipeline.training import degrade

    images = faces(8)
    low, high = degrade.WORST_QUALITY, degrade.BEST_QUALITY
    try:
        degrade.WORST_QUALITY = degrade.BEST_QUALITY = 20.0
        ours = shown(images, jpeg=1.0)[..., 0]
    finally:
        degrade.WORST_QUALITY, degrade.BEST_QUALITY = low, high
    blocks = (ours - 128).reshape(8, 6, 8, 6, 8).transpose(0, 1, 3, 2, 4).reshape(-1, 64)
    steps = np.floor(corruptions.JPEG_TABLE.ravel() * 2.5 + 0.5)
    inside = np.all((blocks > -127) & (blocks < 126), axis=1)
    multiples = (blocks @ corruptions.dct().T)[inside] / steps
    assert inside.any() and np.allclose(multiples, np.round(multiples), atol=1e-3)


def test_a_hidden_mouth_is_one_patch_in_the_lower_half_and_glasses_lie_over_the_eyes():
    images = faces(200)
    rows = (shown(images, mouth_hidden=1.0) != images).any(axis=(0, 2, 3))
    assert not rows[:23].any() and rows[30:].all()
    rows = (abs(shown(images, glasses=1.0) - images) > 0.01).any(axis=(0, 2, 3))
    assert not rows[:8].any() and rows[14:20].all() and not rows[27:].any()


def test_a_recipe_without_degradations_has_no_further_random_generator():
    """So that it trains to the weights that it had before there were any, bit for bit."""
    from pipeline.training.augment import Augment

    plain = Augment(flip=True, rotation=10, severity=0.5)
    assert [variable.path for variable in plain.variables] == [plain.seed_generator.state.path]
    assert len(Augment(flip=True, blur=0.1).variables) == 2


def test_a_misspelt_degradation_is_refused():
    from pipeline.training.augment import Augment

    with pytest.raises(TypeError, match="blurr"):
        Augment(blurr=0.5)


@pytest.mark.slow
def test_the_same_is_done_under_jax(tmp_path):
    """The same arithmetic: the random numbers of a seed are not the same under both."""
    code = ("import numpy, sys, test_degrade as t\n"
            "images = t.faces(400)\n"
            "numpy.savez(sys.argv[1], **{k: abs(t.shown(images, **{k: 1.0}) - images).mean() for k in t.KINDS})")
    subprocess.run([sys.executable, "-c", code, tmp_path / "jax.npz"], check=True, cwd=Path(__file__).parent,
                   env={**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_backend_optimization_level=0",
                        "PYTHONPATH": os.pathsep.join(sys.path)})
    images = faces(400)
    with np.load(tmp_path / "jax.npz") as under_jax:
        for kind in KINDS:
            change = abs(shown(images, **{kind: 1.0}) - images).mean()
            assert 0.8 < under_jax[kind] / change < 1.25, kind
