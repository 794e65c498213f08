"""``ferpipe ensemble MEMBER...``: several trained models as one, by Padova's three ways of weighting them (S3).

The ensemble is a bundle like any other, with one ONNX file, and enters by the same door as a trained one: its figures,
a ledger entry, an MLflow run. Weights and choice come from PublicTest alone. ``--search`` takes the best of many
subsets there, so their best figure is an optimistic one, the maximum over all that were tried: that is why PrivateTest
is opened by evaluate only, and for the chosen ensemble only.
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
from pipeline.faces.faces import CLASS_SETS, Faces
from pipeline.params import params
from pipeline.params.params import Evaluate
from pipeline.reporting import figures
from pipeline.system import project
from pipeline.tracking import ledger, runs, shelves

ALL = "all"
SIZES = (6, 11)


@dataclass(frozen=True)
class Choice:
    """The members ordered by id, their probabilities ``(K, N, C)`` and weights ``(K, C)`` on and from PublicTest, in
    the classes of ``class_set``.

    ``search`` says what was searched, ``seconds`` how long that took; None and 0 where the members were named.
    """

    members: list[Bundle]
    class_set: str
    opinions: np.ndarray
    weights: np.ndarray
    weighting: str
    search: dict | None
    seconds: float = 0.0


def choose(found: list[Bundle], public: Faces, weighted: str, sizes: tuple[int, int] | None) -> Choice:
    """Which of these bundles are to be members, and their weights.

    Args:
        public: PublicTest in the ensemble's classes.
        weighted: one of weighting.WEIGHTINGS, or ``all`` for whichever is best.
        sizes: search all subsets of the smallest to the largest size, cut to as many as there are; None takes all.
    """
    opinions = members.opinions(found, public)
    every = len(found)
    places, search, seconds = list(range(every)), None, 0.0
    if sizes is not None or weighted == ALL:
        low, high = (min(size, every) for size in sizes or (every, every))
        names = ledger.WEIGHTINGS if weighted == ALL else (weighted,)
        best = weighting.search(opinions, public.labels, (low, high), names)
        places, weighted = list(best.places), best.weighting
        search = {"sizes": [low, high], "weightings": list(names), "of": [one.id for one in found],
                  "tried": best.tried}
        seconds = best.seconds
    weights = weighting.weights(weighted, opinions[places], public.labels)
    return Choice([found[place] for place in places], public.manifest["class_set"], opinions[places], weights, weighted,
                  search, seconds)


def ensemble(choice: Choice, faces: Faces, settings: Evaluate) -> tuple[Bundle, Path]:
    """Make the ensemble's bundle, measure it, record it; a second call with the same members, weights and search adds
    nothing.

    Args:
        faces: as they came, with seven labels.

    Returns the bundle and the ledger entry's file.
    """
    first = choice.members[0]
    shelf = project.root() / "data" / first.provenance["dataset"] / "ensembles"
    wanted = choice.class_set, choice.weighting, {one.id for one in choice.members}, choice.search
    there = (Bundle.load(file.parent) for file in sorted(shelf.glob("[!.]*/bundle.json")))
    made = next((one for one in there if _of(one) == wanted), None) or _make(choice, faces, shelf)
    line = ledger.recorded(made) or ledger.entry(made, measure.evaluate(made, faces, settings)[0])
    runs.record_evaluation(line, made, [])
    return made, ledger.record(line)


def _of(bundle: Bundle) -> tuple[str, str, set[str], dict | None]:
    config = bundle.provenance["config"]
    return bundle.class_set, config["weighting"], set(config["members"]), config["search"]


def _make(choice: Choice, faces: Faces, shelf: Path) -> Bundle:
    """The bundle, with the id of a new run inside."""
    public = faces.with_classes(choice.class_set).split("PublicTest")
    facts = merging.provenance(choice.members, choice.class_set, _config(choice, public.labels))
    experiment = f"{facts['dataset']}-{choice.class_set}"
    sought = hashlib.sha256(json.dumps(choice.search, sort_keys=True).encode()).hexdigest()[:12]
    mark = " ".join([choice.weighting, *(one.id for one in choice.members), sought])
    tags = {**{name: facts[name] for name in runs.TAGS}, "kind": ledger.ENSEMBLE, "ensemble": mark}
    with runs.start(f"ensemble of {len(choice.members)}, {choice.weighting}", experiment, tags,
                        run_id=runs.find(experiment, "ensemble", mark)) as run:
        run.params(facts["config"])
        run.dataset({**facts, "digest": facts["data_digest"]})
        new = merging.write(shelves.draft(shelf), choice.members, choice.weights, public, choice.opinions,
                            {**facts, "run_id": run.id})
        made = Bundle.load(new.folder.rename(shelf / new.id))
        run.tags({"bundle": made.id})
    return made


def _config(choice: Choice, labels: np.ndarray) -> dict:
    """How the ensemble came about, as the ledger and MLflow's parameters have it."""
    accuracies = (choice.opinions.argmax(axis=2) == labels).mean(axis=1)
    about = {}
    for member, accuracy, weights in zip(choice.members, accuracies, choice.weights, strict=True):
        facts = member.provenance
        about[member.id] = {**{name: facts[name] for name in ("recipe", "seed", "protocol", "run_id")},
                            "class_set": member.class_set, "int8": "quantised" in facts,
                            "votes": facts["config"].get("train", {}).get("votes", 0),
                            "PublicTest": round(float(accuracy), 6),
                            "weights": [round(float(weight), 6) for weight in weights]}
    # nothing is drawn, so every ensemble has the same seed
    return {"recipe": ledger.ENSEMBLE, "seed": 0, "chosen_on": "PublicTest", "weighting": choice.weighting,
            "members": about, "search": choice.search}


def main(argv: list[str] | None = None) -> None:
    """Make one model of several: a mean of their probabilities, plain or weighted by accuracy or recall on PublicTest,
    of all that are named or of the best subset."""
    parser = argparse.ArgumentParser("ferpipe ensemble", description=main.__doc__)
    parser.add_argument("members", metavar="MEMBER", nargs="+",
                        help="a bundle's folder or id, an MLflow run's id, or a registered version (fer2013-6/3)")
    parser.add_argument("--weights", choices=(*ledger.WEIGHTINGS, ALL), default="mean",
                        help="of the mean (default: mean, which is plain); all: whichever is best on PublicTest")
    parser.add_argument("--search", metavar=("LOW", "HIGH"), nargs="*", type=int,
                        help="take the best on PublicTest of all subsets of LOW to HIGH members (default: "
                             f"{SIZES[0]} {SIZES[1]}); stands after the members")
    parser.add_argument("--classes", choices=tuple(CLASS_SETS),
                        help="the ensemble's classes (default: those of the member that knows the fewest); members of "
                             "7 go with 6, their disgust and angry added up")
    options = parser.parse_args(argv)
    sizes = None if options.search is None else tuple(options.search) or SIZES
    if sizes is not None and (len(sizes) != 2 or not 2 <= sizes[0] <= sizes[1]):
        parser.error("--search: LOW and HIGH are two numbers of members, from 2 on, the smaller first")
    mine = params.load()
    with tempfile.TemporaryDirectory() as place:
        found = members.find(options.members, Path(place))
        members.check(found)
        faces = Faces.load(project.root() / "data" / found[0].provenance["dataset"] / "faces")
        check_faces(found[0].provenance, faces.manifest, found[0].folder)
        public = faces.with_classes(members.class_set(found, options.classes)).split("PublicTest")
        choice = choose(found, public, options.weights, sizes)
        if choice.search:
            low, high = choice.search["sizes"]
            print(f"ensemble: {choice.search['tried']:,} ensembles of {low} to {high} of {len(found)} models tried on "
                  f"PublicTest in {choice.seconds:.2f} s; the best figure of so many is an optimistic one")
        bundle, path = ensemble(choice, faces, mine.evaluate)
    line = ledger.recorded(bundle) or {}
    for name, one in line["config"]["members"].items():
        print(f"  {name}  PublicTest {100 * one['PublicTest']:.2f} %  {one['recipe']} seed {one['seed']}"
              f"{' in int8' if one['int8'] else ''}, {one['class_set']} classes")
    told = ", ".join(f"{split} {100 * line['figures'][split]['single']['accuracy']:.2f} %"
                     for split in ("PublicTest", "PrivateTest"))
    print(f"ensemble: {figures.title(line)}: {told}")
    print(f"ensemble: bundle {bundle.id} in {bundle.folder}, entry {path}; `ferpipe promote \"{bundle.folder}\"` lets "
          "it challenge the champion")
