"""Near copies: what is found, what is not, and what validate tells of it."""


from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline.faces import copies
from pipeline.faces.faces import Faces
from pipeline.params.params import Validate
from pipeline.validate import checks, judged, sheet
from pipeline.validate.near import near_copies
from pipeline.validate.report import page

PHOTOGRAPHS = 60


def photographs() -> np.ndarray:
    """Photographs of 64 x 64 pixels, each with large shapes of its own, and shapes that all have in common."""
    rng = np.random.default_rng(3)
    shapes = [cv2.GaussianBlur(rng.normal(0, 1, (64, 64)), (0, 0), 3) for _ in range(PHOTOGRAPHS + 1)]
    pictures = [128 + 25 * shape / shape.std() + 25 * shapes[0] / shapes[0].std() for shape in shapes[1:]]
    return np.clip(np.rint(pictures), 0, 255).astype("uint8")


def crop(photograph: np.ndarray, top: int = 8, left: int = 8) -> np.ndarray:
    return photograph[top : top + 48, left : left + 48]


def encoded(image: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_GRAYSCALE)


@pytest.fixture(scope="module")
def faces() -> Faces:
    """Sixty photographs, the first forty in Training. Then come copies: of 0 shifted in PublicTest, of 1 mirrored in
    PrivateTest, of 2 encoded and darker in PublicTest, of 3 smaller and larger again in Training, of 4 equal in every
    pixel in PrivateTest, of that one a shifted one in PrivateTest."""
    originals = photographs()
    images = [crop(one) for one in originals]
    blurred = cv2.resize(cv2.resize(images[3], (36, 36), interpolation=cv2.INTER_AREA), (48, 48))
    made = [crop(originals[0], 6, 10), images[1][:, ::-1], (encoded(images[2]) * 0.7).astype("uint8"), blurred,
            images[4], crop(originals[4], 8, 10)]
    splits = ["Training"] * 40 + ["PublicTest"] * 10 + ["PrivateTest"] * 10
    splits += ["PublicTest", "PrivateTest", "PublicTest", "Training", "PrivateTest", "PrivateTest"]
    names = [f"photograph{number}" for number in range(PHOTOGRAPHS)]
    names += ["shifted0", "mirrored1", "encoded2", "small3", "exact4", "shifted4"]
    return Faces(np.stack([*images, *made]), np.array(names), np.array(splits),
                 np.arange(len(names)) % 7, {"dataset": "fer2013", "digest": "0123"})


@pytest.fixture(scope="module")
def found(faces) -> copies.Copies:
    return near_copies(faces)


def test_shifted_mirrored_encoded_and_resized_copies_are_found_and_nothing_else(found):
    assert [*zip(found.first, found.second, strict=True)] == [
        ("photograph0", "shifted0"), ("photograph1", "mirrored1"), ("photograph2", "encoded2"),
        ("photograph3", "small3"), ("photograph4", "shifted4"), ("exact4", "shifted4")]
    assert found.second[found.mirrored].tolist() == ["mirrored1"]
    assert (found.correlation > 0.7).all() and (found.correlation < 1.001).all()


def test_exact_duplicates_are_no_near_ones_but_share_theirs(faces, found):
    assert ("photograph4", "exact4") not in set(zip(found.first, found.second, strict=True))
    training = faces.splits == "Training"
    assert faces.ids[copies.near(faces, found, training) & ~training].tolist() == [
        "shifted0", "mirrored1", "encoded2", "shifted4"]
    assert faces.ids[copies.exact(faces, training) & ~training].tolist() == ["exact4"]
    free = copies.free(faces, found)
    assert faces.ids[free].tolist() == [f"photograph{number}" for number in range(40, 60)]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_handful_of_images_is_enough_and_blank_ones_are_no_copies(count):
    originals = photographs()[:count]
    images = [crop(originals[0]), crop(originals[0], 9, 8), *(crop(one) for one in originals[1:]),
              np.full((48, 48), 9, "uint8"), np.full((48, 48), 10, "uint8")]
    faces = Faces(np.stack(images), np.array([f"image{row}" for row in range(len(images))]),
                  np.repeat("Training", len(images)), np.zeros(len(images), int), {"digest": "0"})
    found = near_copies(faces)
    assert [*zip(found.first, found.second, strict=True)] == [("image0", "image1")]


def test_the_order_of_the_faces_does_not_matter(faces, found):
    order = np.random.default_rng(0).permutation(len(faces))
    again = near_copies(faces.take(order))
    assert {frozenset(pair) for pair in zip(again.first, again.second, strict=True)} == {
        frozenset(pair) for pair in zip(found.first, found.second, strict=True)}


def test_blocks_do_not_show(faces, found, monkeypatch):
    monkeypatch.setattr("pipeline.validate.near.BLOCK", 7)
    monkeypatch.setattr("pipeline.validate.near.PAIRS", 2)
    again = near_copies(faces)
    assert again.first.tolist() == found.first.tolist() and again.second.tolist() == found.second.tolist()
    np.testing.assert_allclose(again.correlation, found.correlation, atol=1e-4)


def test_the_contact_sheet_shows_the_pairs_across_splits_and_then_those_inside_one_and_escapes_names(faces, found):
    text = sheet.page(replace(faces, manifest={"dataset": "<b>", "digest": "0123"}), found)
    across, inside = text.split("<h2>")[1:]
    assert across.startswith("Images in two different splits: 4 of 4 pairs<") and across.count("<img") == 4
    assert inside.startswith("Images in one split: 2 of 2 pairs<") and inside.count("<img") == 2
    assert "small3, " in inside and "shifted4, " in inside and "shifted0, " in across
    assert "<b>" not in text and "shifted0, " in text and "the left one mirrored" in text
    assert "http" not in text


def test_validation_counts_them_and_no_expectation_is_about_them(faces, found):
    limits = Validate(max_blank_share=0.01, max_duplicate_share=0.1, max_leak_share=0.2, max_conflict_share=0.1,
                      max_share_gap=0.5)
    faces = replace(faces, manifest={**faces.manifest, "edition": "csv", "source": "toy.csv", "splits_from": "Usage"})
    result = checks.validate(faces, limits, near=found)
    assert result["expectations"] == checks.validate(faces, limits)["expectations"]
    near = result["near"]
    assert (near["pairs"], near["mirrored"], near["images"]) == (6, 1, 11)
    assert near["leaks"]["PublicTest in Training"] == 2 and near["leaks"]["PrivateTest in Training"] == 2
    assert near["any"]["PrivateTest in Training"] == 3, "the exact copy too"
    assert near["leaks"]["Training in either"] == 4 and near["inside"] == {
        "Training": 2, "PublicTest": 0, "PrivateTest": 2}
    assert near["free"] == {"PublicTest": 10, "PrivateTest": 10}
    text = page(result)
    assert "Images of PrivateTest with any copy, exact or near, in Training</td><td class=\"n\">3<" in text
    assert '<a href="../../data/fer2013/copies.html">' in text and "looked at" not in text
    assert "Near copies" not in page(checks.validate(faces, limits))
    result["near"] = {**near, "precision": {"looked_at": 30, "copies": 28, "share": 0.9512, "error": 0.0201}}
    assert "Of 30 pairs across splits that were looked at, 28 show" in page(result)
    assert "\n95.1 %, standard error 2.0, weighted" in page(result)


@pytest.fixture
def pairs():
    """Ten pairs of one photograph across splits of correlation .69, thirty of .95, one inside a split."""
    names = [f"{side}{number}" for number in range(41) for side in ("train", "test")]
    splits = ["Training", "PublicTest"] * 40 + ["Training"] * 2
    faces = Faces(np.zeros((82, 48, 48), "uint8"), np.array(names), np.array(splits), np.zeros(82, int),
                  {"digest": "0"})
    found = copies.Copies("0", np.array(names[::2]), np.array(names[1::2]), np.repeat([0.69, 0.95], [10, 31]),
                          np.zeros(41, bool))
    return faces, found


def judge(path, answers):
    path.write_text("first,second,copy\n" + "".join(f"train{k},test{k},{answer}\n" for k, answer in answers.items()))


def test_the_share_of_true_copies_weighs_each_band_of_correlation_by_its_pairs(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(judged, "FILE", tmp_path / "judged.csv")
    # half of the ten are right, all of the thirty
    judge(judged.FILE, {0: "yes", 1: "no", 10: "yes", 11: "yes", 12: "yes", 40: "no", 99: "no"})
    found = judged.precision(*pairs)
    assert (found["looked_at"], found["copies"], found["share"]) == (5, 4, round((10 * 0.5 + 30 * 1) / 40, 4))
    assert found["error"] == pytest.approx(np.sqrt(0.25**2 * 0.25 / 4 + 0.75**2 * 0.16 / 5), abs=1e-4)
    judge(judged.FILE, {0: "yes"})
    assert judged.precision(*pairs) is None, "nobody has looked at those of .95"
    monkeypatch.undo()
    assert judged.precision(*pairs) is None, "FER-2013's pairs are not these"
