"""The benchmark of training: a row for every recipe, a ratio with its spread, and a sentence that follows from them."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import toy_models

from pipeline.params import params
from pipeline.reporting.bench import throughput, train_speed
from pipeline.system.failure import Failure

ROOT = Path(__file__).parents[3]


def row(recipe="compact", ours=(100, 110, 120), plain=(100, 100, 100), augmentation=(9000,), **changes):
    return {"recipe": recipe, "batch": 64, "precision": "bfloat16", "parameters": 690_000, "machine": "a box",
            "seconds": 90.0, "images": 28_709, "epochs": 28, "time": "2026-01-01T00:00+00:00",
            "ours": list(ours), "plain": list(plain),
            **({"augmentation": list(augmentation)} if augmentation else {}), **changes}


def test_a_row_holds_medians_and_the_ratio_of_the_turns_with_its_quartiles():
    last = throughput.table([row(plain=(100, 100, 60))]).splitlines()[-1]
    assert last == "| compact | 64 | bfloat16 | 0.69 M | 110 | 100 | 1.10 [1.05, 1.55] | 9,000 | 2.0 |"
    assert throughput.table([row(augmentation=())]).endswith("| none | 2.0 |")


def test_the_sentence_names_what_is_slower_and_whether_the_augmentation_reaches_its_goal():
    rows = [row("slow", ours=(80, 90, 99)), row("close", ours=(80, 90, 111)), row("fast", augmentation=(4000,))]
    said = throughput.conclusion(rows)
    assert said.startswith("Median over the recipes, ours to plain: 0.90.")
    assert "Slower than plain `fit`: slow. Too close to tell: close." in said
    assert "fast's, makes 4,000 images/s (below the goal of 5,000)" in said
    assert "No recipe is slower" in throughput.conclusion([row()])


def test_one_disturbed_turn_decides_nothing_where_there_are_many():
    turns = [90.0] * 14
    assert "Slower than plain `fit`: compact." in throughput.conclusion([row(ours=[*turns, 300], plain=[100] * 15)])
    assert "No recipe is slower" in throughput.conclusion([row(ours=[10, *[101.0] * 14], plain=[100] * 15)])


def test_rows_of_other_recipes_stay_and_a_short_look_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(throughput, "measured", lambda name, seconds: row(name, seconds=seconds))
    throughput.main(["cas", "--seconds", "1"])
    assert not list(tmp_path.rglob("*"))
    throughput.main(["compact"])
    throughput.main(["cas"])
    kept = json.loads((tmp_path / "reports/bench-train.json").read_text())
    assert [one["recipe"] for one in kept] == ["cas", "compact"]
    text = (tmp_path / "reports/bench-train.md").read_text()
    assert "| cas |" in text and "| compact |" in text
    (tmp_path / "reports/bench-train.md").unlink()
    throughput.main(["--page"])
    assert (tmp_path / "reports/bench-train.md").read_text() == text


def test_a_page_of_no_measurements_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with pytest.raises(Failure, match="no measurements; run it without --page"):
        throughput.main(["--page"])


def test_an_unknown_recipe_is_one_line(monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(Failure, match="there is no recipe 'alexnet'"):
        throughput.main(["alexnet", "--seconds", "1"])


@pytest.mark.parametrize(("recipe", "images"), [("compact", 28_709), ("cas", 49_000), ("padova_vgg_v2", 41_605)])
def test_an_epoch_has_the_images_that_balance_makes(recipe, images):
    assert throughput.images(params.load(toy_models.PARAMS, recipe)) == images


def test_both_sides_take_turns_and_an_epochs_first_batches_do_not_count():
    asked = []
    turns = train_speed.Turns(lambda steps: asked.append(steps) or 64.0, batch=32, steps=2, seconds=0)
    turns.set_model(SimpleNamespace(stop_training=False))
    epochs = 0
    while not turns.model.stop_training:
        turns.on_epoch_begin(epochs)
        for batch in range(9):  # four turns, of which three are counted
            turns.on_train_batch_end(batch, {"loss": 1.0})
        epochs += 1
    assert epochs == 5 and asked == [2] * 20
    assert len(turns.pairs) == 15 and all(ours == 64.0 and plain > 0 for ours, plain in turns.pairs)


@pytest.mark.slow
def test_a_recipe_is_measured_on_all_sides_in_a_process_of_its_own(monkeypatch):
    load = params.load
    small = {"model.stem": 4, "model.width": 4, "model.stages": 1}
    monkeypatch.setattr(params, "load", lambda recipe: load(toy_models.PARAMS, recipe).override(small))
    monkeypatch.chdir(ROOT)
    found = throughput.measured("speedrun", 0.01)
    assert len(found["ours"]) == len(found["plain"]) >= 15
    assert all(min(found[side]) > 0 for side in ("ours", "plain", "augmentation"))
    assert found["batch"] == 64 and found["parameters"] < 10_000
    assert "| speedrun | 64 |" in throughput.table([found])
