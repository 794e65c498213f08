"""Teachers: what trained models predict for every Training face, kept so that a smaller network can learn from it.

One file a protocol, because a teacher that has seen copies of test images must not reach a training without them:
data/teacher/NAME/published.npz, leak-free.npz (without exact copies) and copy-free.npz (without copies), made by
``ferpipe teach``. Distillation as in Hinton et al. 2015 (arXiv 1503.02531).
"""

import hashlib
import reprlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.faces import protocols
from pipeline.faces.faces import CLASS_SETS, EMOTIONS, Faces
from pipeline.faces.manifest import TeacherOrigin
from pipeline.system import plain_json
from pipeline.system.damage import DAMAGE
from pipeline.system.failure import Failure

FOLDER = Path("data/teacher")


def file_of(name: str, protocol: str, dataset: str = "fer2013") -> Path:
    """The file of these teachers' probabilities for a protocol; FER-2013's are in git, those of other data are not."""
    return FOLDER / name / ("" if dataset == "fer2013" else dataset) / f"{protocol}.npz"


def with_teacher(faces: Faces, path: Path) -> Faces:
    """Balanced faces with their teachers' probabilities, float32 ``(N, C)``, zeros outside Training.

    A copy has its original's; the probabilities of classes that the faces merge are added up. Faces with classes of
    their own have teachers that know those. The faces come back as they are where the answers are not about them: they
    were made from other faces, or teachers, who know the seven emotions, have none for their classes.

    Raises:
        Failure: The file is missing, is another kind of file, or lacks a face.
    """
    protocol = faces.manifest["protocol"]
    own_classes = bool(faces.manifest.get("own_classes"))
    known = len(faces.classes if own_classes else EMOTIONS)
    name = path.relative_to(FOLDER).parts[0] if FOLDER in path.parents else path.parent.name
    again = f"`ferpipe teach BUNDLE... --name {name}`"
    try:
        content = path.read_bytes()
        with np.load(path, allow_pickle=False) as arrays:
            ids, answers = arrays["ids"].tolist(), arrays["probabilities"]
            about = plain_json.parse(str(arrays["about"]))
        if answers.dtype.kind != "f" or answers.shape != (len(ids), known) or not np.isfinite(answers).all():
            raise ValueError(f"expected {len(ids)} rows of {known} probabilities, found {answers.dtype} "
                             f"{answers.shape}")
        if not isinstance(about, dict) or not isinstance(about.get("members"), list):
            raise ValueError(f"expected the members' origin, found {reprlib.repr(about)}")
        source, row_of = about["source_digest"], {name: row for row, name in enumerate(ids)}
    except (*DAMAGE, KeyError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Failure(f"{path}: no teachers' probabilities ({reason}); make them with {again} of models with the "
                      f"{protocols.phrase(protocol)}, or set train.teacher: 0") from error
    mapping = range(known) if own_classes else CLASS_SETS[faces.manifest["class_set"]][1]
    if source != faces.manifest["source_digest"] or mapping is None:
        return faces
    merged = answers.astype("float32") @ np.eye(len(faces.classes), dtype="float32")[list(mapping)]
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
