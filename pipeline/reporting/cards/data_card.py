"""reports/fer2013/data-card.md: where FER-2013 comes from, what is in it here, and what is wrong with it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.system import project
from pipeline.system.failure import Failure

FOLDER = "reports/fer2013"


def statistics() -> dict[str, Any]:
    """What validate found in FER-2013. Raises Failure where it has not been run."""
    path = project.root() / FOLDER / "validation.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not found["images"]:
            raise ValueError("no images")
        return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure(f"{path}: not what validate leaves ({error!r}); run `dvc repro validate`, or restore it from git"
                      ) from error


def card(found: dict[str, Any]) -> str:
    """data-card.md from validation.json's content; the same content gives the same text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    totals = {name: sum(row[name] for row in found["counts"].values()) for name in next(iter(found["counts"].values()))}
    largest, smallest = max(totals, key=lambda name: totals[name]), min(totals, key=lambda name: totals[name])
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True,
                              undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["thousands"] = lambda number: f"{number:,}"
    environment.filters["across"] = lambda name: _across(name, "an exact duplicate")
    return environment.get_template("data_card.md.jinja").render(
        found=found, classes=list(totals), smallest={"name": smallest},
        largest={"name": largest, "times": round(totals[largest] / max(totals[smallest], 1))}, near=list(_near(found)))


def _near(found: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """The near copies, in words with their number of images, where validate has looked for them."""
    near = found.get("near") or {}
    for split, images in near.get("inside", {}).items():
        yield f"with a near copy (cropped, mirrored, encoded again) inside {split}", images
    for name, images in near.get("leaks", {}).items():
        yield _across(name, "a near copy"), images
    for split, images in near.get("free", {}).items():
        yield f"of {split} without any copy, exact or near, in Training", images


def _across(name: str, copy: str) -> str:
    """``PublicTest in Training`` in words."""
    return f"of {name}".replace(" in either", " in either test split").replace(" in ", f" with {copy} in ", 1)
