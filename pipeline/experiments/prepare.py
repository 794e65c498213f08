"""Faces and trained networks outside of DVC, whose workspace holds one model at a time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.balance import strategies
from pipeline.experiments import import_run
from pipeline.faces.faces import Faces
from pipeline.params import params as parameters
from pipeline.params.extra_labels import without_missing
from pipeline.params.params import Params
from pipeline.params.resolved import resolve
from pipeline.system import project
from pipeline.system.failure import Failure
from pipeline.training.importing import quiet

if TYPE_CHECKING:
    from pipeline.training.loop import Fitted


def recipe_on(dataset: str | None, recipe: str, values: Mapping[str, Any]) -> tuple[Params, Faces]:
    """A recipe with other values on a data set, params.yaml's where none is named, and that data set's faces.

    The recipe learns without the extra labels that these faces do not have.
    """
    params = parameters.load(recipe=recipe)
    params = params.override({**({"dataset": dataset} if dataset else {}), **values})
    faces = downloaded(params)
    return without_missing(params, strategies.prepared(params, faces).manifest), faces


def downloaded(params: Params) -> Faces:
    """The faces as they came. Raises Failure where download has not been run."""
    folder = params.data / "faces"
    if not folder.is_dir():
        command = "make run FER2013=PATH" if params.dataset == "fer2013" else f"make run DATASET={params.dataset}"
        raise Failure(f"{folder}: missing; run `{command}` first, or `dvc repro validate` alone")
    return Faces.load(folder)


def prepared(params: Params, faces: Faces) -> Faces:
    """The faces as stage balance leaves them, digest included."""
    faces = strategies.prepared(params, faces)
    return replace(faces, manifest={**faces.manifest, "digest": faces.digest()})


@contextmanager
def trained(params: Params, faces: Faces) -> Iterator["Fitted"]:
    """The network trained on prepared faces. An interrupted training continues from its last epoch; its
    checkpoint is kept until the block has ended well."""
    with quiet():
        from pipeline.training import checkpoint, loop

    config = resolve(params, faces.manifest)
    with checkpoint.held(project.root() / ".checkpoints", config, faces.manifest["digest"]) as state:
        yield loop.fit_faces(config, faces, checkpoint=state)


def brought_home(out: Path) -> "Fitted":
    """What a training on another machine left in ``out``, as ``trained`` gives it."""
    from pipeline.training.loop import Fitted

    remote = import_run.read(out)
    made = remote.trained
    return Fitted(import_run.load(remote.net), remote.history, made.seconds, made.best_epoch, made.precision)
