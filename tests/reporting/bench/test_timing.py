"""The benchmark: every runtime answers, what it prints is what it measured, and a hasty look writes no report."""

import json

import pytest
import toy_models

from pipeline.bundle.bundle import Bundle
from pipeline.reporting.bench import inference, timing
from pipeline.system.failure import Failure


def row(network, runtime, p50, precision="float32"):
    times = {str(batch): {"calls": 9, "p50": p50 * batch, "p95": 2 * p50 * batch} for batch in timing.BATCHES}
    return {"network": network, "runtime": runtime, "precision": precision, "file_bytes": 2_500_000,
            "seconds_to_first": 0.5, "resident_bytes": 60_000_000, "milliseconds": times}


ROWS = [row("compact", "Keras predict", 50), row("compact", "ONNX Runtime", 0.8), row("S1's", "Keras predict", 80),
        row("S1's", "ONNX Runtime", 8)]


def test_the_table_has_a_line_for_every_row():
    lines = inference.table(ROWS).splitlines()
    assert len({line.count("|") for line in lines}) == 1 and len(lines) == 2 + len(ROWS)
    assert lines[3].endswith(" | float32 | 0.80 / 1.60 | 3.20 / 6.40 | 12.80 / 25.60 | 0.50 | 60 | 2.50 |")


def test_the_conclusion_compares_like_with_like():
    said = inference.conclusion(ROWS)
    assert "0.80 ms with compact" in said and "(within the goal of 1 ms)" in said
    assert "62 times as long" in said and "10.0 times under the same runtime and 100 times under Keras predict" in said
    assert "(beyond the goal" in inference.conclusion([row("a", "LiteRT", 1.5), row("b", "LiteRT", 3)])


def test_a_file_that_a_runtime_cannot_read_is_one_line(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(Failure, match=r"ONNX Runtime, float32: ended without an answer: .*broken\.onnx"):
        timing.measure([timing.Row("toy", "ONNX Runtime", "float32", str(tmp_path / "broken.onnx"))], 1)


def test_every_call_is_counted_for_every_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(timing, "ROUND", 2)
    monkeypatch.setattr(timing, "STARTS", 1)
    bundle = toy_models.bundle(tmp_path / "toy")
    measured = timing.Row("toy", "ONNX Runtime", "float32", str(bundle.folder / "model.onnx"))
    timing.measure([measured], 5)
    about = measured.about()
    assert {name: one["calls"] for name, one in about["milliseconds"].items()} == {"1": 5, "4": 5, "16": 5}
    assert all(0 < one["p50"] <= one["p95"] for one in about["milliseconds"].values())
    assert about["seconds_to_first"] > 0 and about["resident_bytes"] > 1e6
    assert about["file_bytes"] == (bundle.folder / "model.onnx").stat().st_size


@pytest.mark.slow
def test_the_whole_contest_with_a_bundle_that_only_serves(tmp_path, monkeypatch, capsys):
    """All ten rows; a champion has no model.keras, its network is built from its provenance."""
    monkeypatch.setattr(timing, "STARTS", 1)
    for module in (inference, timing):
        monkeypatch.setattr(module, "BATCHES", (1,))
    tiny = {"name": "compact", "stem": 4, "width": 4, "stages": 1}
    monkeypatch.setitem(inference.S1, "model", tiny)
    bundle = toy_models.bundle(tmp_path / "toy", dataset="fer2013")
    meta = json.loads((bundle.folder / "bundle.json").read_text())
    meta["provenance"]["config"] = {"seed": 1, "classes": meta["classes"], "model": tiny}
    (bundle.folder / "bundle.json").write_text(json.dumps(meta))
    (bundle.folder / "model.keras").unlink()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    inference.main([str(bundle.folder), "--calls", "1"])
    printed = capsys.readouterr().out
    for cells in ("toy | Keras predict | float32", "toy | LiteRT | int8", "`cas` | ONNX Runtime | int8"):
        assert cells in printed
    assert not (tmp_path / "reports").exists(), "one call is no report"
    monkeypatch.setattr(inference, "CALLS", 1)
    monkeypatch.setattr(inference, "contest", lambda bundle, folder: [
        timing.Row(name, "ONNX Runtime", "float32", str(bundle.folder / "model.onnx")) for name in ("toy", "S1's")])
    inference.main([str(bundle.folder), "--calls", "1"])
    assert len(json.loads((tmp_path / "reports/bench.json").read_text())["rows"]) == 2
    assert Bundle.load(bundle.folder).id in (tmp_path / "reports/bench.md").read_text()
