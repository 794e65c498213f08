"""``ferpipe seeds RECIPE``: several seeds of a recipe, straight into the ledger.

Outside of DVC, whose workspace holds one model at a time: the faces are balanced in memory, and the trained network is
imported like one from another machine. A seed that the ledger has is not trained again, an interrupted one
continues. Values are the recipe's and the command line's; those in params.yaml do not count.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pipeline.bundle import int8
from pipeline.experiments import elsewhere, import_run
from pipeline.experiments.elsewhere import Cluster, Where
from pipeline.experiments.prepare import prepared, recipe_on
from pipeline.experiments.quantise import quantise
from pipeline.faces.faces import Faces
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


def enter_all(seeds: Iterable[Params], faces: Faces, at: Where | None,
              command: str = "seeds") -> Iterator[tuple[Params, Path | Failure]]:
    """Train, measure and record every seed, in int8 too where the recipe says so, as they end; each comes with its
    ledger entry's file, or with why it has none.

    Args:
        faces: as they came.
        at: the cluster that trains those that the ledger lacks; None for this machine, one after the other.
        command: in whose name lines are printed.
    """
    with ExitStack() as stack:
        cluster: Cluster | None = None
        for params in seeds:
            balanced = prepared(params, faces)
            config = resolve(params, balanced.manifest)
            entered = _outcome(recorded, params, faces, config)
            if entered is None and at is None:
                entered = _outcome(_trained, params, faces, config, balanced)
            if entered is not None:
                yield params, entered
                continue
            if cluster is None:
                assert at is not None
                cluster = stack.enter_context(elsewhere.connected(at, lambda line: print(f"{command}: {line}",
                                                                                         flush=True)))
            cluster.submit(params, f"{params.recipe}, seed {params.seed}", config, balanced)
        for result in cluster.results() if cluster else ():
            if result.out is None:
                yield result.tag, Failure(result.error)
            else:
                yield result.tag, _outcome(_imported, result.tag, faces, result.out)


def _outcome(call: Callable[..., Path | None], *arguments: Any) -> Any:
    """What ``call`` returns, or that there is no int8 model that is good enough: the other seeds go on."""
    try:
        return call(*arguments)
    except int8.Refused as error:
        return error


def recorded(params: Params, faces: Faces, config: ResolvedConfig) -> Path | None:
    """The file of the ledger's entry of a seed, made now where only int8 lacks; None where it has to be trained.

    Args:
        faces: as they came.
    """
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
    return None


def _trained(params: Params, faces: Faces, config: ResolvedConfig, balanced: Faces) -> Path:
    """Train here and import; the training's files are kept until the ledger has it."""
    with quiet():
        from pipeline.training import checkpoint, loop, output

    with checkpoint.held(project.root() / ".checkpoints", config, balanced.manifest["digest"]) as state:
        out = state / "out"
        if not (out / "run.json").exists():
            fitted = loop.fit_faces(config, balanced, checkpoint=state)
            output.leave(out, config, balanced, fitted)
        entered = import_run.import_run(import_run.read(out), faces, params.evaluate)
    return _in_int8(params, faces, entered)


def _imported(params: Params, faces: Faces, out: Path) -> Path:
    """Import what a training on another machine left."""
    return _in_int8(params, faces, import_run.import_run(import_run.read(out), faces, params.evaluate))


def _in_int8(params: Params, faces: Faces, entered: Entered) -> Path:
    """The ledger entry's file, of the int8 model where the recipe makes one."""
    return (quantise(entered.bundle, faces, params.quantise, params.evaluate) if params.quantise.int8 else entered).path


def main(argv: list[str] | None = None) -> None:
    """Train a recipe with several seeds and enter each into the ledger; one that it has is not trained again."""
    parser = argparse.ArgumentParser("ferpipe seeds", description=main.__doc__)
    parser.add_argument("recipe", metavar="RECIPE", help="its file's values; params.yaml's do not count")
    parser.add_argument("values", nargs="*", metavar="path=value", help="other values; the tables name them")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="SEED", default=[1, 2, 3], help="default: 1 2 3")
    parser.add_argument("--without-copies", choices=("exact", "near"), dest="drop_leaks",
                        help="without the Training images that are copies of test images: exact ones, or near too")
    parser.add_argument("--leak-free", action="store_const", const="exact", dest="drop_leaks", help=argparse.SUPPRESS)
    parser.add_argument("--dataset", metavar="DATASET", help="default: params.yaml's")
    elsewhere.add_options(parser)
    options = parser.parse_intermixed_args(argv)
    at = elsewhere.where(options)
    dropped = {"balance.drop_leaks": options.drop_leaks} if options.drop_leaks else {}
    recipe, faces = recipe_on(options.dataset, options.recipe, {**dropped, **values_of(options.values)})
    refused, failed = 0, 0
    for params, entered in enter_all([recipe.override({"seed": seed}) for seed in options.seeds], faces, at):
        refused += isinstance(entered, int8.Refused)
        failed += isinstance(entered, Failure) and not isinstance(entered, int8.Refused)
        outcome = f"not in int8: {entered}" if isinstance(entered, int8.Refused) else \
            f"failed: {entered}" if isinstance(entered, Failure) else str(entered)
        print(f"seeds: {options.recipe}, seed {params.seed}: {outcome}", flush=True)
    if failed:
        raise Failure(f"{failed} of {len(options.seeds)} seeds failed; the same command trains those again")
    if refused:
        raise Failure(f"seeds: {refused} of {len(options.seeds)} seeds have no int8 entry")
