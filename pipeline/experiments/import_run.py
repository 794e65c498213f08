"""``ferpipe import-run OUT``: bring home what ``python -m pipeline.training`` made on another machine.

It enters the records as a run trained here does: a bundle, its figures, a ledger entry, an MLflow run.
"""

import argparse
import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, TypeAdapter

from pipeline.bundle.bundle import Bundle, check_faces
from pipeline.bundle.manifest import Trained
from pipeline.bundle.record import Name
from pipeline.evaluate import measure
from pipeline.faces import copies
from pipeline.faces.datasets import BUILT_IN
from pipeline.faces.faces import CLASS_SETS, Faces
from pipeline.params import params
from pipeline.params.params import Evaluate
from pipeline.system import project
from pipeline.system.failure import Failure
from pipeline.tracking import shelves
from pipeline.tracking.entering import Entered, Origin, enter
from pipeline.training.importing import quiet

if TYPE_CHECKING:
    import keras

# A loss may be NaN: trainings that diverged are on record too
HISTORY = TypeAdapter(Annotated[list[dict[Name, float]], Field(min_length=1)])


@dataclass(frozen=True)
class RemoteRun:
    """What a run on another machine left: the network's file and its hash, the curves, the training's record."""

    net: Path
    sha256: str
    history: list[dict[str, float]]
    trained: Trained


def read(out: Path) -> RemoteRun:
    """Read OUT. Raises Failure when a file or a field is missing."""
    finish = "let `python -m pipeline.training` finish there, or copy the folder again"
    try:
        net, history, run = ((out / name).read_bytes() for name in ("net.keras", "history.json", "run.json"))
    except OSError as error:
        raise Failure(f"{out}: not the output of `python -m pipeline.training` ({error}); name that folder") from error
    trained = Trained.read(run, out / "run.json", "the record of a training", finish)
    if trained.class_set not in CLASS_SETS and trained.dataset in BUILT_IN:
        raise Failure(f"{out / 'run.json'}: there is no class set {trained.class_set!r}, there are "
                      f"{', '.join(CLASS_SETS)}; update this project")
    try:
        rows = HISTORY.validate_json(history, strict=True)
        if any(row.keys() != rows[0].keys() or row.get("epoch") != epoch for epoch, row in enumerate(rows, 1)):
            raise ValueError("not the same figures of every epoch")
    except ValueError as error:
        raise Failure(f"{out / 'history.json'}: expected the figures of every epoch, at least one; {finish}") from error
    return RemoteRun(out / "net.keras", hashlib.sha256(net).hexdigest(), rows, trained)


def import_run(remote: RemoteRun, faces: Faces, settings: Evaluate) -> Entered:
    """Make the bundle, measure it, record it; an interrupted import continues, a second one adds nothing.

    Args:
        faces: as they came, with seven labels.
    """
    trained = remote.trained
    check_faces(trained, faces.manifest, remote.net.parent)
    shelf = shelves.shelf_of(trained.dataset, "imported")

    def known() -> Bundle | None:
        return shelves.first(shelf, lambda other: other.provenance.net == remote.sha256)

    # a file that is no network is found before there is a run of it
    net = load(remote.net) if known() is None else None
    return enter(
        Origin("train", ("imported", remote.sha256), trained, shelf, history=tuple(remote.history)),
        known,
        make=lambda folder, run_id: _write(folder, run_id, net, remote, faces),
        measure=lambda made: measure.evaluate(made, faces, settings, copies.at_hand(faces)),
    )


def load(path: Path) -> "keras.Model":
    """The network in a Keras file. Raises Failure where it is none."""
    with quiet():
        import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise Failure(f"{path}: not a network of this project ({reason}); copy the folder again") from error


def _write(folder: Path, run_id: str, net: "keras.Model", remote: RemoteRun, faces: Faces) -> Bundle:
    from pipeline.bundle.writing import write

    class_set = remote.trained.class_set
    validation = faces.with_classes(class_set).split("PublicTest")
    return write(
        folder,
        net,
        classes=validation.classes,
        class_set=class_set,
        provenance={"tuned": {}, **remote.trained.as_json(), "net": remote.sha256, "run_id": run_id},
        history=remote.history,
        validation=(validation.images, validation.labels),
    )


def main(argv: list[str] | None = None) -> None:
    """Import a run of `python -m pipeline.training` on another machine: bundle, ledger entry, MLflow run."""
    parser = argparse.ArgumentParser("ferpipe import-run", description=main.__doc__)
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder with net.keras, history.json and run.json")
    options = parser.parse_args(argv)
    remote = read(options.out)
    faces = Faces.load(project.root() / "data" / remote.trained.dataset / "faces")
    entered = import_run(remote, faces, params.load().evaluate)
    folder = entered.bundle.folder
    print(f"import-run: bundle {entered.bundle.id} in {folder}, entry {entered.path}; `ferpipe promote \"{folder}\"` "
          "lets it challenge the champion")
