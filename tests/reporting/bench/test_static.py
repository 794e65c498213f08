"""The static page's bench: a few frames in a real Chromium, and the report's figures."""

import shutil

import pytest
import toy_faces
from chromium import needed

from pipeline.reporting.bench import static
from pipeline.system.failure import Failure

FIGURES = [{"people": 1, "flight": 1, "rate": 61.24}]


def test_the_report_has_the_figures():
    sizes = {"kernels.wasm": 140_000, "full.bin": 960_000, "model.bin": 1_260_000, "page.js": 40_000}
    text = static.page(static.table(FIGURES, 352.0, sizes), "Chromium 1", "abc", 600)
    assert "| 1 | 1 | 61.2 |" in text
    assert "answer: 0.35 s" in text and "2.40 MB come" in text and "model.bin 1.26, the rest 0.04." in text


def test_without_a_browser_it_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(Failure, match="no Chromium is installed"):
        static.main([])


@pytest.mark.slow
@needed
@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm here: install Node.js to build the static page")
def test_a_few_frames_are_timed_and_no_report_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(static, "PAGE", tmp_path / "bench-static.md")
    monkeypatch.setattr(static, "STARTS", 1)
    monkeypatch.setattr(static, "WARM", 1)
    monkeypatch.setattr(static, "DRAWN_SECONDS", 0.1)
    try:
        static.main(["--frames", "4", "--model", str(toy_faces.toy_bundle(tmp_path))])
    except Failure as failure:
        if "is there a network" not in str(failure):
            raise
        pytest.skip(f"the package is not here and cannot be fetched: {failure}")
    out = capsys.readouterr().out
    assert out.count("| 1 | 1 |") == 1 and "| 4 | 3 |" in out and "MB come" in out
    assert not (tmp_path / "bench-static.md").exists()
