"""README.md's short table: a row per recipe of our own, with the model that stands for it, and the published one."""

import json
from pathlib import Path

import pytest
import toy_models

from pipeline.bundle.bundle import Bundle
from pipeline.params import params
from pipeline.params import recipe as recipes
from pipeline.reporting.tables import headline_table, results_table
from pipeline.tracking import ledger
from pipeline.tracking.entry import Entry
from pipeline.training import start

ROOT = Path(__file__).parents[3]


def entry(name="speedrun", seed=1, accuracy=0.65, int8=False, **changes) -> Entry:
    """A ledger entry of a recipe as its file has it."""
    recipe = recipes.named(name)
    blocks = {block: params.RECIPE_BLOCKS[block].model_validate(recipe[block]).model_dump(mode="json")
              for block in ("balance", "augment", "model", "train")}
    epochs = recipe["train"]["epochs"]
    return toy_models.entry(**{
        "recipe": name, "seed": seed, "hardware": "a box, 2 cores", "minutes": 7.0, "parameters": 690_000,
        "onnx_bytes": 2_770_000, "milliseconds": 0.7, "finished": f"2026-01-0{seed}", "bundle": f"b{seed}{accuracy}",
        "epochs": {"run": epochs, "asked": epochs, "best": epochs}, "config": {"recipe": name, "seed": seed, **blocks},
        "quantised": toy_models.QUANTISED if int8 else None, "figures": toy_models.figures(accuracy, accuracy),
        **changes})


def row(entries: list[Entry], name: str = "speedrun", without: bool = False) -> list[str]:
    found, = (line for line in headline_table.table(entries).splitlines()
              if line.startswith(f"| `{name}`") and (" without |" in line) == without)
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_rows_of_six_columns_before_anything_was_trained():
    lines = headline_table.table([]).splitlines()
    assert len(lines) == 2 + 7 + 4 and {line.count("|") for line in lines} == {7}
    assert [row([], name)[1] for name in headline_table.RECIPES] == ["not run yet"] * 6
    assert "Khaireddin & Chen 2021" in lines[-1] and "arxiv.org/abs/2105.03588" in lines[-1] and "73.28" in lines[-1]


def test_a_row_is_the_mean_over_the_seeds_with_the_fastest_ones_minutes():
    entries = [entry(seed=1, accuracy=0.64), entry(seed=2, accuracy=0.66, minutes=6.5, milliseconds=0.9)]
    name, accuracy, labels, size, face, training = row(entries)
    assert name == "`speedrun`" and accuracy.startswith("65.00 [") and accuracy.endswith("], seeds: 2")
    assert (labels, size, face, training) == ("FER+ votes", "2.8 MB", "0.70", "6.5 min, a box, 2 cores")


@pytest.mark.parametrize("other", [
    {"protocol": "leak-free"}, {"class_set": "8"}, {"tuned": {"model.width": 24}},
    {"int8": True}])
def test_other_protocols_classes_searched_values_and_forms_do_not_stand_for_a_recipe(other):
    assert row([entry(accuracy=0.9, **other), entry()])[1].startswith("65.00 [")
    assert row([entry(accuracy=0.9, **other)])[1] == "not run yet"


def test_changed_values_do_not_stand_for_a_recipe():
    changed = entry(accuracy=0.9)
    changed.config["train"] = {**changed.config["train"], "votes": 0.0}
    shorter = entry(accuracy=0.9, epochs={"run": 2, "asked": 2, "best": 2})
    shorter.config["train"] = {**shorter.config["train"], "epochs": 2}
    assert row([changed, shorter, entry()])[1].startswith("65.00 [")
    assert row([changed, shorter])[1] == "not run yet"


def test_beside_a_recipe_with_extra_labels_stands_the_same_without_them():
    """Without the votes or teachers and with all else as the recipe has it; a recipe that needs none has no second
    row."""
    plain = entry(accuracy=0.63)
    plain.config["train"] = {**plain.config["train"], "votes": 0.0}
    cells = row([plain, entry()], without=True)
    assert cells[0] == "`speedrun` without" and cells[1].startswith("63.00 [") and cells[2] == "none"
    assert row([plain, entry()])[1].startswith("65.00 [")
    other = plain.model_copy(update={"config": {**plain.config, "train": {**plain.config["train"], "batch_size": 32}}})
    assert row([other, entry()], without=True)[1:3] == ["not run yet", "none"]
    taught = entry("edge", accuracy=0.7, int8=True)
    taught.config["train"] = {**taught.config["train"], "votes": 0.0}
    assert row([taught], "edge", without=True)[1] == "not run yet", "its teachers are extra labels too"
    assert "`compact` without" not in headline_table.table([entry("compact")])


def test_of_two_processors_the_one_with_more_seeds_is_shown():
    entries = [entry(seed=1), entry(seed=2), entry(seed=3, accuracy=0.9, hardware="1 x NVIDIA H100")]
    assert row(entries)[1].startswith("65.00 [") and row(entries[1:])[1].startswith("90.00 [")


def test_a_recipe_that_quantises_is_shown_in_int8_with_the_teachers_that_it_learned_from():
    entries = [entry("edge", accuracy=0.9), entry("edge", accuracy=0.73, int8=True, onnx_bytes=1_660_000)]
    name, accuracy, labels, size, *_ = row(entries, "edge")
    assert name == "`edge` in int8" and accuracy.startswith("73.00 [") and accuracy.endswith("], seeds: 1")
    assert (labels, size) == ("FER+ votes, teachers `strong`", "1.7 MB")
    assert row([], "edge")[2] == labels, "the recipe's, where nothing was run yet"
    assert row([entry("strong")], "strong")[2] == "FER+ votes, teachers `hour`"
    assert row([entry("compact")], "compact")[2] == "none"


def test_a_time_that_nobody_measured_is_not_made_up():
    assert row([entry(milliseconds=None)])[4] == "not measured"


def test_the_readme_shows_the_ledger(monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(ROOT))
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert results_table.fill_in(page, headline_table.table(ledger.entries())) == page, "run `ferpipe results`"


def test_the_readme_gives_the_champions_copy_free_figures():
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    parts = json.loads((ROOT / "reports/champion/measurements.json").read_text(encoding="utf-8"))["copies"]
    for split in ("PublicTest", "PrivateTest"):
        free = parts[split]["no copy in Training"]
        low, high = (100 * end for end in free["interval"])
        said = f"{100 * free['accuracy']:.2f} % [{low:.1f}, {high:.1f}] of {split}'s {free['n']:,}"
        assert said in page.replace("\n", " "), "write the champion's figures below README.md's table"


def test_the_readme_gives_the_champions_and_its_starts_accuracy_on_corrupted_faces(monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(ROOT))
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    measured = {entry.bundle: entry.robustness for entry in ledger.entries()}

    def figures(bundle, unit):
        robustness = measured[bundle]["PrivateTest"]
        low, high = robustness["interval"]
        return f"{100 * robustness['mean']:.1f}{unit} [{100 * low:.1f}, {100 * high:.1f}]"

    champion, edge = Bundle.load(ROOT / "data/champion").id, start.about("edge")["bundle"]
    said = (f"PrivateTest's [corrupted faces](pipeline/faces/README.md) {figures(champion, ' %')}, the `edge` that it "
            f"starts from {figures(edge, '')}.")
    assert said in page.replace("\n", " "), "write the champion's figures below README.md's table"
