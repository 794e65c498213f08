"""Where the bundles of this machine stand: the champion, what train made, and what was imported, quantised, merged."""

import os
import re
import shutil
from pathlib import Path

from pipeline.bundle.bundle import Bundle
from pipeline.system import project
from pipeline.system.failure import Failure
from pipeline.tracking import registry

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
    data = project.root() / "data"
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


def find_one(name: str, at_hand: dict[str, Bundle], place: Path) -> Bundle:
    """The bundle that one such name means; ``at_hand`` are those of ``shelves`` by id."""
    if (Path(name) / "bundle.json").exists():
        return Bundle.load(Path(name))
    if name in at_hand:
        return at_hand[name]
    if re.fullmatch("[0-9a-f]{32}", name):
        of_run = [bundle for bundle in at_hand.values() if bundle.run_id == name]
        if len(of_run) > 1:
            raise Failure(f"run {name}: the bundles {', '.join(one.id for one in of_run)} are its; name one of them")
        return of_run[0] if of_run else registry.download_of_run(name, place)
    model, _, version = name.rpartition("/")
    if model and version.isdecimal():
        return registry.download_bundle(model, version, place)
    raise Failure(f"{name}: no bundle's folder, no id of a bundle in data/, no MLflow run id and no registered version "
                  "(such as fer2013-6/3)")
