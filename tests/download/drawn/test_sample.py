"""The drawn faces: a fair data set, portraits that a detector finds, a clip for the demo, and the emoji."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import pipeline.demo
from pipeline.download.drawn.canvas import Canvas, curve, ellipse
from pipeline.download.drawn.clip import frames
from pipeline.download.drawn.expression import FULL
from pipeline.download.drawn.sample import FEWEST, SHARES, draw_faces, draw_portrait
from pipeline.faces.faces import EMOTIONS, SPLITS, Faces
from pipeline.system.failure import Failure

EMOJI = Path(pipeline.demo.__path__[0]) / "emoji"


@pytest.fixture(scope="module")
def drawn() -> Faces:
    return draw_faces(140, seed=5)


@pytest.fixture(params=["alt2", "default"])
def found(request) -> Callable[[np.ndarray], int]:
    """How many faces a Haar cascade finds in a picture in colour."""
    cascade = cv2.CascadeClassifier(f"{cv2.data.haarcascades}haarcascade_frontalface_{request.param}.xml")
    return lambda image: len(cascade.detectMultiScale(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), 1.1, 3))


def test_every_expression_is_in_every_split(drawn):
    assert all(number >= 1 for split in drawn.counts().values() for number in split.values())
    fewest = draw_faces(FEWEST, seed=1)
    assert all(number >= 1 for split in fewest.counts().values() for number in split.values())


def test_there_are_as_many_faces_as_asked_for(drawn):
    assert len(drawn) == len(drawn.labels) == len(drawn.splits) == 140


def test_splits_are_about_70_15_15_and_classes_uneven(drawn):
    shares = [(drawn.splits == split).mean() for split in SPLITS]
    assert shares == pytest.approx([0.70, 0.15, 0.15], abs=0.03)
    for split in SPLITS:
        part = drawn.split(split)
        shares = np.bincount(part.labels, minlength=7) / len(part)
        assert shares == pytest.approx(SHARES, abs=0.05)
    assert min(SHARES) == SHARES[EMOTIONS.index("disgust")] >= 0.03


def test_images_are_gray_48_and_never_blank_or_twice_the_same(drawn):
    assert drawn.images.dtype == np.uint8 and drawn.images.shape == (140, 48, 48)
    assert drawn.images.std(axis=(1, 2)).min() > 5
    assert len({image.tobytes() for image in drawn.images}) == 140


def test_ids_name_the_split_and_are_unique(drawn):
    assert drawn.ids[0] == "Training_0001"
    assert len(set(drawn.ids)) == len(drawn)
    assert all(str(name).startswith(f"{split}_") for name, split in zip(drawn.ids, drawn.splits, strict=True))


@pytest.mark.slow
def test_same_seed_same_faces_other_seed_other_faces(drawn):
    assert draw_faces(140, seed=5).digest() == drawn.digest()
    assert draw_faces(140, seed=6).digest() != drawn.digest()


def test_the_manifest_says_where_they_come_from(drawn):
    expected = {"dataset": "sample", "edition": "drawn", "source": "pipeline/download/drawn", "seed": 5,
                "splits_from": "drawn", "class_set": "7"}
    assert expected.items() <= drawn.manifest.items()


def test_too_few_faces_are_refused_in_one_line():
    with pytest.raises(Failure, match=f"{FEWEST} or more"):
        draw_faces(FEWEST - 1, seed=1)


def test_labels_can_be_seen(drawn):
    """The mean open mouth of surprise is darker than the mouth of neutral, in faces nobody picked."""
    def mouth(name):
        images = drawn.images[drawn.labels == EMOTIONS.index(name)].astype(float)
        return (images[:, 35:41, 21:27].mean(axis=(1, 2)) - images[:, 28:32, 12:36].mean(axis=(1, 2))).mean()

    assert mouth("surprise") < mouth("neutral") - 5


@pytest.mark.parametrize("expression", EMOTIONS)
def test_a_detector_finds_the_portrait_in_every_expression(expression, found):
    for seed in range(2):
        portrait = draw_portrait(expression, 260, seed)
        assert portrait.shape == (260, 260, 3) and portrait.dtype == np.uint8
        assert found(portrait) == 1, f"{expression}, seed {seed}"


def test_portraits_depend_on_expression_and_seed_alone():
    first = draw_portrait("happy", 120, 1)
    assert np.array_equal(first, draw_portrait("happy", 120, 1))
    assert not np.array_equal(first, draw_portrait("sad", 120, 1))
    assert not np.array_equal(first, draw_portrait("happy", 120, 2))


@pytest.fixture(scope="module")
def clip() -> list[np.ndarray]:
    return list(frames(8, 2))


def test_the_clip_has_its_frames_and_moves(clip):
    assert len(clip) == 16
    assert all(frame.shape == (480, 640, 3) and frame.dtype == np.uint8 for frame in clip)
    assert all(not np.array_equal(one, after) for one, after in pairwise(clip))


def test_a_detector_finds_faces_in_the_clip(clip, found):
    # At half the size, as the demo looks
    assert sum(found(frame[::2, ::2]) >= 1 for frame in clip) >= 0.95 * len(clip)


def test_the_clip_is_the_same_every_time_and_any_size():
    first, again = next(frames(1, 2, (200, 320))), next(frames(1, 2, (200, 320)))
    assert first.shape == (320, 200, 3)
    assert np.array_equal(first, again)


def test_expressions_blend_from_one_end_to_the_other():
    happy, sad = FULL["happy"], FULL["sad"]
    assert happy.blend(sad, 0) == happy and happy.blend(sad, 1) == sad
    assert happy.blend(sad, 0.5).mouth_curve == pytest.approx((happy.mouth_curve + sad.mouth_curve) / 2)
    assert len({tuple(FULL[name].vector()) for name in EMOTIONS}) == 7


def test_a_shape_covers_its_area_and_nothing_outside_the_picture_matters():
    canvas = Canvas(np.zeros((40, 40, 1), "float32"))
    canvas.fill(np.array([(10, 10), (30, 10), (30, 30), (10, 30)], "float64"), (255, 255, 255))
    # OpenCV's anti-aliased edges lie outside the polygon, by less than a pixel
    assert 20**2 <= canvas.image.sum() / 255 <= 22**2
    before = canvas.image.copy()
    canvas.fill(ellipse((100, 100), (5, 5)), (9, 9, 9))
    canvas.glow(np.array([(-90.0, 5.0)]), (4, 4), (9, 9, 9), 1.0)
    assert np.array_equal(canvas.image, before)


def test_a_curve_goes_through_its_points():
    points = np.array([(0, 0), (1, 2), (3, 1), (4, 4)], "float64")
    assert curve(points, 5)[::5] == pytest.approx(points)
    assert curve(points, 5, closed=True)[::5] == pytest.approx(points)


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_every_emotion_has_an_emoji_with_alpha(emotion):
    path = EMOJI / f"{emotion}.png"
    with Image.open(path) as image:
        assert image.mode == "RGBA" and image.size == (136, 136)
        lowest, highest = image.getchannel("A").getextrema()
    assert lowest == 0 and highest == 255
    assert path.stat().st_size < 15_000


def test_the_emoji_come_with_their_licence():
    text = (EMOJI / "LICENSE").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE" in text and "Source:" in text

