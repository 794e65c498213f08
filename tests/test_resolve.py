"""The resolved recipe: it fits the data that lies there, and the search's values belong to their recipe alone."""

import json
from pathlib import Path

import pytest

from pipeline import params, resolve
from pipeline.failure import Failure

ROOT = Path(__file__).parent.parent
MANIFEST = {"classes": ["a", "b"], "class_set": "7", "strategy": "none", "protocol": "published"}


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return params.load()


def found(own, text):
    own.reports.mkdir(parents=True, exist_ok=True)
    (own.reports / "best_params.yaml").write_text(text)
    return resolve.best(own)


def test_it_is_plain_json_and_says_how_the_data_was_balanced(own):
    config = resolve.resolve(own, MANIFEST)
    assert json.loads(json.dumps(config)) == config
    assert config["balance"]["strategy"] == "none" and config["classes"] == ["a", "b"]


@pytest.mark.parametrize("other", [{"strategy": "replicate"}, {"protocol": "leak-free"}, {"class_set": "6"}])
def test_data_made_with_other_parameters_is_refused(own, other):
    with pytest.raises(Failure, match="dvc repro balance"):
        resolve.resolve(own, {**MANIFEST, **other})


def test_without_a_search_nothing_is_taken(own):
    assert resolve.best(own) == {}


def test_the_search_s_values_are_taken_for_its_own_recipe_only(own):
    assert found(own, "recipe: compact\ntake: {train.epochs: 3}") == {"train.epochs": 3}
    with pytest.raises(Failure, match="found for recipe cas"):
        found(own, "recipe: cas\ntake: {train.epochs: 3}")


@pytest.mark.parametrize("text", ["[", "[1]", "", "recipe: compact\ntake: 3", "take: {}"])
def test_a_broken_file_is_one_line(own, text):
    with pytest.raises(Failure, match="not what the search leaves") as caught:
        found(own, text)
    assert caught.value.args


def test_the_command_prints_what_training_takes(own, capsys):
    with pytest.raises(Failure, match="dvc repro balance"):
        resolve.main(["--own"])
    (own.data / "balanced").mkdir(parents=True)
    (own.data / "balanced/manifest.json").write_text(json.dumps(MANIFEST))
    resolve.main(["--own"])
    assert json.loads(capsys.readouterr().out)["train"]["epochs"] == own.train.epochs
