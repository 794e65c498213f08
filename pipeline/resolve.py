"""The resolved recipe: plain JSON that training.loop.fit takes, made from params, the search's result and the data."""

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.faces import CLASS_SETS
from pipeline.failure import Failure
from pipeline.params import Params

# Without and with balance.drop_leaks
PROTOCOLS = ("published", "leak-free")


def resolve(params: Params, manifest: dict) -> dict:
    """What training.loop.fit is given, for the balanced data that ``manifest`` describes; the same on every machine.

    Raises Failure when that data was made with other parameters.
    """
    for name, asked, there in (("strategy", params.balance.strategy, manifest.get("strategy")),
                               ("classes", params.classes, manifest.get("class_set")),
                               ("protocol", PROTOCOLS[params.balance.drop_leaks], manifest.get("protocol"))):
        if asked != there:
            raise Failure(f"{params.data / 'balanced'}: made with {name} {there}, asked is {asked}; {_again(params)}")
    votes, by_votes = manifest.get("votes"), CLASS_SETS[params.classes][1] is None
    if params.train.votes and votes is None:
        raise Failure(f"{params.data / 'balanced'}: no FER+ votes, but train.votes is {params.train.votes}; put "
                      "fer2013new.csv into data/external/ and run `dvc repro balance`, or say train.votes=0")
    teacher = manifest.get("teacher")
    if params.train.teacher and teacher is None:
        raise Failure(f"{params.data / 'balanced'}: no teachers, but train.teacher is {params.train.teacher}; "
                      f"{_again(params)}, or say train.teacher=0")
    return {
        "recipe": params.recipe,
        "seed": params.seed,
        "balance": params.balance.model_dump(),
        "classes": manifest["classes"],
        "class_weights": manifest.get("class_weights"),
        "model": params.model.model_dump(),
        "augment": params.augment.model_dump(),
        "train": params.train.model_dump(mode="json"),
        **({"votes": votes["sha256"]} if votes and (params.train.votes or by_votes) else {}),
        **({"teacher": teacher["sha256"]} if params.train.teacher and teacher else {}),
    }


def _again(params: Params) -> str:
    return (f"run `dvc repro balance` with recipe: {params.recipe} and these values in params.yaml first (`ferpipe "
            "resolve` needs none of that with --faces DIR)")


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
