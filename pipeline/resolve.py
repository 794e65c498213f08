"""The resolved recipe: the plain JSON that training.fit takes, made from params, the search's result and the data."""

import argparse
import json
import sys
from pathlib import Path

from ruamel.yaml import YAML

from pipeline import params as parameters
from pipeline.failure import Failure
from pipeline.params import Params


def resolve(params: Params, manifest: dict) -> dict:
    """What training.fit is given, for the data that ``manifest`` describes; nothing in it depends on a machine."""
    return {
        "recipe": params.recipe,
        "seed": params.seed,
        "classes": manifest["classes"],
        "class_weights": manifest.get("class_weights"),
        "model": params.model.model_dump(),
        "augment": params.augment.model_dump(),
        "train": params.train.model_dump(),
    }


def best(params: Params) -> dict:
    """The values that the search found better than the recipe's own, by path; empty without a search."""
    path = params.reports / "best_params.yaml"
    if not path.exists():
        return {}
    found = YAML(typ="safe", pure=True).load(path) or {}
    if not isinstance(found.get("take", {}), dict):
        raise Failure(f"{path}: take: expected values by path; delete the file and run the tune stage again")
    return found.get("take") or {}


def main(argv: list[str] | None = None) -> None:
    """Print the resolved recipe, for ``python -m pipeline.training`` on a machine without the rest."""
    parser = argparse.ArgumentParser("ferpipe resolve", description=main.__doc__)
    parser.add_argument("--own", action="store_true", help="the recipe's own values, without what the search found")
    options = parser.parse_args(argv)
    params = parameters.load()
    manifest_file = params.data / "balanced" / "manifest.json"
    if not Path(manifest_file).exists():
        raise Failure(f"{manifest_file}: missing; run `dvc repro balance` first")
    manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
    if not options.own:
        params = params.override(best(params))
    json.dump(resolve(params, manifest), sys.stdout, indent=2)
    print()
