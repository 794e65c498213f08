"""The resolved config: what is missing or wrong in a file is said in one line, and old files still train."""

import json
from pathlib import Path
from typing import get_type_hints

import pytest

from pipeline.params import resolved
from pipeline.params.params import Augment, Balance, Train
from pipeline.params.resolved import comparable
from pipeline.system.failure import Failure
from pipeline.training import config as configs

ROOT = Path(__file__).parents[2]


def whole() -> dict:
    return {
        "recipe": "toy", "seed": 3, "classes": ["a", "b"], "class_weights": [1, 0.5], "votes": "3f" * 32,
        "balance": {**Balance(strategy="none").model_dump(), "drop_leaks": False},
        "model": {"name": "compact", "width": 4},
        "augment": Augment(flip=True, rotation=5).model_dump(),
        "train": Train(epochs=4, batch_size=32, optimizer="adam", learning_rate=0.01, schedule="constant", keep="best",
                       votes=0.4, stages=[{"epochs": 1, "trainable": "head", "learning_rate": 1},
                                          {"epochs": 1, "trainable": 0.5, "learning_rate": 1}]
                       ).model_dump(mode="json"),
    }


def changed(path: str, *value) -> dict:
    """The config with another value at this path, or without it."""
    config = whole()
    *parents, name = path.split(".")
    block = config
    for parent in parents:
        block = block[parent]
    block.pop(name, None)
    if value:
        block[name] = value[0]
    return config


def read(config: object, tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps(config))
    return configs.read(tmp_path / "config.json")


def test_a_config_is_read_as_it_is(tmp_path):
    assert read(whole(), tmp_path) == whole()


@pytest.mark.parametrize(("config", "reason"), [
    (changed("seed"), "seed is missing"),
    (changed("train.epochs"), r"train\.epochs is missing"),
    (changed("train.optimizer", "adamm"), r"train\.optimizer is 'adamm', expected adam, adamw, sgd, muon"),
    (changed("train.epochs", "4"), r"train\.epochs is '4', expected a whole number"),
    (changed("train.epochs", True), r"train\.epochs is True, expected a whole number"),
    (changed("augment.flip", 1), r"augment\.flip is 1, expected true or false"),
    (changed("train.epoch", 4), r"train\.epoch is not known"),
    (changed("train.stages", [{"epochs": 1, "trainable": "tail", "learning_rate": 1}]),
     r"train\.stages\[0\]\.trainable is 'tail', expected head or a number"),
    (changed("model.name"), r"model\.name is missing"),
    (changed("augment", None), "augment is None, expected a block"),
    (changed("classes", ["a", 2]), r"classes\[1\] is 2, expected a text"),
    (changed("class_weights", "1, 2"), "class_weights is '1, 2', expected a list or null"),
    ([1], r"the file is \[1\], expected a block"),
])
def test_what_is_missing_or_wrong_is_named_in_one_line(config, reason, tmp_path):
    with pytest.raises(Failure, match=rf"config\.json: not a resolved config \({reason}\); make one with") as failure:
        read(config, tmp_path)
    assert "\n" not in str(failure.value)


def test_everything_that_is_wrong_is_named_at_once(tmp_path):
    with pytest.raises(Failure, match=r"recipe is missing; seed is missing; classes is missing|seed is missing"):
        read({"train": {}}, tmp_path)
    assert len(configs.problems({})) == len(configs.ResolvedConfig.__required_keys__)


def test_the_weight_of_the_votes_and_their_digest_are_not_taken_for_each_other(tmp_path):
    with pytest.raises(Failure, match=r"\(votes is 0\.4, expected a text\)"):
        read(changed("votes", 0.4), tmp_path)
    with pytest.raises(Failure, match=r"train\.votes is '3f3f.*expected a number"):
        read(changed("train.votes", "3f" * 32), tmp_path)


def test_the_types_have_the_keys_that_a_recipe_can_have():
    for form, kind in ((Train, configs.TrainConfig), (Augment, configs.AugmentConfig),
                       (Balance, configs.BalanceConfig)):
        # drop_leaks: near is two switches in a config
        assert set(form.model_fields) == set(get_type_hints(kind)) - {"drop_near"}


def test_an_old_config_is_completed_with_what_it_was_trained_with():
    defaults = {name: Train.model_fields[name].default for name in configs.TRAIN_DEFAULTS}
    assert {**configs.TRAIN_DEFAULTS, "stages": tuple(configs.TRAIN_DEFAULTS["stages"])} == defaults
    assert set(configs.TRAIN_DEFAULTS) == configs.TrainConfig.__optional_keys__
    old = whole()
    for name in configs.TRAIN_DEFAULTS:
        del old["train"][name]
    assert configs.problems(old) == []
    assert set(configs.complete(old)["train"]) == set(get_type_hints(configs.TrainConfig))
    assert comparable(configs.complete(old)) == comparable(old), "completing makes no other run of it"


def test_a_config_from_before_the_degradations_is_that_of_a_run_without_them():
    new, old = whole(), whole()
    old["augment"] = {name: value for name, value in old["augment"].items()
                      if name in ("flip", "rotation", "translation", "zoom", "shear", "brightness", "contrast",
                                  "erasing", "strength", "fill")}
    assert len(old["augment"]) < len(new["augment"]) and configs.problems(old) == []
    assert comparable(old) == comparable(new)
    new["augment"]["blur"] = 0.4
    assert comparable(old) != comparable(new)
    assert resolved.changed(old, new)["augment.blur"] == 0 and "augment.blur" not in resolved.changed(old, whole())


def test_every_config_in_the_ledger_can_be_trained_again():
    entries = [json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "reports/results").glob("*.json")]
    trained = [entry["config"] for entry in entries if "train" in entry["config"]]
    assert trained
    for config in trained:
        assert configs.problems(config) == [], config["recipe"]
