"""Teachers: what trained models predict for every Training face, kept so that a smaller network can learn from it.

One file a protocol, because a teacher that has seen the leaked images must not reach a leak-free training:
data/teacher/NAME/published.npz and leak-free.npz there, made by ``ferpipe teach``. Distillation as in Hinton et al.
2015 (arXiv 1503.02531).
"""

import hashlib
import json
import reprlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.faces.faces import CLASS_SETS, EMOTIONS, Faces
from pipeline.faces.manifest import TeacherOrigin
from pipeline.system.damage import DAMAGE
from pipeline.system.failure import Failure

FOLDER = Path("data/teacher")


def file_of(name: str, protocol: str) -> Path:
    """The file of these teachers' probabilities for a protocol."""
    return FOLDER / name / f"{protocol}.npz"


def with_teacher(faces: Faces, path: Path) -> Faces:
    """Balanced faces with their teachers' probabilities, float32 ``(N, C)``, zeros outside Training.

    A copy has its original's; the probabilities of classes that the faces merge are added up.

    Raises:
        Failure: The file is missing, is another kind of file, or was made from other faces.
    """
    protocol = faces.manifest["protocol"]
    again = f"`ferpipe teach BUNDLE... --name {path.parent.name}`"
    try:
        content = path.read_bytes()
        with np.load(path, allow_pickle=False) as arrays:
            ids, seven, about = arrays["ids"].tolist(), arrays["probabilities"], json.loads(str(arrays["about"]))
        if seven.dtype.kind != "f" or seven.shape != (len(ids), len(EMOTIONS)) or not np.isfinite(seven).all():
            raise ValueError(f"expected {len(ids)} rows of {len(EMOTIONS)} probabilities, found {seven.dtype} "
                             f"{seven.shape}")
        if not isinstance(about, dict) or not isinstance(about.get("members"), list):
            raise ValueError(f"expected the members' origin, found {reprlib.repr(about)}")
        source, row_of = about["source_digest"], {name: row for row, name in enumerate(ids)}
    except (*DAMAGE, KeyError, TypeError, AttributeError) as error:
        raise Failure(f"{path}: no teachers' probabilities ({error}); make them with {again} of {protocol} models, or "
                      "set train.teacher: 0") from error
    if source != faces.manifest["source_digest"]:
        raise Failure(f"{path}: made from other faces than {faces.manifest['dataset']} ({faces.manifest['edition']}); "
                      f"make it again with {again}, or set train.teacher: 0")
    _, mapping = CLASS_SETS[faces.manifest["class_set"]]
    if mapping is None:
        raise Failure(f"{path}: teachers know the seven emotions, not the class set {faces.manifest['class_set']}; set "
                      "train.teacher: 0")
    merged = seven.astype("float32") @ np.eye(len(faces.classes), dtype="float32")[list(mapping)]
    probabilities = np.zeros((len(faces), len(faces.classes)), "float32")
    for row in np.flatnonzero(faces.splits == "Training"):
        original = str(faces.ids[row]).split("#")[0]
        if original not in row_of:
            raise Failure(f"{path}: has no probabilities of {original}; make it again with {again}, or set "
                          "train.teacher: 0")
        probabilities[row] = merged[row_of[original]]
    # They were stored in float16, so that they do not quite add up to 1
    probabilities /= np.maximum(probabilities.sum(axis=1, keepdims=True), 1e-6)
    origin: TeacherOrigin = {"sha256": hashlib.sha256(content).hexdigest(), "members": about["members"]}
    return replace(faces, teacher=probabilities, manifest={**faces.manifest, "teacher": origin})
