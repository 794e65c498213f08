"""Faces and trained networks outside of DVC, whose workspace holds one model at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.balance import strategies
from pipeline.faces.faces import Faces
from pipeline.params.params import Params
from pipeline.params.resolved import resolve
from pipeline.system import project
from pipeline.system.failure import Failure
from pipeline.training.importing import quiet

if TYPE_CHECKING:
    from pipeline.training.loop import Fitted


def downloaded(params: Params) -> Faces:
    """The faces as they came. Raises Failure where download has not been run."""
    folder = params.data / "faces"
    if not folder.is_dir():
        raise Failure(f"{folder}: missing; run `make run FER2013=PATH` first, or `dvc repro validate` alone")
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
