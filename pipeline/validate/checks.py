"""Stage validate: one row of statistics per image, Great Expectations on them, and a report.

Failed critical expectations stop the pipeline: validation.html then shows them, while validation.json and
statistics.csv stay as the last good data left them. Warnings are in the report.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.faces.faces import SPLITS, Faces
from pipeline.params.params import Validate
from pipeline.system.failure import Failure
from pipeline.validate.expectations import BLANK_DEVIATION, class_table, expectations

if TYPE_CHECKING:
    import pandas

# Columns whose offending value is worth printing beside the image's name
TELLING = ("split", "label", "type", "height", "width", "min", "max")


def statistics(faces: Faces) -> pandas.DataFrame:
    """One row per image, in the table's order.

    Columns: id, split, label, type (of a pixel), height, width, mean, deviation, min, max, sha256 (of the
    pixels), duplicate_group (-1 for an image that stands there once), leaks (the same pixels stand in Training
    and in a test split), conflict (they stand there with different labels). Raises Failure for another shape
    than ``(N, H, W)``.
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
    often = np.bincount(codes) > 1
    group = np.where(often, np.cumsum(often) - 1, -1)
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


def validate(faces: Faces, settings: Validate, table: pandas.DataFrame | None = None) -> dict:
    """What validation.json holds: verdict, expectations with severity, success, observed and expected, and counts.

    ``verdict`` is ``passed``, ``passed with warnings`` or ``failed``. Pass ``statistics(faces)`` as ``table``
    where it is there already.
    """
    table = statistics(faces) if table is None else table
    counts = faces.counts()
    on_images, on_classes = expectations(faces.manifest, len(faces), settings)
    checked = [*_check("images", table, on_images, ["id"]),
               *_check("classes", class_table(counts), on_classes, ["split", "emotion"])]
    failed = {line["severity"] for line in checked if not line["success"]}
    verdict = "failed" if "critical" in failed else "passed with warnings" if failed else "passed"
    facts = {name: faces.manifest.get(name) for name in ("dataset", "edition", "source", "splits_from", "notes")}
    return {**facts, "digest": faces.manifest.get("digest") or faces.digest(), "verdict": verdict,
            "images": len(faces), "counts": counts, **_numbers(table), "expectations": checked}


def reason(result: dict, where: object) -> str:
    """Why the pipeline stops, in one line: the first failed critical expectation and how many more there are."""
    broken = [line for line in result["expectations"] if line["severity"] == "critical" and not line["success"]]
    first, more = broken[0], f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    return (f"{result['dataset']} ({result['edition']}): {first['name']}: expected {first['expected']}, "
            f"found {first['observed']}{more}; see {where}, then correct the data and run download again")


def _check(name: str, table: pandas.DataFrame, suite: list[Any], keys: list[str]) -> list[dict]:
    """Run a suite on a table; one plain line per expectation, in the suite's order."""
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
    lines = [
        {"name": asked.meta["name"], "severity": asked.severity.value, "success": bool(one.success),
         "observed": _observed(one, keys), "expected": asked.meta["expected"]}
        for one in outcome.results
        for asked in [one.expectation_config]
    ]
    worst = outcome.get_max_severity_failure()
    told = any(line["severity"] == "critical" and not line["success"] for line in lines)
    if told != (worst is not None and worst.value == "critical") or len(lines) != len(suite):
        raise Failure(f"validate: Great Expectations says {worst}, its lines do not; please report this")
    order = [one.meta["name"] for one in suite]
    return sorted(lines, key=lambda line: order.index(line["name"]))


def _observed(outcome: Any, keys: list[str]) -> str:
    """What Great Expectations found, in words: a value, or how many rows are not as expected and where they stand."""
    found = outcome.result
    if "unexpected_count" in found:
        wrong, rows = found["unexpected_count"], found["element_count"]
        if not wrong:
            expected = outcome.expectation_config.meta["expected"]
            return f"none of {rows:,}" if expected == "none" or expected.endswith("%") else f"all {rows:,}"
        first = "" if outcome.success else _first(outcome, keys)
        return f"{wrong:,} of {rows:,} ({100 * wrong / max(rows, 1):.2f} %){first}"
    if "observed_value" not in found:
        return "could not be checked"
    value = found["observed_value"]
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _first(outcome: Any, keys: list[str]) -> str:
    """Where the first offending row stands, and what it holds where that says something."""
    rows = outcome.result.get("unexpected_index_list")
    if not rows:
        return ""
    column = outcome.expectation_config.kwargs.get("column")
    value = f" ({column} {rows[0][column]})" if column in TELLING else ""
    return f", first {' '.join(str(rows[0][key]) for key in keys)}{value}"


def _numbers(table: pandas.DataFrame) -> dict:
    """Blank images, duplicates, leaks and conflicts, counted."""
    grouped = table[table.duplicate_group >= 0]
    inside = grouped[grouped.duplicated(["split", "sha256"], keep=False)]
    pixels = {split: set(table.sha256[table.split == split]) for split in SPLITS}

    def standing(split: str, *others: str) -> int:
        return int(table.sha256[table.split == split].isin(set().union(*(pixels[name] for name in others))).sum())

    return {
        "blank": int((table.deviation < BLANK_DEVIATION).sum()),
        "duplicates": {
            "groups": int(grouped.duplicate_group.nunique()),
            "images": len(grouped),
            "superfluous": int(len(grouped) - grouped.duplicate_group.nunique()),
            "inside": {split: int((inside.split == split).sum()) for split in SPLITS},
        },
        "leaks": {
            "Training in PublicTest": standing("Training", "PublicTest"),
            "Training in PrivateTest": standing("Training", "PrivateTest"),
            "Training in either": standing("Training", "PublicTest", "PrivateTest"),
            "PublicTest in Training": standing("PublicTest", "Training"),
            "PrivateTest in Training": standing("PrivateTest", "Training"),
            "PrivateTest in PublicTest": standing("PrivateTest", "PublicTest"),
        },
        "conflicts": {
            "groups": int(table.duplicate_group[table.conflict].nunique()),
            "images": int(table.conflict.sum()),
        },
    }
