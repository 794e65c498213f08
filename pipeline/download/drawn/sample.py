"""Faces drawn by code: the ``sample`` data set, and portraits for people to look at."""

import cv2
import numpy as np

from pipeline.download.drawn.canvas import Canvas, curve
from pipeline.download.drawn.expression import FULL, Expression
from pipeline.download.drawn.head import Head, Pose
from pipeline.download.drawn.paint import paint
from pipeline.download.drawn.person import SKINS, Look
from pipeline.faces.faces import EMOTIONS, SIZE, SPLITS, Faces
from pipeline.faces.manifest import Manifest
from pipeline.system.failure import Failure

# Uneven as FER-2013's are, but for disgust, which a thousand faces could not spare at 1.5 %
SHARES = (0.135, 0.040, 0.140, 0.235, 0.165, 0.115, 0.170)
FEWEST = 70
TEST_SHARE = 0.15
# How far a face may be from its class's mean: what makes neighbouring expressions overlap
INTENSITY = (0.5, 1.1)
SPREAD = 0.11
FINER = 2  # drawn at twice the size with anti-aliased edges, then averaged down


def draw_faces(count: int, seed: int) -> Faces:
    """``count`` gray faces in seven expressions and three splits; equal for equal seeds.

    Raises Failure when ``count`` is too small to put every expression into every split.
    """
    if count < FEWEST:
        raise Failure(f"download.sample_faces: {count} faces cannot fill seven classes; ask for {FEWEST} or more")
    table = _table(count, np.random.default_rng([seed, count]))
    images = np.stack([_face(EMOTIONS[label], np.random.default_rng([seed, row]))
                       for row, (_, label) in enumerate(table)])
    place = dict.fromkeys(SPLITS, 0)
    ids = []
    for split, _ in table:
        place[split] += 1
        ids.append(f"{split}_{place[split]:04d}")
    manifest: Manifest = {
        "dataset": "sample", "edition": "drawn", "source": "pipeline/download/drawn", "seed": seed,
        "splits_from": "drawn", "class_set": "7", "classes": list(EMOTIONS),
        "notes": [f"{count} faces drawn by code from seed {seed}"],
    }
    labels = np.array([label for _, label in table], "int64")
    return Faces(images, np.array(ids), np.array([split for split, _ in table]), labels, manifest)


def draw_portrait(expression: str, size: int, seed: int) -> np.ndarray:
    """A frontal portrait in colour, uint8 ``(size, size, 3)`` in BGR, that a Haar cascade finds.

    The person is a function of ``seed``; the face is about .5 of the picture wide.
    """
    look, rng = Look.drawn(np.random.default_rng(seed)), np.random.default_rng([seed, 1])
    image = backdrop(size, size, rng)
    pose = Pose(size / 2, size * 0.46, size * 0.34, roll=rng.uniform(-0.03, 0.03), yaw=rng.uniform(-0.06, 0.06))
    paint(Head(Canvas(image), look, FULL[expression], pose))
    return np.clip(image + 0.5, 0, 255).astype("uint8")


def backdrop(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """A calm wall, lighter in the middle: float32 ``(height, width, 3)``."""
    colour = np.array(((206, 196, 180), (190, 204, 212), (196, 206, 190), (204, 196, 206))[rng.integers(4)], "float32")
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype("float32")
    return colour * (1.08 - 0.09 * (x**2 + (y + 0.2) ** 2))[..., None]


def _table(count: int, rng: np.random.Generator) -> list[tuple[str, int]]:
    """Split and label of every face: Training first, shuffled inside each split."""
    sizes = np.maximum((np.array(SHARES) * count).astype(int), 3)
    sizes[np.argmax(SHARES)] += count - sizes.sum()
    rows: dict[str, list[int]] = {split: [] for split in SPLITS}
    for label, size in enumerate(sizes):
        tests = max(1, round(TEST_SHARE * size))
        for split, share in zip(SPLITS, (size - 2 * tests, tests, tests), strict=True):
            rows[split] += [label] * int(share)
    return [(split, int(label)) for split in SPLITS for label in rng.permutation(rows[split])]


def _face(emotion: str, rng: np.random.Generator) -> np.ndarray:
    """One picture as from a webcam: gray, small, more or less well lit and sharp."""
    look = Look.drawn(rng)
    mean = FULL[emotion].vector() * rng.uniform(*INTENSITY)
    expression = Expression(*(mean + rng.normal(0, SPREAD, len(mean))).tolist())
    side = SIZE * FINER
    image = np.full((side, side, 1), rng.uniform(30, 225), "float32")
    canvas = Canvas(image)
    for _ in range(rng.integers(4)):
        canvas.glow(rng.uniform(0, side, (1, 2)), rng.uniform(0.1, 0.4, 2) * side, rng.uniform(0, 255, 3), 0.8)
    unit = side / 1.7 * rng.uniform(0.9, 1.1)
    pose = Pose(side / 2 + rng.normal(0, 0.03) * side, side * 0.41 + rng.normal(0, 0.03) * side, unit,
                roll=rng.normal(0, 0.09), yaw=rng.normal(0, 0.12), flatten=rng.uniform(0.93, 1.07))
    paint(Head(canvas, look, expression, pose), body=rng.random() < 0.5)
    if rng.random() < 0.10:
        _cover(canvas, pose, rng)
    return _photograph(image[..., 0], rng)


def _cover(canvas: Canvas, pose: Pose, rng: np.random.Generator) -> None:
    """Something in front of the face: a hand, a scarf or a bar of lettering."""
    kind = rng.integers(3)
    if kind == 0:
        skin, side = np.array(SKINS[rng.integers(len(SKINS))], "float32") * 0.9, rng.choice((-1, 1))
        for finger in range(4):
            line = curve([(0.9, 1.25), (0.75 - 0.13 * finger, 0.75), (0.68 - 0.10 * finger, 0.3 - 0.08 * (finger % 3))])
            line *= (side, 1)
            canvas.stroke(pose.place(line), 0.14 * pose.unit, skin * (1 - 0.05 * finger), 1, 0.02 * pose.unit)
    elif kind == 1:
        scarf = curve([(-1.1, 0.78), (0, rng.uniform(0.62, 0.9)), (1.1, 0.78), (1.1, 1.6), (-1.1, 1.6)], 6)
        canvas.fill(pose.place(scarf), rng.uniform(20, 230, 3))
    else:
        top, left = rng.uniform(-0.9, 0.8), rng.uniform(-1.0, 0.4)
        box = np.array([(left, top), (left + 0.7, top), (left + 0.7, top + 0.22), (left, top + 0.22)])
        canvas.fill(pose.place(box), np.full(3, rng.choice((10, 245))), 0.85)


def _photograph(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light from one side, exposure, blur and grain: float32 at drawing size to uint8 ``(48, 48)``."""
    small = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA) / 255
    angle, ramp = rng.uniform(0, 2 * np.pi), np.linspace(-1, 1, SIZE, dtype="float32")
    small = small * (1 + rng.uniform(0, 0.4) * (np.cos(angle) * ramp[None] + np.sin(angle) * ramp[:, None]))
    small = np.clip(small, 0, 1) ** rng.uniform(0.7, 1.4)
    small = rng.uniform(0.75, 1.05) * small + rng.uniform(0, 0.12)
    if (blur := rng.uniform(0, 0.8)) > 0.35:
        small = cv2.GaussianBlur(small, (0, 0), blur)
    small = small + rng.normal(0, rng.uniform(0.005, 0.03), small.shape)
    return np.clip(small * 255 + 0.5, 0, 255).astype("uint8")
