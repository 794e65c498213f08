"""Mixing: an image and its targets are blended by the same share, and only while it is switched on."""

import numpy as np
import pytest


def mixed(active=1.0, **options):
    from pipeline.training.mixing import Mix

    layer = Mix(**options)
    layer.active.assign(active)
    # every image holds one value, and its target says which
    values = np.linspace(0, 200, 64, dtype="float32")
    images = np.broadcast_to(values[:, None, None, None], (64, 16, 16, 1))
    new, targets = layer(images, {"label": values[:, None]})
    return values, np.asarray(new), np.asarray(targets["label"])[:, 0]


@pytest.mark.parametrize("options", [{"mixup": 1.0}, {"cutmix": 1.0}, {"mixup": 0.3, "cutmix": 1.0}])
def test_the_target_is_blended_as_the_pixels_are(options):
    values, images, targets = mixed(**options)
    np.testing.assert_allclose(images.mean(axis=(1, 2, 3)), targets, rtol=1e-4, atol=1e-2)
    assert (np.abs(targets - values) > 1e-3).mean() > 0.5


def test_mixup_blends_evenly_and_cutmix_puts_a_box_in():
    _, images, _ = mixed(mixup=1.0)
    assert np.ptp(images, axis=(1, 2, 3)).max() < 1e-3
    values, images, _ = mixed(cutmix=1.0)
    for image, own, other in zip(images, values, np.roll(values, 1), strict=True):
        assert set(np.unique(image.round(3))) <= {np.float32(own).round(3), np.float32(other).round(3)}


def test_the_share_is_the_share_of_the_images_and_inactive_changes_nothing():
    values, images, targets = mixed(mixup=1.0, share=0.5)
    touched = np.abs(targets - values) > 1e-6
    assert 0.2 < touched.mean() < 0.8
    values, images, targets = mixed(mixup=1.0, cutmix=1.0, active=0.0)
    np.testing.assert_array_equal(targets, values)
    np.testing.assert_array_equal(images[:, 0, 0, 0], values)
