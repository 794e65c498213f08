"""Where the bundles of this machine lie: the champion, what train made, and what was imported, quantised, merged."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from pipeline.bundle.bundle import Bundle
from pipeline.system import project
from pipeline.system.failure import Failure
from pipeline.tracking import registry

SHELVES = ("*/bundle", "*/imported/*", "*/quantised/*", "*/ensembles/*")


def shelf_of(dataset: str, name: str) -> Path:
    """The folder of what was ``imported``, ``quantised`` or merged (``ensembles``), a bundle by its id each."""
    return project.root() / "data" / dataset / name


def first(shelf: Path, wanted: Callable[[Bundle], bool]) -> Bundle | None:
    """The first bundle on a shelf for which ``wanted`` is true; None without one."""
    # what begins with a dot is half made, or a cache
    bundles = (Bundle.load(file.parent) for file in sorted(shelf.glob("[!.]*/bundle.json")))
    return next(filter(wanted, bundles), None)


def draft(shelf: Path) -> Path:
    """Where this process makes a bundle before it has an id; what killed processes left is removed."""
    import psutil

    # with two dots where it was killed before atomic_folder had all of it
    for other in shelf.glob(".*new-*"):
        process = re.match(r"\.{1,2}new-(\d+)", other.name)
        if process and not psutil.pid_exists(int(process[1])):
            shutil.rmtree(other, ignore_errors=True)
    return shelf / f".new-{os.getpid()}"


def bundles(command: str) -> dict[str, Bundle]:
    """The complete bundles at hand by id; prints, in the command's name, which are left out as damaged."""
    by_id = {}
    data = project.root() / "data"
    for folder in (project.champion_folder(), *(folder for shelf in SHELVES for folder in sorted(data.glob(shelf)))):
        # what begins with a dot is half made, or a cache
        if folder.name.startswith(".") or not (folder / "bundle.json").exists():
            continue
        try:
            bundle = Bundle.load(folder)
        except Failure as error:
            print(f"{command}: left out: {error}")
            continue
        by_id[bundle.id] = bundle
    return by_id


def find_one(name: str, at_hand: dict[str, Bundle], folder: Path) -> Bundle:
    """The bundle that a folder, a bundle's id, a run's id or a registered version (``fer2013-6/3``) names.

    Args:
        at_hand: what ``bundles`` returns.
        folder: for what has to be fetched from MLflow.
    """
    if (Path(name) / "bundle.json").exists():
        return Bundle.load(Path(name))
    if name in at_hand:
        return at_hand[name]
    if re.fullmatch("[0-9a-f]{32}", name):
        of_run = [bundle for bundle in at_hand.values() if bundle.run_id == name]
        if len(of_run) > 1:
            ids = ", ".join(bundle.id for bundle in of_run)
            raise Failure(f"run {name}: the bundles {ids} were made in it; name one of them")
        return of_run[0] if of_run else registry.download_of_run(name, folder)
    model, _, version = name.rpartition("/")
    if model and version.isdecimal():
        return registry.download_bundle(model, version, folder)
    raise Failure(f"{name}: no bundle's folder, no id of a bundle in data/, no MLflow run id and no registered version "
                  "(such as fer2013-6/3)")
