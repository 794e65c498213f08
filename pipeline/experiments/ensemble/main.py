"""``ferpipe ensemble MEMBER...``: several trained models as one, by Padova's three ways of weighting them (S3).

The ensemble is a bundle like any other, with one ONNX file, and enters the records as a trained model does: its
figures, a ledger entry, an MLflow run. Members and weights are chosen on PublicTest alone. ``--search`` takes the best
of many subsets there, and the maximum over all that were tried is optimistic: so PrivateTest is opened
for the chosen ensemble alone.
"""

import argparse
import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.bundle.bundle import Bundle, check_faces
from pipeline.evaluate import measure
from pipeline.experiments.ensemble import members, merging, weighting
from pipeline.faces import copies
from pipeline.faces.faces import CLASS_SETS, Faces
from pipeline.params import params as parameters
from pipeline.params.params import Evaluate
from pipeline.reporting import figures
from pipeline.system import project
from pipeline.tracking import ledger, shelves
from pipeline.tracking.entering import Entered, Origin, enter

ALL = "all"
SIZES = (6, 11)


@dataclass(frozen=True)
class Choice:
    """The members ordered by id, their probabilities ``(K, N, C)`` on PublicTest and the weights ``(K, C)`` from these,
    in the classes of ``class_set``.

    ``search`` says what was searched, ``seconds`` how long that took; None and 0 where the members were named.
    """

    members: list[Bundle]
    class_set: str
    predictions: np.ndarray
    weights: np.ndarray
    weighting: str
    search: dict | None
    seconds: float = 0.0


def choose(candidates: list[Bundle], public: Faces, weighted: str, sizes: tuple[int, int] | None) -> Choice:
    """Choose the members among these bundles, and their weights.

    Args:
        public: PublicTest in the ensemble's classes.
        weighted: one of ledger.WEIGHTINGS, or ``all`` for whichever is best.
        sizes: search all subsets of the smallest to the largest size, cut to as many as there are; None takes all.
    """
    predictions = members.predictions(candidates, public)
    count = len(candidates)
    chosen, search, seconds = list(range(count)), None, 0.0
    if sizes is not None or weighted == ALL:
        low, high = (min(size, count) for size in sizes or (count, count))
        names = ledger.WEIGHTINGS if weighted == ALL else (weighted,)
        best = weighting.search(predictions, public.labels, (low, high), names)
        chosen, weighted = list(best.members), best.weighting
        search = {"sizes": [low, high], "weightings": list(names), "of": [bundle.id for bundle in candidates],
                  "tried": best.tried}
        seconds = best.seconds
    weights = weighting.weights(weighted, predictions[chosen], public.labels)
    return Choice([candidates[index] for index in chosen], public.manifest["class_set"], predictions[chosen], weights,
                  weighted, search, seconds)


def ensemble(choice: Choice, faces: Faces, settings: Evaluate) -> Entered:
    """Make the ensemble's bundle, measure it, record it; a second call with the same members, weights and search adds
    nothing.

    Args:
        faces: as they came, with seven labels.
    """
    public = faces.with_classes(choice.class_set).split("PublicTest")
    provenance = merging.provenance(choice.members, choice.class_set, _config(choice, public.labels))
    search = hashlib.sha256(json.dumps(choice.search, sort_keys=True).encode()).hexdigest()[:12]
    mark = " ".join([choice.weighting, *(member.id for member in choice.members), search])
    shelf = shelves.shelf_of(provenance.dataset, "ensembles")
    wanted = choice.class_set, choice.weighting, {member.id for member in choice.members}, choice.search
    return enter(
        Origin(ledger.ENSEMBLE, ("ensemble", mark), provenance, shelf,
               name=f"ensemble of {len(choice.members)}, {choice.weighting}"),
        lambda: shelves.first(shelf, lambda bundle: _choice_of(bundle) == wanted),
        make=lambda folder, run_id: merging.write(folder, choice.members, choice.weights, public, choice.predictions,
                                                  provenance.model_copy(update={"run_id": run_id})),
        measure=lambda made: measure.evaluate(made, faces, settings, copies.at_hand(faces)),
    )


def _choice_of(bundle: Bundle) -> tuple[str, str | None, set[str], dict | None]:
    config = bundle.provenance.config
    return bundle.class_set, config.get("weighting"), set(config.get("members", {})), config.get("search")


def _config(choice: Choice, labels: np.ndarray) -> dict:
    """How the ensemble came about, as the ledger and MLflow's parameters have it."""
    accuracies = (choice.predictions.argmax(axis=2) == labels).mean(axis=1)
    described = {}
    for member, accuracy, weights in zip(choice.members, accuracies, choice.weights, strict=True):
        provenance = member.provenance
        described[member.id] = {
            "recipe": provenance.recipe, "seed": provenance.seed, "protocol": provenance.protocol,
            "run_id": provenance.run_id, "class_set": member.class_set, "int8": provenance.quantised is not None,
            "votes": provenance.config.get("train", {}).get("votes", 0), "PublicTest": round(float(accuracy), 6),
            "weights": [round(float(weight), 6) for weight in weights],
        }
    # nothing is drawn, so every ensemble has the same seed
    return {"recipe": ledger.ENSEMBLE, "seed": 0, "chosen_on": "PublicTest", "weighting": choice.weighting,
            "members": described, "search": choice.search}


def main(argv: list[str] | None = None) -> None:
    """Make one model of several: a mean of their probabilities, plain or weighted by accuracy or recall on PublicTest,
    of all that are named or of the best subset."""
    parser = argparse.ArgumentParser("ferpipe ensemble", description=main.__doc__)
    parser.add_argument("members", metavar="MEMBER", nargs="+",
                        help="a bundle's folder or id, an MLflow run's id, or a registered version (fer2013-6/3)")
    parser.add_argument("--weights", choices=(*ledger.WEIGHTINGS, ALL), default="mean",
                        help="how members are weighted (default: mean, which is plain); all: the best on PublicTest")
    parser.add_argument("--search", metavar=("LOW", "HIGH"), nargs="*", type=int,
                        help="take the best on PublicTest of all subsets of LOW to HIGH members (default: "
                             f"{SIZES[0]} {SIZES[1]}); put it after the members")
    parser.add_argument("--classes", choices=tuple(CLASS_SETS),
                        help="the ensemble's classes (default: those of the member that knows the fewest); members of "
                             "7 go with 6, their disgust and angry added up")
    options = parser.parse_args(argv)
    sizes = None if options.search is None else tuple(options.search) or SIZES
    if sizes is not None and (len(sizes) != 2 or not 2 <= sizes[0] <= sizes[1]):
        parser.error("--search: LOW and HIGH are two numbers of members, from 2 on, the smaller first")
    params = parameters.load()
    with tempfile.TemporaryDirectory() as folder:
        candidates = members.find(options.members, Path(folder))
        members.check(candidates)
        provenance = candidates[0].provenance
        faces = Faces.load(project.root() / "data" / provenance.dataset / "faces")
        check_faces(provenance, faces.manifest, candidates[0].folder)
        public = faces.with_classes(members.class_set(candidates, options.classes)).split("PublicTest")
        choice = choose(candidates, public, options.weights, sizes)
        if choice.search:
            low, high = choice.search["sizes"]
            print(f"ensemble: {choice.search['tried']:,} ensembles of {low} to {high} of {len(candidates)} models "
                  f"tried on PublicTest in {choice.seconds:.2f} s; the best of that many figures is optimistic")
        entered = ensemble(choice, faces, params.evaluate)
    entry, made = entered.entry, entered.bundle
    for bundle_id, member in entry.config["members"].items():
        print(f"  {bundle_id}  PublicTest {100 * member['PublicTest']:.2f} %  {member['recipe']} seed {member['seed']}"
              f"{' in int8' if member['int8'] else ''}, {member['class_set']} classes")
    accuracies = ", ".join(f"{split} {100 * entry.figures[split]['single']['accuracy']:.2f} %"
                           for split in ("PublicTest", "PrivateTest"))
    print(f"ensemble: {figures.title(entry)}: {accuracies}")
    print(f"ensemble: bundle {made.id} in {made.folder}, entry {entered.path}; `ferpipe promote \"{made.folder}\"` "
          "lets it challenge the champion")
