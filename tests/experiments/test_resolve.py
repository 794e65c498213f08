"""The resolved config: it fits the data that lies there, and the search's values belong to their recipe alone."""

import json
import shutil
from pathlib import Path

import pytest
import toy_models

from pipeline.experiments import resolve
from pipeline.faces.faces import Faces
from pipeline.params import params, resolved
from pipeline.system.failure import Failure

MANIFEST = {"classes": ["a", "b"], "class_set": "7", "strategy": "none", "protocol": "published"}


@pytest.fixture
def own(tmp_path, monkeypatch):
    shutil.copy(toy_models.PARAMS, tmp_path)
    monkeypatch.chdir(tmp_path)
    return params.load()


def found(own, text):
    own.reports.mkdir(parents=True, exist_ok=True)
    (own.reports / "best_params.yaml").write_text(text)
    return resolved.best(own)


def test_it_is_plain_json_and_says_how_the_data_was_balanced(own):
    config = resolved.resolve(own, MANIFEST)
    assert json.loads(json.dumps(config)) == config
    assert config["balance"]["strategy"] == "none" and config["classes"] == ["a", "b"]


@pytest.mark.parametrize("other", [{"strategy": "replicate"}, {"protocol": "leak-free"}, {"class_set": "6"}])
def test_data_made_with_other_parameters_is_refused(own, other):
    with pytest.raises(Failure, match="dvc repro balance"):
        resolved.resolve(own, {**MANIFEST, **other})


def test_without_a_search_nothing_is_taken(own):
    assert resolved.best(own) == {}


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


def test_another_recipe_comes_with_its_own_faces_and_values(own, capsys):
    faces = toy_models.faces("fer2013", per_class=5)
    # all but one Training image of every class differ from those of the test splits
    faces.images[[row for row in range(35) if row % 5], 0, 0] = 255
    faces.save(own.data / "faces")
    settings = (Path("params.yaml").read_text(encoding="utf-8")).replace("epochs: null", "epochs: 3", 1)
    Path("params.yaml").write_text(settings, encoding="utf-8")
    resolve.main(["--recipe", "padova_vgg_v0", "train.batch_size=32", "--faces", "there", "--seed", "7", "--leak-free"])
    config = json.loads(capsys.readouterr().out)
    assert (config["seed"], config["train"]["batch_size"], config["train"]["epochs"]) == (7, 32, 150)
    left = Faces.load(Path("there"))
    assert config["classes"] == list(left.classes) and "disgust" not in left.classes
    with pytest.raises(Failure, match="exists already"):
        resolve.main(["--faces", "there"])
    assert left.manifest["protocol"] == "leak-free" and left.manifest["strategy"] == "replicate"


def test_what_it_advises_helps(own):
    other = params.load(recipe="edge")
    with pytest.raises(Failure, match=r"recipe: edge and these values in params\.yaml first .* or say train"):
        resolved.resolve(other, {**MANIFEST, "votes": {"sha256": "v"}})
