"""The entrance: sharpness is evened out where a face is blurred or noisy, and left alone where it is not."""

import numpy as np
import pytest

from pipeline.faces.corruptions import Corruption


@pytest.fixture(scope="module")
def even():
    """The entrance's layer alone: uint8 images ``(N, 48, 48)`` to float32 ones."""
    import keras

    from pipeline.training.models.entrance import even_sharpness

    image = keras.Input((48, 48, 1))
    net = keras.Model(image, even_sharpness(image))
    return lambda images: net.predict_on_batch(images[..., None].astype("float32"))[..., 0]


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """uint8 ``(8, 48, 48)``: coarse detail is stronger than fine in them, as it is in photographs."""
    random = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(96)[:, None], np.fft.fftfreq(96))
    frequency[0, 0] = np.inf
    noise = np.fft.ifft2(np.fft.fft2(random.normal(size=(8, 96, 96))) / frequency**1.5).real[:, :48, :48]
    noise -= noise.mean(axis=(1, 2), keepdims=True)
    return np.clip(127 + 45 * noise / noise.std(axis=(1, 2), keepdims=True), 0, 255).astype("uint8")


def distance(images, originals) -> np.ndarray:
    return np.sqrt(((images - originals.astype("float32")) ** 2).mean(axis=(1, 2)))


def test_pictures_that_are_neither_blurred_nor_noisy_stay_as_they_are(even, pictures):
    np.testing.assert_array_equal(even(pictures), pictures)


@pytest.mark.parametrize("damage", [Corruption("blur", 0.7), Corruption("blur", 1.5), Corruption("pixels", 32),
                                    Corruption("noise", 15)], ids=str)
def test_blurred_enlarged_and_noisy_pictures_come_nearer_to_what_they_were(even, pictures, damage):
    damaged = damage(pictures)
    assert distance(even(damaged), pictures).mean() < 0.98 * distance(damaged, pictures).mean()


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_picture_without_any_detail_stays_as_it_is(even, grey):
    plain = np.full((1, 48, 48), grey, "uint8")
    np.testing.assert_array_equal(even(plain), plain)


def test_values_stay_within_those_of_an_image_and_the_mirror_image_becomes_the_mirror_image(even, pictures):
    blurred = Corruption("blur", 1.5)(np.where(pictures > 127, 255, 0).astype("uint8"))
    evened = even(blurred)
    assert evened.min() == 0 and evened.max() == 255 and not np.array_equal(evened, blurred)
    np.testing.assert_allclose(even(blurred[:, :, ::-1])[:, :, ::-1], evened, atol=1e-3)
