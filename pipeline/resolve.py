"""The resolved recipe: the plain JSON that training.fit takes, made from params, the search's result and the data."""

import argparse
import json
import sys
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline import params as parameters
from pipeline.failure import Failure
from pipeline.params import Params

# Without and with balance.drop_leaks
PROTOCOLS = ("published", "leak-free")


def resolve(params: Params, manifest: dict) -> dict:
    """What training.fit is given, for the balanced data that ``manifest`` describes; the same on every machine.

    Raises Failure when that data was made with other parameters.
    """
    for name, asked, there in (("strategy", params.balance.strategy, manifest.get("strategy")),
                               ("classes", params.classes, manifest.get("class_set")),
                               ("protocol", PROTOCOLS[params.balance.drop_leaks], manifest.get("protocol"))):
        if asked != there:
            raise Failure(f"{params.data / 'balanced'}: made with {name} {there}, asked is {asked}; run "
                          "`dvc repro balance` first")
    votes = manifest.get("votes")
    if params.train.votes and votes is None:
        raise Failure(f"{params.data / 'balanced'}: no FER+ votes, but train.votes is {params.train.votes}; put "
                      "fer2013new.csv into data/external/ and run `dvc repro balance`, or set train.votes: 0")
    teacher = manifest.get("teacher")
    if params.train.teacher and teacher is None:
        raise Failure(f"{params.data / 'balanced'}: no teachers, but train.teacher is {params.train.teacher}; run "
                      "`dvc repro balance`, or set train.teacher: 0")
    return {
        "recipe": params.recipe,
        "seed": params.seed,
        "balance": params.balance.model_dump(),
        "classes": manifest["classes"],
        "class_weights": manifest.get("class_weights"),
        "model": params.model.model_dump(),
        "augment": params.augment.model_dump(),
        "train": params.train.model_dump(mode="json"),
        **({"votes": votes["sha256"]} if params.train.votes and votes else {}),
        **({"teacher": teacher["sha256"]} if params.train.teacher and teacher else {}),
    }


def best(params: Params) -> dict:
    """The values that the search found better than the recipe's own, by path; empty without a search."""
    path = params.reports / "best_params.yaml"
    if not path.exists():
        return {}
    try:
        found = YAML(typ="safe", pure=True).load(path)
        recipe, take = found["recipe"], dict(found["take"])
    except (YAMLError, OSError, KeyError, TypeError, ValueError) as error:
        raise Failure(f"{path}: not what the search leaves ({error}); run `dvc repro tune`") from error
    if recipe != params.recipe:
        raise Failure(f"{path}: found for recipe {recipe}, asked is {params.recipe}; run `dvc repro tune` first")
    return take


def main(argv: list[str] | None = None) -> None:
    """Print the resolved recipe, for ``python -m pipeline.training`` on a machine without the rest."""
    parser = argparse.ArgumentParser("ferpipe resolve", description=main.__doc__)
    parser.add_argument("--own", action="store_true", help="the recipe's own values, without what the search found")
    parser.add_argument("--recipe", metavar="NAME", help="another recipe than params.yaml's")
    parser.add_argument("--seed", type=int, help="another seed than params.yaml's")
    options = parser.parse_args(argv)
    params = parameters.load(recipe=options.recipe)
    if options.seed is not None:
        params = params.override({"seed": options.seed})
    manifest_file = params.data / "balanced" / "manifest.json"
    if not Path(manifest_file).exists():
        raise Failure(f"{manifest_file}: missing; run `dvc repro balance` first")
    manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
    if not options.own and params.tuned:
        params = params.override(best(params))
    json.dump(resolve(params, manifest), sys.stdout, indent=2)
    print()
