"""Stage validate: one row of statistics per image, Great Expectations on them, and a report.

Failed critical expectations stop the pipeline: validation.html then shows them, while validation.json and
statistics.csv stay as the last good data left them. Warnings are in the report.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.faces import copies
from pipeline.faces.faces import SPLITS, Faces
from pipeline.params.params import Validate
from pipeline.system.failure import Failure
from pipeline.validate import judged
from pipeline.validate.expectations import BLANK_DEVIATION, class_table, expectations
from pipeline.validate.result import Check, NearCopies, Numbers, Result

if TYPE_CHECKING:
    import pandas

# Whose images have copies where: the first's in any of the others
ACROSS = {"Training in PublicTest": ("Training", "PublicTest"), "Training in PrivateTest": ("Training", "PrivateTest"),
          "Training in either": ("Training", "PublicTest", "PrivateTest"),
          "PublicTest in Training": ("PublicTest", "Training"), "PrivateTest in Training": ("PrivateTest", "Training"),
          "PrivateTest in PublicTest": ("PrivateTest", "PublicTest")}
# Columns whose unexpected value is printed beside the image's id
PRINTED = ("split", "label", "type", "height", "width", "min", "max")


def statistics(faces: Faces) -> pandas.DataFrame:
    """One row per image, in the table's order.

    Columns: id, split, label, type (of a pixel), height, width, mean, deviation, min, max, sha256 (of the
    pixels), duplicate_group (-1 for an image without an exact duplicate), leaks (its pixels occur in Training and in a
    test split), conflict (its pixels occur with different labels). Raises Failure for another shape than ``(N, H, W)``.
    """
    import pandas

    images = np.ascontiguousarray(faces.images)
    if images.ndim != 3 or not images.size or images.dtype.kind not in "uif":
        raise Failure(f"faces: expected numbers of shape (N, 48, 48), found {images.dtype} {images.shape}; "
                      "run the download stage again")
    count, height, width = images.shape
    pixels = images.reshape(count, -1)
    sums, squares = np.empty(count), np.empty(count)
    for start in range(0, count, 1024):  # in blocks, as the whole in float64 would take 0.7 GB
        block = pixels[start : start + 1024].astype("float64")
        sums[start : start + 1024] = block.sum(axis=1)
        squares[start : start + 1024] = np.einsum("ij,ij->i", block, block)
    mean = sums / (height * width)
    deviation = np.sqrt(np.maximum(squares / (height * width) - mean**2, 0))
    digests = [hashlib.sha256(row.tobytes()).hexdigest() for row in pixels]

    codes, _ = pandas.factorize(np.array(digests))
    repeated = np.bincount(codes) > 1
    group = np.where(repeated, np.cumsum(repeated) - 1, -1)
    training = np.bincount(codes, faces.splits == "Training") > 0
    tested = np.bincount(codes, faces.splits != "Training") > 0
    per_code = pandas.Series(faces.labels).groupby(codes)
    return pandas.DataFrame({
        "id": faces.ids, "split": faces.splits, "label": faces.labels, "type": str(images.dtype),
        "height": height, "width": width, "mean": mean.round(3), "deviation": deviation.round(3),
        "min": pixels.min(axis=1), "max": pixels.max(axis=1), "sha256": digests, "duplicate_group": group[codes],
        "leaks": (training & tested)[codes],
        "conflict": (per_code.transform("min") != per_code.transform("max")).to_numpy(),
    })


def validate(faces: Faces, settings: Validate, table: pandas.DataFrame | None = None,
             near: copies.Copies | None = None) -> Result:
    """Check the faces against every expectation.

    Args:
        settings: the limits.
        table: ``statistics(faces)``, where it has been computed already.
        near: the near copies, where they have been looked for; they are counted, and no expectation is about them.
    """
    table = statistics(faces) if table is None else table
    counts = faces.counts()
    on_images, on_classes = expectations(faces.manifest, len(faces), settings)
    checks = [*_check("images", table, on_images, ["id"]),
              *_check("classes", class_table(counts), on_classes, ["split", "emotion"])]
    failed = {check["severity"] for check in checks if not check["success"]}
    verdict = "failed" if "critical" in failed else "passed with warnings" if failed else "passed"
    manifest = faces.manifest
    return {"dataset": manifest.get("dataset"), "edition": manifest.get("edition"), "source": manifest.get("source"),
            "splits_from": manifest.get("splits_from"), "notes": manifest.get("notes"),
            "digest": manifest.get("digest") or faces.digest(), "verdict": verdict, "images": len(faces),
            "counts": counts, **_numbers(table), "near": None if near is None else _near_numbers(faces, near),
            "expectations": checks}


def reason(result: Result, page: object) -> str:
    """Why the pipeline stops, in one line: the first failed critical expectation and how many more there are."""
    failed = [check for check in result["expectations"] if check["severity"] == "critical" and not check["success"]]
    first, more = failed[0], f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return (f"{result['dataset']} ({result['edition']}): {first['name']}: expected {first['expected']}, "
            f"found {first['observed']}{more}; see {page}, then correct the data and run download again")


def _check(name: str, table: pandas.DataFrame, suite: list[Any], keys: list[str]) -> list[Check]:
    """Run a suite on a table, whose rows are named by these columns; the outcomes in the suite's order."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")  # before the import, which reads it
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
    batch = asset.add_batch_definition_whole_dataframe(name).get_batch({"dataframe": table})
    outcome = batch.validate(
        gx.ExpectationSuite(name, expectations=suite),
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": keys},
    )
    checks: list[Check] = [
        {"name": expectation.meta["name"], "severity": expectation.severity.value, "success": bool(result.success),
         "observed": _observed(result, keys), "expected": expectation.meta["expected"]}
        for result in outcome.results
        for expectation in [result.expectation_config]
    ]
    worst = outcome.get_max_severity_failure()
    failed = any(check["severity"] == "critical" and not check["success"] for check in checks)
    if failed != (worst is not None and worst.value == "critical") or len(checks) != len(suite):
        raise Failure(f"validate: Great Expectations' worst failure is {worst}, its single results say otherwise; "
                      "please report this")
    order = [expectation.meta["name"] for expectation in suite]
    return sorted(checks, key=lambda check: order.index(check["name"]))


def _observed(outcome: Any, keys: list[str]) -> str:
    """What Great Expectations observed, in words: a value, or how many rows are not as expected and the first one."""
    result = outcome.result
    if "unexpected_count" in result:
        unexpected, rows = result["unexpected_count"], result["element_count"]
        if not unexpected:
            expected = outcome.expectation_config.meta["expected"]
            return f"none of {rows:,}" if expected == "none" or expected.endswith("%") else f"all {rows:,}"
        first = "" if outcome.success else _first(outcome, keys)
        return f"{unexpected:,} of {rows:,} ({100 * unexpected / max(rows, 1):.2f} %){first}"
    if "observed_value" not in result:
        return "could not be checked"
    value = result["observed_value"]
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _first(outcome: Any, keys: list[str]) -> str:
    """The first unexpected row, and its value where that is one of PRINTED."""
    rows = outcome.result.get("unexpected_index_list")
    if not rows:
        return ""
    column = outcome.expectation_config.kwargs.get("column")
    value = f" ({column} {rows[0][column]})" if column in PRINTED else ""
    return f", first {' '.join(str(rows[0][key]) for key in keys)}{value}"


def _numbers(table: pandas.DataFrame) -> Numbers:
    """Blank images, duplicates, leaks and conflicts, counted."""
    grouped = table[table.duplicate_group >= 0]
    inside = grouped[grouped.duplicated(["split", "sha256"], keep=False)]
    pixels = {split: set(table.sha256[table.split == split]) for split in SPLITS}

    def duplicated(split: str, *others: str) -> int:
        """How many images of ``split`` have an exact duplicate in one of the others."""
        return int(table.sha256[table.split == split].isin(set().union(*(pixels[name] for name in others))).sum())

    return {
        "blank": int((table.deviation < BLANK_DEVIATION).sum()),
        "duplicates": {
            "groups": int(grouped.duplicate_group.nunique()),
            "images": len(grouped),
            "superfluous": int(len(grouped) - grouped.duplicate_group.nunique()),
            "inside": {split: int((inside.split == split).sum()) for split in SPLITS},
        },
        "leaks": {name: duplicated(*splits) for name, splits in ACROSS.items()},
        "conflicts": {
            "groups": int(table.duplicate_group[table.conflict].nunique()),
            "images": int(table.conflict.sum()),
        },
    }


def _near_numbers(faces: Faces, near: copies.Copies) -> NearCopies:
    """The near copies, counted."""
    pairs = near.pairs(faces)
    rows = {split: faces.splits == split for split in SPLITS}
    near_to = {split: copies.near(faces, near, rows[split]) for split in SPLITS}
    any_of = {split: near_to[split] | copies.exact(faces, rows[split]) for split in SPLITS}

    def across(has: dict[str, np.ndarray]) -> dict[str, int]:
        return {name: int((rows[split] & np.any([has[other] for other in others], axis=0)).sum())
                for name, (split, *others) in ACROSS.items()}

    return {
        "pairs": len(near),
        "mirrored": int(near.mirrored.sum()),
        "images": len(np.union1d(pairs.first, pairs.second)),
        "inside": {split: int((rows[split] & near_to[split]).sum()) for split in SPLITS},
        "leaks": across(near_to),
        "any": across(any_of),
        "free": {split: int((rows[split] & ~any_of["Training"]).sum()) for split in SPLITS[1:]},
        "precision": judged.precision(faces, near),
    }
