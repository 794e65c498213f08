"""``ferpipe params``: every value in force is printed with the place that it comes from."""

import pytest
import toy_models
from ruamel.yaml import YAML

from pipeline.params import origins, params
from pipeline.system.failure import Failure

TEXT = toy_models.PARAMS.read_text(encoding="utf-8").replace("  epochs: null", "  epochs: 5")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a params.yaml that sets train.epochs, and a search that took another width."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(TEXT, encoding="utf-8")
    (tmp_path / "reports/fer2013").mkdir(parents=True)
    with open(tmp_path / "reports/fer2013/best_params.yaml", "w", encoding="utf-8") as file:
        YAML().dump({"recipe": "compact", "take": {"model.width": 24}}, file)
    return tmp_path


def by_path(recipe=None):
    return {value.path: value for value in origins.in_force(recipe=recipe)[1]}


def test_every_value_has_its_origin(project):
    values = by_path()
    assert values["train.epochs"][1:] == (5, "params.yaml")
    assert values["dataset"][1:] == ("fer2013", "params.yaml")
    assert values["train.learning_rate"][1:] == (0.003, "recipe")
    assert values["model.width"][1:] == (24, "search")
    assert values["train.momentum"][1:] == (0.9, "default")
    assert values["download.url"][1:] == (None, "default")


def test_the_values_are_those_that_a_run_takes(project):
    taken = params.load().override({"model.width": 24}).model_dump(by_alias=True, mode="json")
    for path, value, _ in by_path().values():
        node = taken
        for name in ("tune", "space", path.removeprefix("tune.space.")) if "space" in path else path.split("."):
            node = node[name]
        assert node == value, path


def test_another_recipe_is_shown_as_its_file_has_it(project):
    values = by_path("speedrun")
    assert values["train.epochs"].origin == "recipe" and values["train.epochs"].value != 5
    assert not [value for value in values.values() if value.origin == "search"]
    with pytest.raises(Failure, match=r"did you mean compact\?"):
        by_path("compct")


def test_a_search_for_another_recipe_counts_for_nothing(project):
    (project / "reports/fer2013/best_params.yaml").write_text("recipe: hour\ntake: {model.width: 24}\n")
    assert by_path()["model.width"].origin == "recipe"


@pytest.mark.parametrize("arguments", [[], ["deepfer_resnet50v2"]])
def test_the_page_fits_a_hundred_columns_and_hides_no_value(project, capsys, arguments):
    origins.main(arguments)
    page = capsys.readouterr().out
    assert max(map(len, page.splitlines())) <= 100
    assert "tune.space.train.label_smoothing" in page and "{low: 0.0, high: 0.15}" in page
    assert "unset" in page and "drop_leaks" in page


def test_a_share_of_random_weights_is_none_and_says_why(project):
    text = TEXT.replace("recipe: compact", "recipe: camera")
    (project / "params.yaml").write_text(text, encoding="utf-8")
    assert by_path()["train.start_share"].origin == "recipe" and by_path()["train.start_share"].value > 0
    (project / "params.yaml").write_text(text.replace("  weights: null", "  weights: none"), encoding="utf-8")
    assert by_path()["train.start_share"][1:] == (0.0, "model.weights")


def test_labels_that_only_fer2013_has_are_zero_on_other_data_and_say_why(project):
    text = TEXT.replace("dataset: fer2013", "dataset: my-moods").replace("recipe: compact", "recipe: strong")
    (project / "params.yaml").write_text(text, encoding="utf-8")
    values = by_path()
    assert values["train.votes"][1:] == values["train.teacher"][1:] == (0.0, "data set")
    (project / "params.yaml").write_text(text.replace("my-moods", "fer2013"), encoding="utf-8")
    values = by_path()
    assert values["train.votes"].value > 0 and values["train.teacher"].value > 0
    assert values["train.votes"].origin == "recipe"
