"""What each technique of the training loop gains: turns with all of them and without one."""

import json

import pytest
import toy_models

from pipeline.params import params
from pipeline.reporting.bench import gains, throughput


def row(technique="towers", complete=(100, 120, 140), without=(100, 100, 100), **changes):
    return {"technique": technique, "recipe": "edge", "seconds": 40.0, "time": "2026-01-01T00:00+00:00",
            "precision": "bfloat16", "machine": "a box", "all": list(complete), "without": list(without), **changes}


def speed(recipe):
    return {"recipe": recipe, "batch": 64, "precision": "bfloat16", "parameters": 690_000, "machine": "a box",
            "seconds": 90.0, "images": 28_709, "epochs": 28, "time": "2026-01-01T00:00+00:00", "ours": [100],
            "plain": [100]}


def test_a_row_holds_medians_and_the_gain_of_the_turns_with_its_quartiles():
    assert gains.table([row()]).splitlines()[-1] == (
        "| two halves of a batch side by side, each on a core | edge | bfloat16 | 120 | 100 | 1.20 [1.10, 1.30] |")


def test_every_technique_has_a_row():
    from typing import get_args

    from pipeline.training import hardware

    assert set(gains.TECHNIQUES) == set(get_args(hardware.Technique))


def test_the_page_has_what_this_machine_gains_and_what_was_measured_before(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(throughput, "measured", lambda name, seconds: speed(name))
    monkeypatch.setattr(throughput, "config", lambda settings: settings)
    monkeypatch.setattr(throughput, "timed", lambda name: name)
    throughput.main(["compact"])
    assert "What makes it faster" not in (tmp_path / "reports/bench-train.md").read_text()
    monkeypatch.setattr(gains, "measured", lambda technique, config, seconds:
                        None if technique == "products" else row(technique, recipe=config))
    throughput.main(["--gains"])
    text = (tmp_path / "reports/bench-train.md").read_text()
    assert "| compact | 64 |" in text and "| two halves of a batch" in text and "in float32" not in text
    assert "products: not used on this machine" in capsys.readouterr().out
    kept = json.loads((tmp_path / "reports/bench-train-gains.json").read_text())
    assert [one["recipe"] for one in kept if one["technique"] == "depthwise sums"] == ["speedrun"]
    throughput.main(["cas"])
    assert "| two halves of a batch" in (tmp_path / "reports/bench-train.md").read_text()


@pytest.mark.slow
def test_a_technique_is_measured_in_two_processes(monkeypatch):
    small = {"model.stem": 4, "model.width": 4, "model.stages": 1}
    settings = params.load(toy_models.PARAMS, "speedrun").override({**throughput.LABELS_ALONE, **small})
    measured = gains.measured("dropout by bytes", throughput.config(settings), 0.01)
    assert measured is not None and len(measured["all"]) == len(measured["without"]) == gains.FEWEST
    assert min(measured["all"] + measured["without"]) > 0 and measured["recipe"] == "speedrun"
