"""Six classes, disgust counting as angry, through every stage, and on into registry, tables and demo."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import toy_models

from pipeline.bundle.bundle import Bundle
from pipeline.faces.faces import CLASS_SETS, Faces
from pipeline.promote import __main__ as promote
from pipeline.reporting.tables import results_table
from pipeline.tracking import ledger, registry

SIX = CLASS_SETS["6"][0]
pytestmark = pytest.mark.slow


@pytest.fixture
def run(project, monkeypatch):
    """Every stage but the demo, in an empty project."""
    from pipeline.balance import __main__ as balance
    from pipeline.download import __main__ as download
    from pipeline.evaluate import __main__ as evaluate
    from pipeline.train import __main__ as train
    from pipeline.tune import __main__ as tune
    from pipeline.validate import __main__ as validate

    monkeypatch.setattr("sys.argv", ["stage"])
    toy_models.small_run(project, classes=6)  # a number, as DVC's -S classes=6 writes it
    for stage in (download, validate, balance, tune, train, evaluate):
        stage.main()
    promote.main([])
    return project


def test_six_classes_go_through_every_stage_and_on_to_the_demo(run, capsys):
    faces, balanced = (Faces.load(run / "data/sample" / name) for name in ("faces", "balanced"))
    assert len(faces.classes) == 7 and balanced.classes == SIX
    for split, counts in faces.counts().items():
        assert balanced.counts()[split]["angry"] == counts["angry"] + counts["disgust"], split

    bundle = Bundle.load(run / "data/sample/bundle")
    assert bundle.classes == SIX and bundle.class_set == "6" and bundle.provenance.class_set == "6"
    probabilities = bundle.predict(faces.images[:5])
    assert probabilities.shape == (5, 6)

    metrics = json.loads((run / "reports/sample/metrics.json").read_text())
    assert metrics["class_set"] == "6" and set(metrics["PrivateTest"]["single"]["per_class"]) == set(SIX)
    with open(run / "reports/sample/predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["actual"] for row in rows} == set(SIX) and set(SIX) < set(rows[0])
    for name in ("confusion.png", "per_class.png", "curves.png", "balance.png"):
        assert (run / "reports/sample" / name).stat().st_size > 10_000, name

    entry, = ledger.entries("sample")
    assert entry.class_set == "6" and entry.classes == SIX
    assert np.shape(entry.figures["test"]["single"]["confusion"]) == (6, 6)
    assert re.search(r"\| `compact`, [^|]*model\.width 4[^|]* \| 6 \| published \|", results_table.table([entry]))
    assert registry.champion("sample-6") == ("1", bundle.id) and registry.champion("sample-7") is None
    assert not (run / "data/champion").exists(), "the champion in git has seven classes"

    from pipeline.demo.main import main as demo

    write_scene(run / "people.png")
    demo([str(run / "people.png"), "--headless", "--out", str(run / "seen.png"), "--model", str(bundle.folder),
          "--unsure-below", "0"])
    said = capsys.readouterr().out
    assert (run / "seen.png").stat().st_size > 10_000
    assert any(name in said for name in SIX) and "disgust" not in said.splitlines()[-2]


def write_scene(path: Path) -> None:
    import cv2

    from pipeline.download.drawn import clip

    frame = next(iter(clip.frames(1, 1)))
    path.write_bytes(cv2.imencode(".png", frame)[1].tobytes())
