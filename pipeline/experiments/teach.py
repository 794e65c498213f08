"""``ferpipe teach BUNDLE...``: what trained models predict for every Training face, to learn from.

A model that was trained without a fold of Training (``balance.without``) predicts the faces of that fold only, which it
never saw: its predictions are out of fold. One such model per fold covers all faces.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from pipeline.balance import strategies
from pipeline.bundle.bundle import Bundle, check_faces
from pipeline.experiments.prepare import downloaded
from pipeline.faces import teachers
from pipeline.faces.faces import EMOTIONS, Faces
from pipeline.faces.protocols import title
from pipeline.params import params as parameters
from pipeline.system import project
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure
from pipeline.tracking import shelves


def teach(bundles: list[Bundle], faces: Faces, name: str = "mine") -> Path:
    """Write the mean of the teachers' probabilities, each averaged over a face and its mirror image, for all Training
    faces.

    Args:
        faces: as they came.
        name: of these teachers together, for ``train.teachers``.

    Raises Failure where they differ in protocol, do not know the faces' classes or these faces, or where no teacher may
    predict some face.
    """
    for member in bundles:
        check_faces(member.provenance, faces.manifest, member.folder)
        if member.classes != faces.classes:
            expected = "all seven emotions" if faces.classes == EMOTIONS else ", ".join(faces.classes)
            raise Failure(f"{member.folder}: knows {', '.join(member.classes)}; a teacher must know {expected}")
    protocols = {member.provenance.protocol for member in bundles}
    if len(protocols) > 1:
        raise Failure("teach: the members were trained with or without copies of the test images ("
                      f"{', '.join(sorted(map(title, protocols)))}); name members of one protocol")
    training = faces.split("Training")
    predicted = [_faces_for(training, member) for member in bundles]
    teachers_of = np.sum(predicted, axis=0)
    if not teachers_of.all():
        raise Failure(f"teach: no teacher predicts {int((teachers_of == 0).sum()):,} of {len(teachers_of):,} Training "
                      "faces; name a model of every fold, or one that was trained on all of them")
    answers = np.zeros((len(training), len(training.classes)))
    for number, (member, rows) in enumerate(zip(bundles, predicted, strict=True), 1):
        print(f"teach: teacher {number} of {len(bundles)}, {member.id}, predicts", flush=True)
        answers[rows] += sum(member.predict(training.images[rows], flip) for flip in (False, True)) / 2
    answers /= teachers_of[:, None]
    about = {
        "source_digest": faces.manifest["digest"],
        "protocol": (protocol := protocols.pop()),
        "members": [{"bundle": member.id, "run_id": member.run_id, "recipe": member.provenance.recipe,
                     "seed": member.provenance.seed,
                     **({"without": fold} if (fold := member.provenance.held_out_fold) else {})}
                    for member in bundles],
    }
    path = project.root() / teachers.file_of(name, protocol, faces.manifest["dataset"])
    with atomic_file(path) as new, open(new, "wb") as file:
        np.savez_compressed(file, ids=training.ids, probabilities=answers.astype("float16"), about=json.dumps(about))
    return path


def _faces_for(training: Faces, member: Bundle) -> np.ndarray:
    """bool (N,): the faces that this teacher predicts."""
    fold = member.provenance.held_out_fold
    return strategies.held_out(training, fold) if fold else np.ones(len(training), bool)


def main(argv: list[str] | None = None) -> None:
    """Let trained models predict every Training face; recipes with train.teacher learn from the predictions."""
    parser = argparse.ArgumentParser("ferpipe teach", description=main.__doc__)
    parser.add_argument("bundles", nargs="+", metavar="BUNDLE",
                        help="a bundle's folder or id, an MLflow run's id, or a registered version (fer2013-7/3)")
    parser.add_argument("--name", default="mine", help="the folder in data/teacher/, as in train.teachers (mine)")
    parser.add_argument("--dataset", metavar="DATASET", help="whose faces they predict; default: params.yaml's")
    options = parser.parse_args(argv)
    dataset = {"dataset": options.dataset} if options.dataset else {}
    # which refuses what cannot be a name
    params = parameters.load().override({"train.teachers": options.name, **dataset})
    at_hand = shelves.bundles("teach")
    with tempfile.TemporaryDirectory() as folder:
        bundles = [shelves.find_one(name, at_hand, Path(folder, str(number)))
                   for number, name in enumerate(options.bundles)]
        path = teach(bundles, downloaded(params), options.name)
    print(f"teach: {path}: {len(bundles)} teachers on every Training face, {path.stat().st_size / 1e6:.1f} MB; "
          f"run `dvc exp run -S train.teachers={options.name}` with a recipe that has train.teacher")
