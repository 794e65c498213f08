"""An ensemble's members: which bundles are meant, whether they go together, and what each says of PublicTest."""

from pathlib import Path

import numpy as np

from pipeline.bundle.bundle import Bundle
from pipeline.faces.faces import CLASS_SETS, Faces
from pipeline.system import project
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure
from pipeline.tracking import shelves
from pipeline.tracking.shelves import find_one


def find(names: list[str], place: Path) -> list[Bundle]:
    """The bundles that these names mean, ordered by id.

    Args:
        names: bundles' folders, bundle ids, MLflow run ids, or registered versions such as ``fer2013-6/3``.
        place: a folder for what has to be fetched from MLflow.

    Raises Failure where a name means nothing, or one bundle is named twice, or there are fewer than two.
    """
    at_hand = shelves.bundles("ensemble")
    found: dict[str, str] = {}
    members = []
    for number, name in enumerate(names):
        bundle = find_one(name, at_hand, place / str(number))
        if bundle.id in found:
            raise Failure(f"{name}: bundle {bundle.id}, which {found[bundle.id]} is too; name every member once")
        found[bundle.id] = name
        members.append(bundle)
    if len(members) < 2:
        raise Failure("an ensemble has at least two members; name more")
    return sorted(members, key=lambda bundle: bundle.id)


def check(members: list[Bundle]) -> None:
    """Raise Failure where members differ in data set, source digest, size or crop margin."""
    def shared(bundle: Bundle) -> dict[str, str]:
        facts = {name: bundle.provenance[name] for name in ("dataset", "source_digest")}
        return {name: str(value) for name, value in
                {**facts, **{name: bundle.meta[name] for name in ("size", "crop_margin")}}.items()}

    first = shared(members[0])
    for other in members[1:]:
        for name, value in shared(other).items():
            if value != first[name]:
                raise Failure(f"{other.folder}: {name} {value[:12]}, of {members[0].folder} {first[name][:12]}; "
                              "members must share dataset, source digest, size and margin")


def class_set(members: list[Bundle], asked: str | None) -> str:
    """The classes of an ensemble of these: ``asked``, else those of the member that knows the fewest.

    Raises Failure where a member's classes can be merged into no such ones.
    """
    wanted = asked or min((member.class_set for member in members), key=lambda name: len(CLASS_SETS[name][0]))
    for member in members:
        if member.class_set not in (wanted, "7") or (member.class_set != wanted and CLASS_SETS[wanted][1] is None):
            raise Failure(f"{member.folder}: knows the class set {member.class_set}, which is none of an ensemble of "
                          f"{wanted}; name members of the same, or of 7 and 6")
    return wanted


def mapping(member: Bundle, wanted: str) -> np.ndarray | None:
    """float32 ``(classes, merged classes)`` that adds up a member's probabilities; None where they stay as they are."""
    target, places = CLASS_SETS[wanted]
    if member.class_set == wanted or places is None:
        return None
    return np.eye(len(target), dtype="float32")[list(places)]


def opinions(members: list[Bundle], public: Faces) -> np.ndarray:
    """The members' single-view probabilities float32 ``(K, N, C)``, kept per bundle and faces beside the ensembles.

    Args:
        public: PublicTest, in the ensemble's classes.
    """
    cache = project.root() / "data" / members[0].provenance["dataset"] / "ensembles" / ".cache"
    found = []
    for number, member in enumerate(members, 1):
        path = cache / f"{member.id}-{public.manifest['digest'][:12]}.npy"
        probabilities = _kept(path, (len(public), len(member.classes)))
        if probabilities is None:
            print(f"ensemble: asking member {number} of {len(members)}, {member.id}", flush=True)
            probabilities = member.predict(public.images)
            with atomic_file(path) as new, open(new, "wb") as file:
                np.save(file, probabilities)
        merged = mapping(member, public.manifest["class_set"])
        found.append(probabilities if merged is None else probabilities @ merged)
    return np.stack(found)


def _kept(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    try:
        probabilities = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return probabilities if probabilities.shape == shape else None
