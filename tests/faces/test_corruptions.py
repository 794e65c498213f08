"""The corruptions are the same for everyone: alone, in a batch, in any order, today and tomorrow."""

import numpy as np
import pytest

from pipeline.faces import corruptions
from pipeline.faces.corruptions import CORRUPTIONS, Corruption


def faces(count=6):
    """Blotches and a fine texture, uint8 ``(count, 48, 48)``, the same on every machine."""
    y, x = np.mgrid[:48, :48]
    waves = [np.sin(x / (2 + i)) * np.cos(y / (3 + i)) + 0.3 * np.sin(x * y / 9 + i) for i in range(count)]
    return np.clip(128 + 80 * np.stack(waves), 0, 255).astype("uint8")


def change(corruption, images):
    return abs(corruption(images).astype(int) - images).mean()


# The mean change of those faces: another one would make figures in the ledger incomparable with new ones
CHANGES = {
    "blur-0.7": 11.27, "blur-1.5": 15.39, "motion-3": 9.93, "motion-5": 12.51, "jpeg-50": 8.25, "jpeg-20": 12.89,
    "pixels-32": 12.86, "pixels-18": 15.28, "noise-5": 4.02, "noise-15": 12.08, "gamma-0.5": 49.79, "gamma-2": 56.42,
    "contrast-0.5": 17.63, "contrast-1.5": 17.13, "rotation-10": 28.79, "rotation-20": 40.81, "box-10": 31.23,
    "box-20": 43.36, "eyes-hidden": 12.18, "mouth-hidden": 24.64,
}


def test_there_are_two_severities_of_nine_kinds_and_two_parts_that_are_hidden():
    assert [corruption.name for corruption in CORRUPTIONS] == list(CHANGES)
    assert len({str(corruption) for corruption in CORRUPTIONS}) == len(CORRUPTIONS)
    assert str(Corruption("blur", 1.5)) == "blur of 1.5 pixels" and str(Corruption("eyes-hidden")) == "eyes hidden"


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.name)
def test_a_face_is_damaged_in_the_same_way_alone_in_a_batch_and_in_any_order(corruption):
    images = np.concatenate([faces(), np.repeat(faces(1), corruptions.BATCH, axis=0)])
    damaged = corruption(images)
    assert (damaged.dtype, damaged.shape) == (images.dtype, images.shape)
    assert np.array_equal(corruption(images[:6][::-1])[::-1], damaged[:6])
    assert np.array_equal(corruption(images[3:4])[0], damaged[3])
    assert (damaged[6:] == damaged[0]).all(), "the same face, in another batch"
    assert corruption(images[:0]).shape == (0, 48, 48)


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.name)
def test_the_damage_is_what_the_ledgers_figures_were_measured_with(corruption):
    assert change(corruption, faces()) == pytest.approx(CHANGES[corruption.name], abs=0.02)


def test_what_is_random_differs_from_face_to_face():
    for kind, severity in (("noise", 5), ("motion", 5), ("box", 20), ("eyes-hidden", None)):
        images = np.stack([faces(1)[0]] * 2)
        images[1, 0, 0] ^= 1
        first, second = Corruption(kind, severity)(images)
        assert (first != second).mean() > 0.01, kind


def test_the_second_severity_is_the_worse_one():
    images = faces()
    for mild, severe in zip(CORRUPTIONS[:18:2], CORRUPTIONS[1:18:2], strict=True):
        if mild.kind not in ("gamma", "contrast"):  # these go both ways
            assert change(mild, images) < change(severe, images), mild.kind


@pytest.mark.parametrize("quality", [50, 20])
def test_jpeg_loses_what_a_jpeg_file_loses(quality):
    import cv2

    images = faces()
    files = [cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for image in images]
    decoded = np.stack([cv2.imdecode(file, cv2.IMREAD_GRAYSCALE) for file in files]).astype(int)
    ours = Corruption("jpeg", quality)(images)
    assert abs(ours - decoded).mean() < 0.1 * abs(decoded - images).mean()


@pytest.mark.parametrize("pixels", [32, 18])
def test_few_pixels_scaled_up_are_opencvs(pixels):
    import cv2

    images = faces()
    small = [cv2.resize(image.astype("float32"), (pixels, pixels), interpolation=cv2.INTER_AREA) for image in images]
    expected = np.stack([cv2.resize(image, (48, 48), interpolation=cv2.INTER_LINEAR) for image in small])
    assert abs(Corruption("pixels", pixels)(images) - expected).max() < 1


def test_motion_keeps_what_lies_along_it_and_blurs_no_even_area():
    even = np.full((5, 48, 48), 77, "uint8")
    assert (Corruption("motion", 5)(even) == 77).all()
    point = np.zeros((40, 48, 48), "uint8")
    point[:, 24, 24] = 200
    point[:, 0, 0] = np.arange(40)  # another direction each
    damaged = Corruption("motion", 5)(point)[:, 20:29, 20:29].astype(int)
    assert abs(damaged.sum(axis=(1, 2)) - 200).max() < 12, "the light is spread, not lost"
    reach = (damaged > 8).sum(axis=(1, 2))
    assert reach.min() >= 4 and reach.max() <= 13


def test_a_box_off_its_centre_repeats_the_edge_and_leaves_an_even_face_as_it_is():
    even = np.full((5, 48, 48), 200, "uint8")
    for corruption in (Corruption("box", 20), Corruption("rotation", 20)):
        assert (corruption(even) == 200).all()
