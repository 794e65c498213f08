"""The recipe's network trained on the balanced faces, as a model bundle.

Checkpoints are in .checkpoints/ under a hash of everything that decides the result, outside DVC's outs: an interrupted
run continues to the same result, and no other run can take up its state.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from pipeline.bundle import int8
from pipeline.bundle.bundle import Bundle
from pipeline.faces.faces import Faces
from pipeline.params.params import Params
from pipeline.params.resolved import resolve
from pipeline.system import project
from pipeline.system.atomic import atomic_file, atomic_folder
from pipeline.tracking import entering, runs
from pipeline.training.importing import quiet

# The file beside the checkpoint with the id of the MLflow run in which an interrupted training continues
RUN_ID = "run_id"


def train(params: Params, faces: Faces, tuned: dict) -> None:
    """Train and write the bundle and the curves; ``tuned`` are the search's values, already in ``params``.

    The checkpoint goes only when everything is written: an interruption at any point costs one epoch at most.
    """
    with quiet():
        from pipeline.bundle import writing
        from pipeline.training import checkpoint, loop, output

    config = resolve(params, faces.manifest)
    tags = {**runs.tags_of(config, faces.manifest), "kind": "train"}
    with (
        checkpoint.held(project.root() / ".checkpoints", config, faces.manifest["digest"]) as state,
        entering.begin(tags, config, faces.manifest, note=state / RUN_ID, system_metrics=True) as run,
        tempfile.TemporaryDirectory() as scratch,
    ):
        fitted = loop.fit_faces(config, faces, checkpoint=state,
                                on_epoch=lambda row: run.epoch(row, int(row["epoch"])))
        validation = faces.split("PublicTest")
        folder = params.data / "bundle"
        bundle = writing.write(
            Path(scratch) / "float32" if params.quantise.int8 else folder,
            fitted.net,
            classes=faces.classes,
            class_set=faces.manifest["class_set"],
            provenance={**output.provenance(config, faces, fitted), "tuned": tuned, "run_id": run.id},
            history=fitted.history,
            validation=(validation.images, validation.labels),
        )
        if params.quantise.int8:
            try:
                bundle = int8.quantise(bundle, folder, faces, params.quantise)
            except int8.Refused as error:
                print(f"train: {error}; the bundle stays in float32", file=sys.stderr)
                with atomic_folder(folder) as new:
                    shutil.copytree(bundle.folder, new, dirs_exist_ok=True)
                bundle = Bundle.load(folder)
        entering.attach(run, bundle)
        with atomic_file(params.reports / "history.csv") as new:
            shutil.copyfile(bundle.folder / "history.csv", new)
    print(f"train: bundle {bundle.id} in {bundle.folder}, {fitted.seconds / 60:.1f} minutes of training")
