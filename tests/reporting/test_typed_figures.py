"""Figures that are typed into two of the folders' READMEs are those of the ledger."""

import json
from pathlib import Path

import pytest

from pipeline.bundle.bundle import Bundle
from pipeline.tracking import ledger
from pipeline.tracking.entry import Entry

ROOT = Path(__file__).parents[2]


@pytest.fixture
def entries(monkeypatch) -> dict[str, Entry]:
    """The committed ledger, by bundle."""
    monkeypatch.setenv("DVC_ROOT", str(ROOT))
    return {entry.bundle: entry for entry in ledger.entries()}


def prose(page: str) -> str:
    return " ".join((ROOT / page).read_text(encoding="utf-8").split())


def test_the_champions_time_is_its_entrys_and_the_benchs_figures_are_not_called_its_own(entries):
    champion, page = Bundle.load(ROOT / "data/champion").id, prose("pipeline/reporting/README.md")
    entry = entries[champion]
    assert f"takes {entry.milliseconds:.2f} ms per face on one thread of an {entry.hardware.split(',')[0]} (" in page
    timed = json.loads((ROOT / "reports/bench.json").read_text(encoding="utf-8"))["bundle"]
    assert ("measured an earlier one" in page) == (timed != champion)


def test_what_sharpness_costs_and_gains_is_what_the_ledger_has(entries):
    def figures(bundle: str, sharpness: bool) -> tuple[str, str]:
        entry = entries[bundle]
        assert bool(entry.config["model"].get("sharpness")) == sharpness and entry.seed == 1
        return (f"{100 * entry.figures['PublicTest']['single']['accuracy']:.1f}",
                f"{100 * entry.robustness['PublicTest']['mean']:.1f}")

    (clean, corrupted), (sharp, robust) = figures("592bb9adb7a9", False), figures("8f989cc32665", True)
    page = prose("pipeline/training/README.md")
    assert f"corrupted: {clean} and {corrupted} % without it, {sharp} and {robust} % with it." in page
