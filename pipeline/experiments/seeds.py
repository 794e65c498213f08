"""``ferpipe seeds RECIPE``: several seeds of a recipe, straight into the ledger.

Outside of DVC, whose workspace holds one model at a time: the faces are balanced in memory, and the trained network is
imported like one from another machine. A seed that the ledger has is not trained again, an interrupted one
continues. Values are the recipe's and the command line's; those in params.yaml do not count.
"""

import argparse
from pathlib import Path

from pipeline.bundle import int8
from pipeline.experiments.prepare import downloaded, prepared
from pipeline.experiments.quantise import quantise
from pipeline.faces.faces import Faces
from pipeline.params import params as parameters
from pipeline.params import resolved
from pipeline.params.overrides import values_of
from pipeline.params.params import Params
from pipeline.params.resolved import resolve
from pipeline.system import project
from pipeline.system.failure import Failure
from pipeline.tracking import ledger, shelves
from pipeline.tracking.entering import Entered
from pipeline.training.config import ResolvedConfig
from pipeline.training.importing import quiet


def enter(params: Params, faces: Faces) -> Path:
    """Train, measure and record one seed, in int8 too where the recipe says so; returns the ledger entry's file.

    Args:
        faces: as they came, with seven labels.
    """
    balanced = prepared(params, faces)
    config = resolve(params, balanced.manifest)
    same = [entry for entry in ledger.entries(params.dataset) if entry.source_digest == faces.manifest["digest"]
            and resolved.comparable(entry.config) == resolved.comparable(config)]
    floats = [entry for entry in same if entry.quantised is None]
    gates = params.quantise.model_dump(exclude={"int8"})
    recorded = [entry for entry in same if entry.quantised is not None and entry.quantised.gates == gates] \
        if params.quantise.int8 else floats
    if recorded:
        return ledger.path_of(recorded[-1])
    at_hand = shelves.bundles("seeds") if floats else {}
    bundle = next((at_hand[entry.bundle] for entry in floats if entry.bundle in at_hand), None)
    if bundle is not None:
        return quantise(bundle, faces, params.quantise, params.evaluate).path
    if floats:
        print(f"seeds: {params.recipe}, seed {params.seed}: the ledger has it, but its bundle is not here; it is "
              "trained again", flush=True)
    entered = _imported(params, config, faces, balanced)
    if params.quantise.int8:
        entered = quantise(entered.bundle, faces, params.quantise, params.evaluate)
    return entered.path


def _imported(params: Params, config: ResolvedConfig, faces: Faces, balanced: Faces) -> Entered:
    """Train, and import the network like one from another machine; its files are kept until the ledger has it."""
    with quiet():
        from pipeline.experiments import import_run
        from pipeline.training import checkpoint, loop, output

    with checkpoint.held(project.root() / ".checkpoints", config, balanced.manifest["digest"]) as state:
        out = state / "out"
        if not (out / "run.json").exists():
            fitted = loop.fit_faces(config, balanced, checkpoint=state)
            output.leave(out, config, balanced, fitted)
        return import_run.import_run(import_run.read(out), faces, params.evaluate)


def main(argv: list[str] | None = None) -> None:
    """Train a recipe with several seeds and enter each into the ledger; one that it has is not trained again."""
    parser = argparse.ArgumentParser("ferpipe seeds", description=main.__doc__)
    parser.add_argument("recipe", metavar="RECIPE", help="its file's values; params.yaml's do not count")
    parser.add_argument("values", nargs="*", metavar="path=value", help="other values; the tables name them")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="SEED", default=[1, 2, 3], help="default: 1 2 3")
    parser.add_argument("--without-copies", choices=("exact", "near"), dest="drop_leaks",
                        help="without the Training images that are copies of test images: exact ones, or near too")
    parser.add_argument("--leak-free", action="store_const", const="exact", dest="drop_leaks", help=argparse.SUPPRESS)
    options = parser.parse_intermixed_args(argv)
    values = values_of(options.values)
    recipe = parameters.load(recipe=options.recipe)
    dropped = {"balance.drop_leaks": options.drop_leaks} if options.drop_leaks else {}
    recipe = recipe.override({"dataset": "fer2013", **dropped, **values})
    faces = downloaded(recipe)
    refused = []
    for seed in options.seeds:
        try:
            outcome = str(enter(recipe.override({"seed": seed}), faces))
        except int8.Refused as error:
            refused.append(error)
            outcome = f"not in int8: {error}"
        print(f"seeds: {options.recipe}, seed {seed}: {outcome}", flush=True)
    if refused:
        raise Failure(f"seeds: {len(refused)} of {len(options.seeds)} seeds have no int8 entry")
