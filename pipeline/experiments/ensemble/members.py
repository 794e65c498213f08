"""An ensemble's members: which bundles are named, whether they fit together, and their predictions of PublicTest."""

from pathlib import Path

import numpy as np

from pipeline.bundle.bundle import Bundle
from pipeline.faces.faces import CLASS_SETS, Faces
from pipeline.system import project
from pipeline.system.atomic import atomic_file
from pipeline.system.damage import DAMAGE
from pipeline.system.failure import Failure
from pipeline.tracking import shelves
from pipeline.tracking.shelves import find_one


def find(names: list[str], folder: Path) -> list[Bundle]:
    """The bundles that these names mean, ordered by id.

    Args:
        names: bundles' folders, bundle ids, MLflow run ids, or registered versions such as ``fer2013-6/3``.
        folder: for what has to be fetched from MLflow.

    Raises Failure where a name matches nothing, or one bundle is named twice, or there are fewer than two.
    """
    at_hand = shelves.bundles("ensemble")
    name_of: dict[str, str] = {}
    members = []
    for number, name in enumerate(names):
        bundle = find_one(name, at_hand, folder / str(number))
        if bundle.id in name_of:
            raise Failure(f"{name}: bundle {bundle.id}, which {name_of[bundle.id]} is too; name every member once")
        name_of[bundle.id] = name
        members.append(bundle)
    if len(members) < 2:
        raise Failure("an ensemble has at least two members; name more")
    return sorted(members, key=lambda bundle: bundle.id)


def check(members: list[Bundle]) -> None:
    """Raise Failure where members differ in data set, source digest, size or crop margin."""
    def shared(bundle: Bundle) -> dict[str, str]:
        return {"dataset": bundle.provenance.dataset, "source_digest": bundle.provenance.source_digest,
                "size": str(bundle.manifest.size), "crop_margin": str(bundle.manifest.crop_margin)}

    first = shared(members[0])
    for other in members[1:]:
        for name, value in shared(other).items():
            if value != first[name]:
                raise Failure(f"{other.folder}: {name} {value[:12]}, of {members[0].folder} {first[name][:12]}; "
                              "members must share dataset, source digest, size and margin")


def class_set(members: list[Bundle], expected: str | None) -> str:
    """The class set of an ensemble of these: ``expected``, else that of the member with the fewest classes.

    Raises Failure where a member's classes cannot be merged into these.
    """
    own = next((member for member in members if member.classes != CLASS_SETS.get(member.class_set, ((), ()))[0]), None)
    if own:
        for member in members:
            if member.classes != own.classes or expected not in (None, own.class_set):
                raise Failure(f"{member.folder}: knows {', '.join(member.classes)}, {own.folder} "
                              f"{', '.join(own.classes)}; classes of a data set's own are not merged, name members of "
                              "the same and no --classes")
        return own.class_set
    wanted = expected or min((member.class_set for member in members), key=lambda name: len(CLASS_SETS[name][0]))
    for member in members:
        if member.class_set not in (wanted, "7") or (member.class_set != wanted and CLASS_SETS[wanted][1] is None):
            raise Failure(f"{member.folder}: knows the class set {member.class_set}, which cannot be merged into "
                          f"{wanted}; name members of the same, or of 7 and 6")
    return wanted


def mapping(member: Bundle, wanted: str) -> np.ndarray | None:
    """float32 ``(classes, merged classes)`` that adds up a member's probabilities; None where they stay as they are."""
    if member.class_set == wanted:
        return None
    target, class_of = CLASS_SETS[wanted]
    if class_of is None:
        return None
    # a row per class of the member, 1 at the class of the ensemble that it counts as
    return np.eye(len(target), dtype="float32")[list(class_of)]


def predictions(members: list[Bundle], public: Faces) -> np.ndarray:
    """The members' single-view probabilities float32 ``(K, N, C)``, kept per bundle and faces beside the ensembles.

    Args:
        public: PublicTest, in the ensemble's classes.
    """
    cache = project.root() / "data" / members[0].provenance.dataset / "ensembles" / ".cache"
    answers = []
    for number, member in enumerate(members, 1):
        path = cache / f"{member.id}-{public.manifest['digest'][:12]}.npy"
        probabilities = _cached(path, (len(public), len(member.classes)))
        if probabilities is None:
            print(f"ensemble: member {number} of {len(members)}, {member.id}, predicts", flush=True)
            probabilities = member.predict(public.images)
            with atomic_file(path) as new, open(new, "wb") as file:
                np.save(file, probabilities)
        merged = mapping(member, public.manifest["class_set"])
        answers.append(probabilities if merged is None else probabilities @ merged)
    return np.stack(answers)


def _cached(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    try:
        probabilities = np.load(path, allow_pickle=False)
    except DAMAGE:
        return None
    # a zip under this name would be several arrays
    return probabilities if getattr(probabilities, "shape", ()) == shape else None
