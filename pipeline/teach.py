"""``ferpipe teach BUNDLE...``: ask trained models about every Training face; see ``teacher``."""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from pipeline import failure, params, results, shelves, teacher
from pipeline.atomic import atomic_file
from pipeline.bundle import Bundle, check_faces
from pipeline.ensemble import members
from pipeline.faces import Faces
from pipeline.failure import Failure


def ask(teachers: list[Bundle], faces: Faces) -> Path:
    """Write the mean of the teachers' answers, each averaged over a face and its mirror image, for all Training faces.

    Args:
        faces: as they came, with seven labels.

    Raises Failure where they differ in protocol, or do not know the seven emotions or these faces.
    """
    for member in teachers:
        check_faces(member.provenance, faces.manifest, member.folder)
        if member.class_set != "7":
            raise Failure(f"{member.folder}: knows {len(member.classes)} classes; a teacher must know all seven")
    protocols = {member.provenance["protocol"] for member in teachers}
    if len(protocols) > 1:
        raise Failure("teach: some members are leak-free and some are not; name members of one protocol")
    training = faces.split("Training")
    told = []
    for number, member in enumerate(teachers, 1):
        print(f"teach: asking teacher {number} of {len(teachers)}, {member.id}", flush=True)
        told += [member.predict(training.images, flip) for flip in (False, True)]
    answers = np.mean(told, axis=0)
    about = {
        "source_digest": faces.manifest["digest"],
        "protocol": (protocol := protocols.pop()),
        "members": [{"bundle": member.id, "run_id": member.run_id,
                     **{name: member.provenance[name] for name in ("recipe", "seed")}} for member in teachers],
    }
    path = results.root() / teacher.place(protocol)
    with atomic_file(path) as new, open(new, "wb") as file:
        np.savez_compressed(file, ids=training.ids, probabilities=answers.astype("float16"), about=json.dumps(about))
    return path


def main(argv: list[str] | None = None) -> None:
    """Ask trained models about every Training face; recipes with train.teacher learn from the answers."""
    parser = argparse.ArgumentParser("ferpipe teach", description=main.__doc__)
    parser.add_argument("bundles", nargs="+", metavar="BUNDLE",
                        help="a bundle's folder or id, an MLflow run's id, or a registered version (fer2013-7/3)")
    options = parser.parse_args(argv)
    mine = params.load()
    at_hand = shelves.bundles("teach")
    with tempfile.TemporaryDirectory() as place:
        teachers = [members.find_one(name, at_hand, Path(place, str(number)))
                    for number, name in enumerate(options.bundles)]
        path = ask(teachers, Faces.load(mine.data / "faces"))
    print(f"teach: {path}: {len(teachers)} teachers on every Training face, {path.stat().st_size / 1e6:.1f} MB; "
          "run `dvc repro` with a recipe that has train.teacher")


if __name__ == "__main__":
    failure.run(main, "teach")
