"""The resolved config: plain JSON that training.loop.fit takes, made from params, the search's result and the data."""

from collections.abc import Mapping
from typing import Any, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.faces import protocols
from pipeline.faces.faces import check_class_set
from pipeline.faces.manifest import Manifest
from pipeline.params import start_share
from pipeline.params.params import RECIPE_BLOCKS, Params
from pipeline.system.failure import Failure
from pipeline.training import start
from pipeline.training.config import ResolvedConfig

DEFAULTS = {block: {name: [] if field.default == () else field.default
                    for name, field in RECIPE_BLOCKS[block].model_fields.items()}
            for block in ("train", "balance", "augment")}
# quantise does not affect the training, so no config holds it
BLOCKS = {block: form for block, form in RECIPE_BLOCKS.items() if block != "quantise"}
# The first ledger entries have the digest of the votes' file, later ones that of faces.votes.digest
VOTES_DIGESTS = {"c1ec8ce47ee862320546bf88d005aad836f154b97c2c8bc0a4ae3337ac387aff":
         "ad920ab5a356d90a765a7554b05124c90d5108f569f12862931ade2b11d4db60"}


def resolve(params: Params, manifest: Manifest) -> ResolvedConfig:
    """The config for training.loop.fit on the balanced data that ``manifest`` describes; the same on every machine.

    Raises Failure when that data was made with other parameters.
    """
    for name, expected, actual in (("strategy", params.balance.strategy, manifest.get("strategy")),
                                   ("classes", _class_set(params, manifest), manifest.get("class_set")),
                                   ("protocol", protocols.OF_DROP_LEAKS[params.balance.drop_leaks],
                                    manifest.get("protocol"))):
        if expected != actual:
            raise Failure(f"{params.data / 'balanced'}: made with {name} {actual}, expected {expected}; "
                          f"{_again(params)}")
    votes, by_votes = manifest.get("votes"), manifest.get("class_set") == "8" and not manifest.get("own_classes")
    if params.train.votes and votes is None:
        raise Failure(f"{params.data / 'balanced'}: no FER+ votes, but train.votes is {params.train.votes}; put "
                      "fer2013new.csv into data/external/ and run `dvc repro balance`, or say train.votes=0")
    teacher = manifest.get("teacher")
    if params.train.teacher and teacher is None:
        raise Failure(f"{params.data / 'balanced'}: no teachers, but train.teacher is {params.train.teacher}; "
                      f"{_again(params)}, or say train.teacher=0")
    _check_start(params)
    return cast(ResolvedConfig, {
        "recipe": params.recipe,
        "seed": params.seed,
        "balance": _as_switches(params.balance.model_dump()),
        "classes": manifest["classes"],
        "class_weights": manifest.get("class_weights"),
        "model": params.model.model_dump(),
        "augment": params.augment.model_dump(),
        "train": {**params.train.model_dump(mode="json"),
                  "start_share": start_share.kept(params, len(manifest["classes"]))},
        **({"votes": votes["sha256"]} if votes and (params.train.votes or by_votes) else {}),
        **({"teacher": teacher["sha256"]} if params.train.teacher and teacher else {}),
    })


def _check_start(params: Params) -> None:
    """Raise Failure where the network would start from one that has seen what this one must not."""
    weights = params.model.model_dump().get("weights")
    if weights not in start.names():
        return
    about, protocol = start.about(weights), protocols.OF_DROP_LEAKS[params.balance.drop_leaks]
    order = [*protocols.OF_DROP_LEAKS.values()]
    if about["dataset"] == params.dataset and params.balance.without:
        raise Failure(f"model.weights: {weights} learned from the fold that balance.without holds out; say "
                      f"model.weights={start.RANDOM}, and train.epochs as many as random weights need")
    if about["dataset"] == params.dataset and order.index(about["protocol"]) < order.index(protocol):
        raise Failure(f"model.weights: {weights} learned from the {protocols.phrase(about['protocol'])}, but "
                      f"balance.drop_leaks is {params.balance.drop_leaks}; say model.weights={start.RANDOM}, and "
                      "train.epochs as many as random weights need")


def _class_set(params: Params, manifest: Manifest) -> str:
    """The class set that the balanced data should have: of classes of their own, all."""
    check_class_set(params.classes, manifest)
    return manifest["class_set"] if manifest.get("own_classes") else params.classes


def _again(params: Params) -> str:
    return (f"run `dvc repro balance` with recipe: {params.recipe} and these values in params.yaml first (`ferpipe "
            "resolve` needs none of that with --faces DIR)")


def _as_switches(balance: dict[str, Any]) -> dict[str, Any]:
    """The balance block as configs have it since before there were near copies: ``drop_leaks`` is true or false, and
    ``drop_near`` is there where near copies are dropped too."""
    drop = balance["drop_leaks"]
    return {**balance, "drop_leaks": drop != "none", **({"drop_near": True} if drop == "near" else {})}


def _in_words(balance: Mapping[str, Any]) -> dict[str, Any]:
    """A config's balance block as params.yaml has it: the opposite of ``_as_switches``."""
    words = {name: value for name, value in balance.items() if name != "drop_near"}
    if isinstance(drop := words.get("drop_leaks"), bool):
        words["drop_leaks"] = "near" if balance.get("drop_near") else "exact" if drop else "none"
    return words


def best(params: Params) -> dict:
    """The values that the search found better than the recipe's own, by path; empty without a search."""
    path = params.reports / "best_params.yaml"
    if not path.exists():
        return {}
    try:
        result = YAML(typ="safe", pure=True).load(path)
        recipe, take = result["recipe"], {str(path): value for path, value in dict(result["take"]).items()}
    except (YAMLError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise Failure(f"{path}: not what the search leaves ({error}); run `dvc repro tune`") from error
    if recipe != params.recipe:
        raise Failure(f"{path}: found for recipe {recipe}, expected {params.recipe}; run `dvc repro tune` first")
    return take


def comparable(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config as every version of this project would write it.

    Without what is at its default in ``train``, ``balance`` and ``augment``: a later version has options that an
    earlier one lacked, and a run that leaves them at their defaults is the same run.
    """
    votes = {"votes": VOTES_DIGESTS.get(config["votes"], config["votes"])} if "votes" in config else {}
    blocks = {**config, "balance": _in_words(config.get("balance", {}))}
    explicit = {block: {name: value for name, value in blocks.get(block, {}).items()
                        if name not in defaults or value != defaults[name]} for block, defaults in DEFAULTS.items()}
    return {**config, **votes, **explicit}


def changed(config: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The config's values by path that are not the recipe's; None where it lacks one that the recipe sets, unless that
    is an option of another network."""
    changes: dict[str, Any] = {}
    for block, form in BLOCKS.items():
        expected = form.model_validate(recipe[block]).model_dump(mode="json")
        # a config from before an option existed was trained with its default
        values = _in_words(config[block]) if block == "balance" and block in config else config.get(block)
        actual = {**DEFAULTS.get(block, {}), **values} if values is not None else {}
        same_network = actual.get("name") == expected.get("name")
        names = set(actual) | set(recipe[block]) if same_network else set(actual)
        changes |= {f"{block}.{name}": actual.get(name) for name in sorted(names)
                    if actual.get(name) != expected.get(name)}
    return changes


def as_typed(values: dict[str, Any]) -> list[str]:
    """``train.votes 0.4`` and the like, numbers as one types them (0, not 0.0); unrounded, because tables tell runs
    apart by them."""
    return [f"{path} {_typed(value)}" for path, value in values.items()]


def _typed(value: Any) -> str:
    if value in (None, []):
        return "none"
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
