"""Where the bundles of this machine stand: the champion, what train made, and what was imported, quantised, merged."""

import os
import shutil
from pathlib import Path

from pipeline import results
from pipeline.bundle import Bundle
from pipeline.failure import Failure

SHELVES = ("*/bundle", "*/imported/*", "*/quantised/*", "*/ensembles/*")


def draft(shelf: Path) -> Path:
    """Where this process makes a bundle before it has a name; what killed ones left is removed."""
    import psutil

    for left in shelf.glob(".new-*"):
        if not psutil.pid_exists(int(left.name.rpartition("-")[2])):
            shutil.rmtree(left, ignore_errors=True)
    return shelf / f".new-{os.getpid()}"


def bundles(who: str) -> dict[str, Bundle]:
    """The complete bundles at hand by id; says, as ``who``, which are left out for a file that is not whole."""
    found = {}
    data = results.root() / "data"
    for folder in (data / "champion", *(folder for shelf in SHELVES for folder in sorted(data.glob(shelf)))):
        # what begins with a dot is half made, or a cache
        if folder.name.startswith(".") or not (folder / "bundle.json").exists():
            continue
        try:
            bundle = Bundle.load(folder)
        except Failure as error:
            print(f"{who}: left out: {error}")
            continue
        found[bundle.id] = bundle
    return found
