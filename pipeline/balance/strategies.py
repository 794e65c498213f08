"""Stage balance: the class map on all splits, and Training balanced by the recipe's strategy.

PublicTest and PrivateTest keep their images, their order and their names; a copy never leaves Training.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.balance.warp import warp
from pipeline.faces import copies, protocols, teachers
from pipeline.faces.faces import Faces
from pipeline.params.params import Balance, Params
from pipeline.system.failure import Failure


def balance(faces: Faces, settings: Balance, class_set: str, seed: int,
            near: copies.Copies | None = None) -> Faces:
    """The faces with the classes of ``class_set`` and a Training split after ``settings.strategy``.

    * ``none``: Training as it is.
    * ``augment_to``: every class has exactly ``target`` Training images. A smaller one keeps its originals and
      gets copies of them, each original equally often (give or take one), rotated, sheared, zoomed and mirrored;
      a larger one is cut by a random choice.
    * ``replicate``: ``share`` of the images of every class but happy, chosen at random, are there twice. The
      number of copies is ``share`` of all of them, rounded down, and goes to the classes by largest remainder.
    * ``class_weights``: no copies; the manifest's ``class_weights`` are n / (k * n_c), for the loss.

    ``drop_leaks`` first removes the Training images that are copies of one in PublicTest or PrivateTest: ``exact``
    those that are equal in every pixel, ``near`` also those of the pairs in ``near``, which validate has looked for.
    ``without`` holds out one of Training's folds, see ``folds``.
    Copies come after the originals and are called ``ORIGINAL#K``. One seed gives one result. The manifest gets
    class_weights (or null), protocol, strategy, left_out (faces of no class), leaks_dropped, counts_before, counts
    and source_digest.
    Raises Failure for a class without Training images, a fold that does not exist, a strategy without its number or
    ``near`` without pairs.
    """
    whole = len(faces)
    if settings.without:
        faces = faces.take(~held_out(faces, settings.without))
    faces = faces.with_classes(class_set)
    before, dropped, left_out = faces.counts(), 0, whole - len(faces)
    if settings.drop_leaks != "none":
        if settings.drop_leaks == "near" and near is None:
            raise Failure(f"data/{faces.manifest.get('dataset')}/{copies.FILE}: no list of these faces' near copies, "
                          "which balance.drop_leaks: near needs; run `dvc repro validate` first")
        leaks = leaking(faces, near if settings.drop_leaks == "near" else None)
        faces, dropped = faces.take(~leaks), int(leaks.sum())
    for name, count in faces.counts()["Training"].items():
        if not count:
            raise Failure(f"balance: Training has no image of {name}; nothing can be trained, run validate")
    weights = None
    rng = np.random.default_rng(seed)
    if settings.strategy == "augment_to":
        faces = _augment_to(faces, settings, rng)
    elif settings.strategy == "replicate":
        faces = _replicate(faces, settings, rng)
    elif settings.strategy == "class_weights":
        counts = list(faces.counts()["Training"].values())
        weights = [round(sum(counts) / (len(counts) * count), 6) for count in counts]
    manifest = faces.manifest.copy()
    manifest.pop("digest", None)
    return replace(faces, manifest={
        **manifest,
        "source_digest": faces.manifest.get("digest"),
        "protocol": protocols.OF_DROP_LEAKS[settings.drop_leaks],
        "strategy": settings.strategy,
        "left_out": left_out,
        "leaks_dropped": dropped,
        "class_weights": weights,
        "counts_before": before,
        "counts": faces.counts(),
    })


def leaking(faces: Faces, near: copies.Copies | None = None) -> np.ndarray:
    """bool (N,): Training images with a copy in PublicTest or PrivateTest: an exact one, or also one of these near
    ones."""
    tests = faces.splits != "Training"
    copied = copies.exact(faces, tests)
    if near is not None:
        copied |= copies.near(faces, near, tests)
    return ~tests & copied


def folds(faces: Faces, count: int) -> np.ndarray:
    """int (N,): the fold, 1 to ``count``, of every Training image, by its pixels, so that two that are the same are in
    one fold; 0 for the other splits. The folds have as many different images, give or take one."""
    training = faces.splits == "Training"
    prints = [hashlib.sha256(image.tobytes()).hexdigest() for image in faces.images[training]]
    _, ranks = np.unique(prints, return_inverse=True)
    fold = np.zeros(len(faces), "int64")
    fold[training] = ranks % count + 1
    return fold


def held_out(faces: Faces, without: str) -> np.ndarray:
    """bool (N,): the Training images of the fold that ``balance.without`` names, ``2/3``. Raises Failure where there is
    no such fold."""
    fold, count = map(int, without.split("/"))
    if fold > count:
        raise Failure(f"params.yaml: balance.without: {without}: no such fold; expected FOLD/FOLDS, as in 2/3")
    return folds(faces, count) == fold


def _training_rows(faces: Faces) -> Iterable[tuple[str, np.ndarray]]:
    """Each class with the rows of its Training images."""
    for label, name in enumerate(faces.classes):
        yield name, np.flatnonzero((faces.splits == "Training") & (faces.labels == label))


def _augment_to(faces: Faces, settings: Balance, rng: np.random.Generator) -> Faces:
    if not settings.target:
        raise Failure("params.yaml: balance.target: augment_to needs the number of images per class")
    kept = np.ones(len(faces), bool)
    chosen = [np.empty(0, "int64")]
    for _, rows in _training_rows(faces):
        missing = settings.target - len(rows)
        if missing < 0:
            kept[rng.choice(rows, -missing, replace=False)] = False
        else:
            rounds, rest = divmod(missing, len(rows))
            chosen += [rows] * rounds + [np.sort(rng.choice(rows, rest, replace=False))]
    sources = np.concatenate(chosen)
    ranges: dict[str, Any] = settings.model_dump(include={"rotation", "shear", "zoom", "flip"})
    return _with_copies(faces, kept, sources, warp(faces.images[sources], rng, **ranges))


def _replicate(faces: Faces, settings: Balance, rng: np.random.Generator) -> Faces:
    if not settings.share:
        raise Failure("params.yaml: balance.share: replicate needs the share of the images that is copied")
    classes = [rows for name, rows in _training_rows(faces) if name != "happy"]
    # rounded against 0.6 * 5 = 3.0000000000000004 and the like, which would break ties at random
    exact = [round(settings.share * len(rows), 6) for rows in classes]
    copies = [int(number) for number in exact]
    by_remainder = sorted(range(len(classes)), key=lambda index: round(copies[index] - exact[index], 6))
    for index in by_remainder[: int(round(sum(exact), 6)) - sum(copies)]:
        copies[index] += 1
    sources = np.concatenate([np.sort(rng.choice(rows, number, replace=False))
                              for rows, number in zip(classes, copies, strict=True)])
    return _with_copies(faces, np.ones(len(faces), bool), sources, faces.images[sources])


def _with_copies(faces: Faces, kept: np.ndarray, sources: np.ndarray, images: np.ndarray) -> Faces:
    """The kept rows, and behind them one copy of every source (rows of the table) with these images."""
    times: dict[int, int] = {}
    names = []
    for source in sources.tolist():
        times[source] = times.get(source, 0) + 1
        names.append(f"{faces.ids[source]}#{times[source]}")
    originals = faces.take(kept)
    return replace(
        originals,
        images=np.concatenate([originals.images, images]),
        ids=np.concatenate([originals.ids, np.array(names, dtype=str)]),
        splits=np.concatenate([originals.splits, faces.splits[sources]]),
        labels=np.concatenate([originals.labels, faces.labels[sources]]),
        votes=None if faces.votes is None else np.concatenate([originals.votes, faces.votes[sources]]),
    )


def prepared(params: Params, faces: Faces) -> Faces:
    """The faces as the recipe balances them, with its teachers' answers where those are about these faces."""
    near = copies.load(params.data / copies.FILE, faces) if params.balance.drop_leaks == "near" else None
    faces = balance(faces, params.balance, params.classes, params.seed, near)
    file = teachers.file_of(params.train.teachers, faces.manifest["protocol"], params.dataset)
    if params.train.teacher and (params.dataset == "fer2013" or file.exists()):
        faces = teachers.with_teacher(faces, file)
    return faces
