"""params.yaml and the recipes: every one loads, and a wrong key or value is one line with its path."""

import io
from pathlib import Path
from typing import get_args

import pytest
import toy_models
from pydantic import BaseModel
from ruamel.yaml import YAML

from pipeline.params import params, recipe
from pipeline.system.failure import Failure

ROOT = Path(__file__).parents[2]
OWN = toy_models.PARAMS.read_text(encoding="utf-8")


def load(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return params.load(path)


def test_params_yaml_loads_and_has_every_parameter_that_the_tests_start_from():
    params.load(ROOT / "params.yaml")
    real, started = recipe.read(ROOT / "params.yaml"), recipe.read(toy_models.PARAMS)
    assert list(started) == list(real)
    assert all(set(block) <= set(real[name]) for name, block in started.items() if isinstance(block, dict))


@pytest.mark.parametrize("name", recipe.names())
def test_every_recipe_loads(name, tmp_path):
    found = load(tmp_path, OWN.replace("recipe: compact", f"recipe: {name}"))
    assert found.recipe == name and found.title and found.source


def test_the_classes_are_the_recipe_s_unless_params_names_others(tmp_path):
    assert load(tmp_path, OWN).classes == "7"
    assert load(tmp_path, OWN.replace("recipe: compact", "recipe: padova_vgg_v2")).classes == "6"
    assert load(tmp_path, OWN.replace("classes: null", "classes: 6")).classes == "6"


@pytest.mark.parametrize(("stages", "said"), [
    ("[{epochs: 1, trainable: all, learning_rate: 0.1}]", "train.stages.0.trainable"),
    ("[{epochs: 1, trainable: 1.5, learning_rate: 0.1}]", "train.stages.0.trainable"),
    ("[{epochs: 0, trainable: head, learning_rate: 0.1}]", "train.stages.0.epochs"),
    ("[{epochs: 1, trainable: head}]", "train.stages.0.learning_rate"),
    ("[{epochs: 1, trainable: head, learning_rate: 0.1, rate: 1}]", "train.stages.0.rate: there is no such parameter"),
    ("[{epochs: 1, trainable: head, learning_rate: 0.1}]", "stages have learning rates of their own"),
])
def test_an_odd_stage_is_named_with_its_path(tmp_path, stages, said):
    with pytest.raises(Failure) as caught:
        load(tmp_path, OWN.replace("  stages: null", f"  stages: {stages}"))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_what_params_leaves_null_comes_from_the_recipe_and_what_it_names_wins(tmp_path):
    assert load(tmp_path, OWN).train.learning_rate == params.load(toy_models.PARAMS).train.learning_rate
    assert load(tmp_path, OWN.replace("  learning_rate: null", "  learning_rate: 1e-3")).train.learning_rate == 0.001


@pytest.mark.parametrize(("old", "new", "said"), [
    ("  epochs: null", "  epochz: 3", "train.epochz: there is no such parameter (did you mean train.epochs?)"),
    ("  min_gain: 0.0", "  min_gains: 0.0", "(did you mean promote.min_gain?)"),
    ("recipe: compact", "recipe: compct", "there is no recipe 'compct' (did you mean compact?); there are attention,"),
    ("classes: null", "classes: 77", "there is no such class set (did you mean 7?); there are 7, 6"),
    ("  epochs: null", "  epochz: null", "train.epochz: there is no such parameter"),
    ("  strength: null", "  strong: null", "augment.strong: there is no such parameter"),
    ("  epochs: null", "  epochs: many", "train.epochs"),
    ("  epochs: null", "  epochs: 0", "train.epochs"),
    ("recipe: compact", "recipe: nonsense", "there is no recipe 'nonsense'; there are attention, camera, cas,"),
    ("dataset: fer2013", "dataset: My Faces", "dataset: 'My Faces' is no name of a data set; expected fer2013"),
    ("dataset: fer2013", "dataset: ../faces", "dataset: '../faces' is no name of a data set"),
    ("dataset: fer2013", "dataset: results", "dataset: 'results' is reserved, it names a part of the project"),
    ("classes: null", "classes: 5", "classes: there is no such class set; there are 7, 6"),
    ("seed: 1", "seed: [", "not YAML"),
    ("  strategy: null", "  strategy: smote", "balance.strategy"),
])
def test_a_mistake_is_named_with_its_path(tmp_path, old, new, said):
    with pytest.raises(Failure) as caught:
        load(tmp_path, OWN.replace(old, new))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def numbers(form=params.Params, above=()):
    """The path of every parameter that is a number, and of some options of a network."""
    for name, field in form.model_fields.items():
        path = (*above, field.alias or name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from numbers(field.annotation, path)
        elif {int, float} & {field.annotation, *get_args(field.annotation)}:
            yield path
    if form is params.Model:
        yield from ((*above, name) for name in ("width", "depth", "dropout"))


@pytest.mark.parametrize("path", numbers(), ids=".".join)
def test_no_number_is_without_bounds(tmp_path, path):
    tree = recipe.read(toy_models.PARAMS)
    node = tree
    for name in path[:-1]:
        node = node[name]
    for text in (".inf", "-.inf", ".nan", "1e300", "-1e300", "1e11", "-7", "9" * 5000):
        node[path[-1]] = "VALUE"
        yaml = io.StringIO()
        YAML(typ="safe", pure=True).dump(tree, yaml)
        with pytest.raises(Failure) as caught:
            load(tmp_path, yaml.getvalue().replace("VALUE", text))
        message = str(caught.value)
        assert "\n" not in message and len(message) < 400
        assert ".".join(path) in message or "not YAML" in message or f"{path[0]}: {path[-1]}: " in message \
            or f"model: Value error, {path[-1]}" in message, message


BOMB = "x0: &x0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"x{level}: &x{level} [{', '.join([f'*x{level - 1}'] * 9)}]\n" for level in range(1, 6))


@pytest.mark.parametrize(("old", "new", "said"), [
    ("seed: 1", "seed: 4294967296", "seed: Input should be less than or equal to 2147483647"),
    ("  sample_seed: 2013", "  sample_seed: -1", "download.sample_seed"),
    ("  seconds: 4", "  seconds: .inf", "demo.seconds"),
    ("  frames_per_second: 15", "  frames_per_second: 1e9", "demo.frames_per_second"),
    ("  width: null", "  width: 1e8", "width: expected numbers from 0 to 10,000"),
    ("  width: null", "  width: [16, [1]]", "width: expected numbers from 0 to 10,000"),
    ("  width: null", "  width: &a [*a]", "width: expected numbers from 0 to 10,000"),
    ("  width: null", "  width: {low: 1}", "width: expected numbers from 0 to 10,000"),
    ("  without: null", "  without: 1/99999999999999999999", "balance.without"),
    ("seed: 1", "seed: 2026-99-99", "not YAML"),
    ("seed: 1", "seed: " + "[" * 1000, "not YAML"),
    ("dataset: fer2013", BOMB + "dataset: *x5", "dataset: "),
    ("recipe: compact", BOMB + "recipe: *x5", "there is no recipe"),
    ("classes: null", BOMB + "classes: *x5", "classes: there is no such class set"),
    ("seed: 1", BOMB + "seed: *x5", "seed: "),
])
def test_what_no_stage_could_honour_is_one_short_line(tmp_path, old, new, said):
    assert old in OWN
    with pytest.raises(Failure) as caught:
        load(tmp_path, OWN.replace(old, new, 1))
    message = str(caught.value)
    assert said in message and "\n" not in message and len(message) < 1000


@pytest.mark.parametrize(("dimension", "said"), [
    ("{low: 0.1, high: 0.01}", "learning_rate: low must be below high"),
    ("{low: 0.1, high: 0.1}", "learning_rate: low must be below high"),
    ("{low: 0, high: 0.1, log: true}", "learning_rate: log needs a low above 0"),
    ("{low: .nan, high: 0.1}", "learning_rate.low: "),
    ("{low: 0.1, high: .inf}", "learning_rate.high: "),
    ("{low: small, high: 0.1}", "learning_rate.low: "),
    ("{low: 0.1}", "learning_rate: expected choices, or low and high"),
    ("{}", "learning_rate: expected choices, or low and high"),
    ("0.1", "learning_rate: "),
    ("{choices: []}", "learning_rate.choices: "),
    ("{choices: [[1]]}", "learning_rate: expected choices that are numbers"),
    ("{choices: [0.1], low: 0.2}", "learning_rate: expected choices alone"),
    ("{choices: [0.1], log: true}", "learning_rate: expected choices alone"),
    ("{low: 0.1, high: 0.2, step: 0.1}", "learning_rate.step: there is no such parameter"),
])
def test_an_odd_search_range_is_named_with_its_path(tmp_path, dimension, said):
    asked = "    train.learning_rate: {low: 0.001, high: 0.01, log: true}"
    assert asked in OWN
    with pytest.raises(Failure) as caught:
        load(tmp_path, OWN.replace(asked, f"    train.learning_rate: {dimension}"))
    assert f"tune.space.train.{said}" in str(caught.value) and "\n" not in str(caught.value)


def test_no_params_file_is_one_line(tmp_path):
    with pytest.raises(Failure, match="cannot be read"):
        params.load(tmp_path / "params.yaml")


def test_params_are_frozen():
    with pytest.raises(Exception, match="frozen"):
        params.load(toy_models.PARAMS).seed = 2


def leaves(tree, above=""):
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def test_dvc_changes_the_one_line_of_params_yaml_that_set_param_names(tmp_path):
    """`dvc exp run -S` reads and writes the whole file; what it would spell otherwise would change with every run."""
    from dvc.utils.hydra import apply_overrides
    from dvc.utils.serialize import modify_yaml

    path, text = tmp_path / "params.yaml", (ROOT / "params.yaml").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    with modify_yaml(path):
        pass
    assert path.read_text(encoding="utf-8") == text
    changes = {"seed": "777", "classes": "6", "train.epochs": "333", "train.votes": "0.477", "model.width": "377",
               "validate.max_leak_share": "0.277", "balance.without": "7/77", "quantise.int8": "true"}
    for name, value in changes.items():
        path.write_text(text, encoding="utf-8")
        before = dict(leaves(recipe.read(path)))[name]
        apply_overrides(path, [f"{name}={value}"])
        pairs = list(zip(text.splitlines(), path.read_text(encoding="utf-8").splitlines(), strict=True))
        assert sum(old != new for old, new in pairs) == 1, name
        apply_overrides(path, [f"{name}={'null' if before is None else before}"])
        assert path.read_text(encoding="utf-8") == text, name
