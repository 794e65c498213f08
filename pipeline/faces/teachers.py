"""Teachers: what trained models say of every Training face, kept so that a smaller network can learn from it.

One file a protocol, because a teacher that has seen the leaked images has no business in a leak-free training:
data/teacher/NAME/published.npz and leak-free.npz there, made by ``ferpipe teach``. Distillation as in Hinton et al.
2015 (arXiv 1503.02531).
"""

import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.faces.faces import CLASS_SETS, Faces
from pipeline.system.failure import Failure

FOLDER = Path("data/teacher")


def place(name: str, protocol: str) -> Path:
    """The file of these teachers for a protocol."""
    return FOLDER / name / f"{protocol}.npz"


def with_teacher(faces: Faces, path: Path) -> Faces:
    """Balanced faces with their teachers' probabilities, float32 ``(N, C)``, zeros outside Training.

    A copy has its original's; classes that the faces merge are added up.

    Raises:
        Failure: The file is missing, is another kind of file, or knows other faces.
    """
    protocol = faces.manifest["protocol"]
    try:
        content = path.read_bytes()
        with np.load(path, allow_pickle=False) as found:
            ids, seven, about = found["ids"].tolist(), found["probabilities"], json.loads(str(found["about"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise Failure(f"{path}: no teachers' answers there ({error}); make them with `ferpipe teach BUNDLE... "
                      f"--name {path.parent.name}` of {protocol} models, or set train.teacher: 0") from error
    if about["source_digest"] != faces.manifest["source_digest"]:
        raise Failure(f"{path}: about other faces than {faces.manifest['dataset']} ({faces.manifest['edition']}); ask "
                      f"the teachers again with `ferpipe teach BUNDLE... --name {path.parent.name}`, or set "
                      "train.teacher: 0")
    _, mapping = CLASS_SETS[faces.manifest["class_set"]]
    if mapping is None:
        raise Failure(f"{path}: teachers know the seven emotions; set train.teacher: 0 for the class set "
                      f"{faces.manifest['class_set']}")
    merged = seven.astype("float32") @ np.eye(len(faces.classes), dtype="float32")[list(mapping)]
    row_of = {name: row for row, name in enumerate(ids)}
    answers = np.zeros((len(faces), len(faces.classes)), "float32")
    for row in np.flatnonzero(faces.splits == "Training"):
        answers[row] = merged[row_of[str(faces.ids[row]).split("#")[0]]]
    answers /= np.maximum(answers.sum(axis=1, keepdims=True), 1e-6)
    about = {"sha256": hashlib.sha256(content).hexdigest(), "members": about["members"]}
    return replace(faces, teacher=answers, manifest={**faces.manifest, "teacher": about})
