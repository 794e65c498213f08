"""``ferpipe resolve``: what ``python -m pipeline.training`` needs on a machine without the rest of this project."""

import argparse
import json
import sys
from pathlib import Path

from pipeline.experiments import prepare
from pipeline.faces.faces import read_manifest
from pipeline.params import params as parameters
from pipeline.params import resolved
from pipeline.params.extra_labels import without_missing
from pipeline.params.overrides import values_of
from pipeline.system.failure import Failure


def main(argv: list[str] | None = None) -> None:
    """Print the resolved config, for `python -m pipeline.training` on a machine without the rest of this project."""
    parser = argparse.ArgumentParser("ferpipe resolve", description=main.__doc__)
    parser.add_argument("values", nargs="*", metavar="path=value", help="other values, as in train.votes=0.4")
    parser.add_argument("--own", action="store_true", help="the recipe's own values, without what the search found")
    parser.add_argument("--recipe", metavar="NAME", help="this recipe as its file has it, instead of params.yaml's")
    parser.add_argument("--seed", type=int, help="another seed than params.yaml's")
    parser.add_argument("--without-copies", choices=("exact", "near"), dest="drop_leaks",
                        help="without the Training images that are copies of test images: exact ones, or near too")
    parser.add_argument("--leak-free", action="store_const", const="exact", dest="drop_leaks", help=argparse.SUPPRESS)
    parser.add_argument("--faces", type=Path, metavar="DIR",
                        help="write balanced faces for it into this new folder, instead of using stage balance's")
    options = parser.parse_intermixed_args(argv)
    if options.faces and options.faces.exists():
        raise Failure(f"{options.faces}: exists already; name a new folder for the faces")
    params = parameters.load(recipe=options.recipe)
    if not options.own and not options.recipe and params.tuned:
        params = params.override(resolved.best(params))
    params = params.override({
        **values_of(options.values),
        **({} if options.seed is None else {"seed": options.seed}),
        **({"balance.drop_leaks": options.drop_leaks} if options.drop_leaks else {}),
    })
    manifest_file = params.data / "balanced" / "manifest.json"
    if options.faces:
        faces = prepare.prepared(params, prepare.downloaded(params))
        config = resolved.resolve(without_missing(params, faces.manifest), faces.manifest)
        faces.save(options.faces)
    elif not manifest_file.exists():
        raise Failure(f"{manifest_file}: missing; run `dvc repro balance` first, or name a folder with --faces")
    else:
        try:
            manifest = read_manifest(manifest_file)
        except (OSError, ValueError, RecursionError) as error:
            raise Failure(f"{manifest_file}: not the manifest of faces ({error}); run `dvc repro balance` "
                          "again") from error
        config = resolved.resolve(without_missing(params, manifest), manifest)
    json.dump(config, sys.stdout, indent=2)
    print()
