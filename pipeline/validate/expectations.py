"""The Great Expectations suite: what faces must be (critical) and what they should be (warning).

Two tables are checked: ``images``, one row per image (checks.statistics), and ``classes``, one row per
split and class. Every expectation carries its name and what it expects, in words, in its ``meta``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.faces import fer2013
from pipeline.faces.faces import EMOTIONS, SIZE, SPLITS
from pipeline.faces.manifest import Counts, Manifest
from pipeline.params.params import Validate

if TYPE_CHECKING:
    import pandas

# Below this deviation an image shows nothing: FER-2013 has 13 such images, the next one has 4.1
BLANK_DEVIATION = 2.0
PUBLISHED_SPLITS = ("file names", "Usage")


def is_whole(manifest: Manifest, images: int) -> bool:
    """Whether these faces claim to be all of FER-2013, so that its exact counts are demanded.

    Kaggle's edition always does, and so does any set of nearly the right size: there a difference is damage. Faces
    that are far from it get a warning; download takes none for FER-2013.
    """
    if manifest.get("dataset") != "fer2013":
        return False
    return fer2013.near(images) or str(manifest.get("edition", "")).startswith("kaggle")


def class_table(counts: Counts) -> pandas.DataFrame:
    """One row per split and class: split, emotion, count, share of the split, gap to Training's share, fer2013 (its
    count there, of the seven emotions alone)."""
    import pandas

    shares = {s: {name: n / max(sum(row.values()), 1) for name, n in row.items()} for s, row in counts.items()}
    return pandas.DataFrame([
        {"split": split, "emotion": name, "count": counts[split][name], "share": shares[split][name],
         "gap": abs(shares[split][name] - shares["Training"][name]),
         **({"fer2013": fer2013.COUNTS[split][EMOTIONS.index(name)]} if name in EMOTIONS else {})}
        for split in SPLITS for name in counts[split]
    ])


def expectations(manifest: Manifest, images: int, settings: Validate) -> tuple[list[Any], list[Any]]:
    """The expectations on the table of images and on the table of classes."""
    return _on_images(manifest, images, settings), _on_classes(is_whole(manifest, images), manifest, settings)


def _on_images(manifest: Manifest, images: int, settings: Validate) -> list[Any]:
    from great_expectations import expectations as gx
    from great_expectations.expectations.row_conditions import Column

    tests = {"row_condition": Column("split") != "Training"}
    classes = manifest.get("classes", EMOTIONS)
    suite = [
        gx.ExpectColumnValuesToBeUnique(column="id", **_critical("one name per image", "no name twice")),
        gx.ExpectColumnValuesToBeInSet(column="split", value_set=list(SPLITS),
                                       **_critical("the three splits", ", ".join(SPLITS))),
        gx.ExpectColumnValuesToBeOfType(column="label", type_="int64", **_critical("label type", "int64")),
        gx.ExpectColumnValuesToBeInSet(column="label", value_set=list(range(len(classes))),
                                       **_critical(f"the {'seven' if len(classes) == 7 else len(classes)} labels",
                                                   f"0 to {len(classes) - 1}")),
        gx.ExpectColumnValuesToBeInSet(column="type", value_set=["uint8"], **_critical("pixel type", "uint8")),
        *(gx.ExpectColumnValuesToBeInSet(column=side, value_set=[SIZE], **_critical(f"image {side}", f"{SIZE} pixels"))
          for side in ("height", "width")),
        gx.ExpectColumnValuesToBeBetween(column="min", min_value=0, **_critical("darkest pixel", "at least 0")),
        gx.ExpectColumnValuesToBeBetween(column="max", max_value=255, **_critical("brightest pixel", "at most 255")),
        gx.ExpectColumnMeanToBeBetween(column="mean", min_value=64, max_value=192,
                                       **_warning("mean brightness", "64 to 192")),
    ]
    for split in SPLITS:
        within = {"row_condition": Column("split") == split}
        if is_whole(manifest, images) and manifest.get("splits_from") in PUBLISHED_SPLITS:
            exact = sum(fer2013.COUNTS[split])
            suite.append(gx.ExpectTableRowCountToEqual(
                value=exact, **within, **_critical(f"images in {split}, as in FER-2013", f"{exact:,}")))
        else:
            suite.append(gx.ExpectTableRowCountToBeBetween(
                min_value=1, **within, **_critical(f"images in {split}", "at least 1")))
    if manifest.get("dataset") == "fer2013":
        severity = _critical if is_whole(manifest, images) else _warning
        suite.append(gx.ExpectTableRowCountToEqual(
            value=fer2013.IMAGES, **severity("all of FER-2013", f"{fer2013.IMAGES:,} images")))
    seen = {"column": "deviation", "min_value": BLANK_DEVIATION}
    single = {"column": "duplicate_group", "value_set": [-1]}
    no_leak = {"column": "leaks", "value_set": [False], **tests}
    agree = {"column": "conflict", "value_set": [False]}
    for check, arguments, what, limit in (
        (gx.ExpectColumnValuesToBeBetween, seen, "blank images", settings.max_blank_share),
        (gx.ExpectColumnValuesToBeInSet, single, "images that occur more than once", settings.max_duplicate_share),
        (gx.ExpectColumnValuesToBeInSet, no_leak, "test images with a duplicate in Training", settings.max_leak_share),
        (gx.ExpectColumnValuesToBeInSet, agree, "images with two labels", settings.max_conflict_share),
    ):
        # A single image is a warning; more than the limit means that this is not FER-2013 as published, and of another
        # data set that its figures would not be worth much
        suite.append(check(**arguments, mostly=1 - limit,
                           **_critical(f"{what}: share", f"at most {100 * limit:g} %")))
        suite.append(check(**arguments, **_warning(what, "none")))
    suite.append(gx.ExpectCompoundColumnsToBeUnique(column_list=["split", "sha256"],
                                                    **_warning("exact duplicates inside a split", "none")))
    suite.append(gx.ExpectColumnValuesToBeUnique(column="sha256", **tests,
                                                 **_warning("exact duplicates among the test images", "none")))
    return suite


def _on_classes(whole: bool, manifest: Manifest, settings: Validate) -> list[Any]:
    from great_expectations import expectations as gx
    from great_expectations.expectations.row_conditions import Column

    training, tests = Column("split") == "Training", Column("split") != "Training"
    at_least_one = {"column": "count", "min_value": 1}
    gap = (_critical if whole else _warning)("class shares, Training against test",
                                             f"largest difference {settings.max_share_gap:g}")
    suite = [
        gx.ExpectColumnValuesToBeBetween(**at_least_one, row_condition=training,
                                         **_critical("every class in Training", "at least 1 image")),
        gx.ExpectColumnValuesToBeBetween(**at_least_one, row_condition=tests,
                                         **_warning("every class in both test splits", "at least 1 image")),
        gx.ExpectColumnMaxToBeBetween(column="gap", max_value=settings.max_share_gap, **gap),
    ]
    if whole and manifest.get("splits_from") in PUBLISHED_SPLITS:
        suite.append(gx.ExpectColumnPairValuesToBeEqual(
            column_A="count", column_B="fer2013",
            **_critical("class counts of every split, as in FER-2013", "equal")))
    elif whole:
        for label, name in enumerate(EMOTIONS):
            total = sum(fer2013.COUNTS[split][label] for split in SPLITS)
            suite.append(gx.ExpectColumnSumToBeBetween(
                column="count", min_value=total, max_value=total, row_condition=Column("emotion") == name,
                **_critical(f"images of {name}, as in FER-2013", f"{total:,}")))
    return suite


def _critical(name: str, expected: str) -> dict:
    return {"severity": "critical", "meta": {"name": name, "expected": expected}}


def _warning(name: str, expected: str) -> dict:
    return {"severity": "warning", "meta": {"name": name, "expected": expected}}
