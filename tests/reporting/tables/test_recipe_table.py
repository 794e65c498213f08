"""reports/recipes.md: a row for every published recipe, before and after its runs, and all of it from the ledger."""

from pathlib import Path

import pytest
import toy_models

from pipeline.faces.protocols import OF_DROP_LEAKS
from pipeline.params import params
from pipeline.params import recipe as recipes
from pipeline.params.resolved import resolve
from pipeline.reporting.bench import throughput
from pipeline.reporting.tables import recipe_picture, recipe_table
from pipeline.tracking import ledger
from pipeline.tracking.entry import Entry

ROOT = Path(__file__).parents[3]
PUBLISHED = {
    "cas": (0.61, "test", "7"), "cas_unbalanced": (0.62, "test", "7"), "javier": (0.6215, "test", "7"),
    "padova_vgg_v0": (None, "PrivateTest", "6"), "padova_vgg_v1": (None, "PrivateTest", "6"),
    "padova_vgg_v2": (0.6718, "PrivateTest", "6"), "padova_inception": (None, "PrivateTest", "6"),
    "padova_resnet_2552": (None, "PrivateTest", "6"), "padova_resnet_3463": (None, "PrivateTest", "6"),
    "harini": (0.632, "test", "7"), "deepfer_cnn": (0.5974, "test", "7"), "deepfer_resnet50v2": (0.69, "test", "7"),
}


def entry(recipe: str, tmp_path, accuracy: float = 0.65, seed: int = 1, fields=(), **changed) -> Entry:
    """A ledger entry of a recipe, with values changed by path, and other ``fields``."""
    path = tmp_path / "params.yaml"
    text = toy_models.PARAMS.read_text(encoding="utf-8").replace("recipe: compact", f"recipe: {recipe}")
    path.write_text(text, encoding="utf-8")
    settings = params.load(path).override({"seed": seed, **changed})
    manifest = {"strategy": settings.balance.strategy, "class_set": settings.classes,
                "protocol": OF_DROP_LEAKS[settings.balance.drop_leaks], "classes": [],
                **({"votes": {"sha256": "v"}} if settings.train.votes else {})}
    epochs = settings.train.epochs
    return toy_models.entry(**{
        "recipe": recipe, "seed": seed, "class_set": settings.classes, "config": resolve(settings, manifest),
        "hardware": "a box", "minutes": 90.0, "parameters": 7_200_000,
        "epochs": {"run": epochs, "asked": epochs, "best": 1}, "figures": toy_models.figures(accuracy), **dict(fields)})


def rows(entries: list[Entry], name: str) -> list[str]:
    return [row for row in recipe_table.page(entries).splitlines() if row.startswith(f"| `{name}`")]


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_recipe_names_source_split_classes_and_figure_in_its_header(name):
    recipe, (accuracy, split, classes) = recipes.named(name), PUBLISHED[name]
    assert (recipe["published"]["accuracy"], recipe["published"]["split"], recipe["classes"]) == PUBLISHED[name]
    header = (recipes.RECIPES / f"{name}.yaml").read_text(encoding="utf-8").split("title:")[0]
    assert header.startswith(f"# {name} (S") and "Published: " in header and "PublicTest" in header
    assert {"7": "seven", "6": "six"}[classes] in header
    assert ("test folder" in header or "test images" in header) if split == "test" else split in header
    if accuracy is not None:
        assert f"{100 * accuracy:g} %" in header
    assert recipe["tuned"] is False, "published recipes skip the search"


@pytest.mark.parametrize("name", [name for name in recipes.names() if name.endswith("_plus")])
def test_a_sibling_is_measured_as_its_system_is(name):
    mine = recipes.named(name)
    theirs = [one for one in map(recipes.named, PUBLISHED) if one["title"][:2] == mine["title"][:2]]
    assert mine["published"]["accuracy"] in {one["published"]["accuracy"] for one in theirs} - {None}
    assert {(one["published"]["split"], one["classes"]) for one in theirs} == {
        (mine["published"]["split"], mine["classes"])}
    header = (recipes.RECIPES / f"{name}.yaml").read_text(encoding="utf-8").split("title:")[0]
    assert header.startswith(f"# {name} (S") and "sibling of" in header
    # the test folder is PublicTest and PrivateTest
    assert ("PublicTest half chose our values" if mine["published"]["split"] == "test" else
            "nothing is chosen on it") in header
    assert mine["published"]["by"] in PUBLISHED


@pytest.mark.parametrize("name", recipes.names())
def test_the_stages_of_a_recipe_fill_its_epochs(name):
    train = recipes.named(name)["train"]
    assert sum(stage["epochs"] for stage in train.get("stages", [])) in (0, train["epochs"])


def test_recipes_without_a_run_have_a_row_too():
    for name in PUBLISHED:
        row, = rows([], name)
        assert "not run yet" in row and "| 0 of " in row
    assert rows([], "compact") == []


def test_a_recipe_without_a_run_says_what_it_would_take():
    timed = {"recipe": "cas", "machine": "a box", "epochs": 50, "images": 49_000, "ours": [50, 54, 53]}
    row, = [row for row in recipe_table.page([], [timed]).splitlines() if row.startswith("| `cas` |")]
    assert "| would take 12.8 h, a box | 0 |" in row


def test_a_run_shows_our_figure_with_its_interval_and_bold_where_it_reaches_theirs(tmp_path):
    row, = rows([entry("padova_vgg_v2", tmp_path, 0.68)], "padova_vgg_v2")
    assert "| none | PrivateTest | 6 | 67.18 | **68.00** [66.5, 69.5], seeds: 1 |" in row
    assert "| 150 of 150 | 7.20 M (5.9 M) | 1.5 h, a box | 1 |" in row
    row, = rows([entry("padova_vgg_v2", tmp_path, 0.67)], "padova_vgg_v2")
    assert "| 67.00 [" in row


def test_what_a_run_changed_is_told_and_a_cut_run_is_marked(tmp_path):
    plain, cut = entry("cas", tmp_path), entry("cas", tmp_path, **{"train.epochs": 12, "train.batch_size": 64})
    stopped = entry("cas", tmp_path, fields={"hardware": "a laptop", "epochs": {"run": 38, "asked": 50, "best": 28}})
    found = rows([plain, cut, stopped], "cas")
    assert len(found) == 3
    marked, = [row for row in found if "12 of 50 (shortened to save time)" in row]
    assert "| `cas`, train.batch_size 64 |" in marked and "| 1.5 h, a box; all 50 would take 6.2 h |" in marked
    assert sum("would take" in row for row in found) == 1
    assert any("38 of 50 (ended by its rule)" in row for row in found)
    assert sum("| `cas` |" in row for row in found) == 2
    row, = rows([entry("cas", tmp_path, 0.7, **{"train.epochs": 60})], "cas")
    assert "60 of 50 (longer than the recipe's)" in row and "**" not in row
    row, = rows([entry("deepfer_resnet_plus", tmp_path, **{"train.votes": 0})], "deepfer_resnet_plus")
    assert ", train.votes 0 | none |" in row
    row, = rows([entry("cas", tmp_path, **{"balance.drop_leaks": "exact"})], "cas")
    assert "| `cas`, balance.drop_leaks exact |" in row, "another protocol than the caption's"
    near = [entry("cas", tmp_path, **{"train.learning_rate": rate}) for rate in (0.00123456, 0.001234564)]
    assert len(rows(near, "cas")) == 2


def test_the_weights_that_a_transfer_really_began_with_stand_in_both_tables(tmp_path):
    random = entry("deepfer_resnet50v2", tmp_path, fields={"weights": "random weights"},
                  **{"model.weights": "none", "train.stages": []})
    row, = rows([random], "deepfer_resnet50v2")
    assert "model.weights none" in row and "train.stages none" in row and "random weights" in row


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_run_with_the_recipe_s_own_values_tells_no_changes(name, tmp_path):
    row, = rows([entry(name, tmp_path)], name)
    assert row.startswith(f"| `{name}` |")


def test_a_row_with_extra_labels_is_never_bold(tmp_path):
    row, = rows([entry("padova_vgg_v2", tmp_path, 0.8, **{"train.votes": 0.4})], "padova_vgg_v2")
    assert row.startswith("| `padova_vgg_v2`, train.votes 0.4 | FER+ votes | PrivateTest |") and "**" not in row


def test_where_the_authors_name_no_split_the_row_says_so_and_is_never_bold(tmp_path):
    row, = rows([entry("deepfer_cnn", tmp_path, 0.8)], "deepfer_cnn")
    assert row.startswith("| `deepfer_cnn` | none | not named, ours: test | 7 | 59.74 | 80.00 [")
    assert "| not named, ours: test |" in rows([], "deepfer_cnn")[0]
    assert {name for name in recipes.names() if (recipes.named(name)["published"] or {}).get("split_named") is False} \
        == {name for name in recipes.names() if recipes.named(name)["title"].startswith("S5")}


def test_seeds_share_a_row(tmp_path):
    row, = rows([entry("cas", tmp_path, 0.61), entry("cas", tmp_path, 0.63, seed=2)], "cas")
    assert "**62.00** [" in row and row.endswith("| 2 |")


def test_the_picture_shows_what_was_run_as_its_authors_did_and_the_ensembles(tmp_path):
    whole, changed = entry("cas", tmp_path), entry("cas", tmp_path, **{"train.batch_size": 64})
    cut = entry("harini", tmp_path, **{"train.epochs": 2})
    unknown = entry("padova_vgg_v0", tmp_path)
    ensemble = unknown.model_copy(update={
        "config": {"weighting": "recall", "members": dict.fromkeys("abcdefghi")}, "recipe": "ensemble"})
    voted = entry("deepfer_resnet_plus", tmp_path, 0.8)
    drawn = recipe_table.picture([cut, changed, whole, unknown, ensemble, voted])
    assert [(row.label, row.published, row.text) for row in drawn] == [
        ("S1  cas", 0.61, "S1  cas"), ("S3  padova_vgg_v0", None, "S3  padova_vgg_v0"),
        ("S5  deepfer_resnet_plus", 0.69, "S5  deepfer_resnet_plus\nFER+ votes, split not named"),
        ("S3  ensemble of 9, by recall", 0.7152, "S3  ensemble of 9, by recall")]
    path = tmp_path / "recipes.png"
    recipe_picture.draw(path, drawn)
    assert path.read_bytes().startswith(b"\x89PNG")
    recipe_picture.draw(path, [])
    assert not path.exists(), "a picture without a row would be an old one"


def test_the_committed_page_is_what_the_ledger_says(monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(ROOT))
    page = (ROOT / "reports/recipes.md").read_text(encoding="utf-8")
    entries = ledger.entries()
    assert page == recipe_table.page(entries, throughput.kept()), "run `ferpipe recipes`"
    for _, _, of_system in recipe_table.by_system(entries):
        for recorded in of_system:
            found = {split: recorded.figures[split]["single"]["n"] for split in ("PublicTest", "PrivateTest", "test")}
            assert found == {"PublicTest": 3589, "PrivateTest": 3589, "test": 7178}, "the caption's n"
