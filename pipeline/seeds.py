"""``ferpipe seeds RECIPE``: several seeds of a recipe, and its leak-free twin, straight into the ledger.

Beside DVC, whose workspace holds one model at a time: the faces are balanced in memory, and the trained network comes
in by the door for runs from elsewhere. A seed that the ledger holds is not trained again, one that was cut goes on.
"""

import argparse
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from pipeline import balance, failure, results
from pipeline import params as parameters
from pipeline.faces import Faces
from pipeline.failure import Failure
from pipeline.params import Params
from pipeline.quiet import quiet
from pipeline.resolve import resolve

if TYPE_CHECKING:
    from pipeline.training import Fitted


def values_of(pairs: list[str]) -> dict[str, Any]:
    """``train.epochs=3`` and the like by path. Raises Failure for what is no pair."""
    yaml = YAML(typ="safe", pure=True)
    if wrong := [pair for pair in pairs if "=" not in pair]:
        raise Failure(f"{wrong[0]}: expected path=value, as in train.epochs=3")
    return {path: yaml.load(text) for path, _, text in (pair.partition("=") for pair in pairs)}


def downloaded(mine: Params) -> Faces:
    """The faces as they came. Raises Failure where download has not been run."""
    folder = mine.data / "faces"
    if not folder.is_dir():
        raise Failure(f"{folder}: missing; run `make run FER2013=PATH` first, or `dvc repro validate` alone")
    return Faces.load(folder)


def prepared(mine: Params, faces: Faces) -> Faces:
    """The faces as stage balance leaves them, digest included."""
    faces = balance.prepared(mine, faces)
    return replace(faces, manifest={**faces.manifest, "digest": faces.digest()})


@contextmanager
def trained(mine: Params, faces: Faces) -> Iterator["Fitted"]:
    """The network trained on prepared faces. A training that was cut goes on from its last epoch; what it goes on from
    is kept until the block has ended well."""
    with quiet():
        from pipeline import checkpoint, training

    config = resolve(mine, faces.manifest)
    state = results.root() / ".checkpoints" / checkpoint.key(config, faces.manifest["digest"])
    with checkpoint.alone(state):
        yield training.fit_faces(config, faces, checkpoint=state)


def enter(mine: Params, faces: Faces) -> Path:
    """Train, measure and record one seed; returns the ledger's entry.

    Args:
        faces: as they came, with seven labels.
    """
    balanced = prepared(mine, faces)
    config = resolve(mine, balanced.manifest)
    there = [line for line in results.entries(mine.dataset)
             if (line["config"], line["source_digest"]) == (config, faces.manifest["digest"])]
    if there:
        return results.place(there[-1])
    with quiet():
        from pipeline import import_run, training

    out = results.root() / ".checkpoints" / f"{mine.recipe}-{balanced.manifest['protocol']}-{mine.seed}"
    training.train_into(out, config, balanced)
    _, path = import_run.import_run(import_run.read(out), faces, mine.evaluate)
    shutil.rmtree(out)
    return path


def main(argv: list[str] | None = None) -> None:
    """Train a recipe with several seeds and enter each into the ledger; one that is there is not trained again."""
    parser = argparse.ArgumentParser("ferpipe seeds", description=main.__doc__)
    parser.add_argument("recipe")
    parser.add_argument("values", nargs="*", metavar="path=value", help="other values; the tables name them")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--leak-free", action="store_true", help="without the images that stand in a test split")
    options = parser.parse_args(argv)
    values = values_of(options.values)
    own = parameters.load(recipe=options.recipe)
    own = own.override({"dataset": "fer2013", **({"balance.drop_leaks": True} if options.leak_free else {}), **values})
    faces = downloaded(own)
    for seed in options.seeds:
        print(f"seeds: {options.recipe}, seed {seed}: {enter(own.override({'seed': seed}), faces)}", flush=True)


if __name__ == "__main__":
    failure.run(main, "seeds")
