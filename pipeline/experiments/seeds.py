"""``ferpipe seeds RECIPE``: several seeds of a recipe, and its leak-free twin, straight into the ledger.

Beside DVC, whose workspace holds one model at a time: the faces are balanced in memory, and the trained network comes
in by the door for runs from elsewhere. A seed that the ledger holds is not trained again, one that was cut goes on.
Values are the recipe's own and the command line's; those in params.yaml are not for it.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.bundle import int8
from pipeline.bundle.bundle import Bundle
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
from pipeline.training.config import ResolvedConfig
from pipeline.training.importing import quiet

if TYPE_CHECKING:
    pass


def enter(mine: Params, faces: Faces) -> Path:
    """Train, measure and record one seed, in int8 too where the recipe says so; returns the ledger's entry.

    Args:
        faces: as they came, with seven labels.
    """
    balanced = prepared(mine, faces)
    config = resolve(mine, balanced.manifest)
    same = [line for line in ledger.entries(mine.dataset) if line["source_digest"] == faces.manifest["digest"]
            and resolved.comparable(line["config"]) == resolved.comparable(config)]
    floats = [line for line in same if not line.get("quantised")]
    done = [line for line in same if line.get("quantised")
            and {**line["quantised"]["settings"], "int8": True} == mine.quantise.model_dump()]
    if there := done if mine.quantise.int8 else floats:
        return ledger.place(there[-1])
    at_hand = shelves.bundles("seeds") if floats else {}
    bundle = next((at_hand[line["bundle"]] for line in floats if line["bundle"] in at_hand), None)
    if bundle is None:
        if floats:
            print(f"seeds: {mine.recipe}, seed {mine.seed}: the ledger has it, but its bundle is not here; it is "
                  "trained again", flush=True)
        bundle, path = _imported(mine, config, faces, balanced)
    if mine.quantise.int8:
        _, path = quantise(bundle, faces, mine.quantise, mine.evaluate)
    return path


def _imported(mine: Params, config: ResolvedConfig, faces: Faces, balanced: Faces) -> tuple[Bundle, Path]:
    """The trained network as a bundle, and its ledger entry. What the training left is kept until both stand."""
    with quiet():
        from pipeline.experiments import import_run
        from pipeline.training import checkpoint, loop, output

    with checkpoint.held(project.root() / ".checkpoints", config, balanced.manifest["digest"]) as state:
        out = state / "out"
        if not (out / "run.json").exists():
            fitted = loop.fit_faces(config, balanced, checkpoint=state)
            output.leave(out, config, balanced, fitted)
        return import_run.import_run(import_run.read(out), faces, mine.evaluate)


def main(argv: list[str] | None = None) -> None:
    """Train a recipe with several seeds and enter each into the ledger; one that is there is not trained again."""
    parser = argparse.ArgumentParser("ferpipe seeds", description=main.__doc__)
    parser.add_argument("recipe")
    parser.add_argument("values", nargs="*", metavar="path=value", help="other values; the tables name them")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--leak-free", action="store_true", help="without the images that stand in a test split")
    options = parser.parse_intermixed_args(argv)
    values = values_of(options.values)
    own = parameters.load(recipe=options.recipe)
    own = own.override({"dataset": "fer2013", **({"balance.drop_leaks": True} if options.leak_free else {}), **values})
    faces = downloaded(own)
    refused = []
    for seed in options.seeds:
        try:
            told = str(enter(own.override({"seed": seed}), faces))
        except int8.Refused as error:
            refused.append(error)
            told = f"not in int8: {error}"
        print(f"seeds: {options.recipe}, seed {seed}: {told}", flush=True)
    if refused:
        raise Failure(f"seeds: {len(refused)} of {len(options.seeds)} seeds have no int8 entry")
