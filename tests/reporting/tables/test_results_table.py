"""The ledger: append-only, one entry per model, and reports/results.md is what the ledger says."""

from pathlib import Path

import pytest
import toy_models
from toy_models import entry

from pipeline.evaluate import robustness
from pipeline.reporting.tables import mirror_table, results_table
from pipeline.system.failure import Failure
from pipeline.tracking import ledger

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def in_a_project(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


def test_a_model_is_written_once_and_never_again():
    path = ledger.record(entry())
    before = path.read_bytes()
    assert ledger.record(entry(minutes=99.0)) == path and path.read_bytes() == before
    ledger.record(entry(seed=2, bundle="b2"))
    assert [recorded.seed for recorded in ledger.entries()] == [1, 2]


def test_the_sample_has_a_ledger_of_its_own():
    ledger.record(entry(dataset="sample"))
    assert ledger.entries() == [] and len(ledger.entries("sample")) == 1


def test_seeds_share_a_row_and_other_protocols_do_not():
    better = entry(seed=2, bundle="b2", figures=toy_models.figures(PrivateTest=0.67))
    rows = results_table.table([entry(), better, entry(seed=1, protocol="leak-free", bundle="b3")]).splitlines()[2:]
    assert len(rows) == 2
    published = next(row for row in rows if "published" in row)
    assert "66.00 [" in published and "| 2 |" in published


def test_copy_free_figures_stand_beside_the_published_ones_and_where_they_are_lost_the_row_says_so():
    assert results_table.copy_free_table([entry()]) == ""
    measured = entry(protocol="leak-free", bundle="b4",
                     copy_free=toy_models.figures(PublicTest=0.61, PrivateTest=0.62, n=2861))
    lost, row = results_table.copy_free_table([entry(config={"train": {"votes": 0.4}}), measured]).splitlines()[-2:]
    if lost.count("lost") < row.count("lost"):
        lost, row = row, lost
    assert ("| without exact copies | none | 65.00 [63.4, 66.5], seeds: 1 | 3,589 "
            "| 61.00 [59.2, 62.8], seeds: 1 | 2,861 |" in row)
    assert row.endswith("62.00 [60.2, 63.8], seeds: 1 | 2,861 | 1 |")
    assert "| published | FER+ votes | 65.00" in lost
    assert lost.count("| lost with its per-image probabilities |  |") == 2


def test_figures_that_the_ledger_lacks_are_taken_from_beside_it_and_are_only_of_the_seeds_that_have_them():
    entries = [entry(config={}), entry(config={}, seed=2, bundle="b2", figures=toy_models.figures(0.7, 0.7))]
    known = {"b2": {"PublicTest": {"n": 80, "accuracy": 0.5}, "PrivateTest": {"n": 90, "accuracy": 0.6}}}
    row = results_table.copy_free_table(entries, known).splitlines()[-1]
    assert "| 70.00 [68.5, 71.5], seeds: 1 | 3,589 | 50.00 [39.3, 60.7], seeds: 1 | 80 |" in row
    assert row.endswith("| 1 of 2 |")


def test_rows_that_differ_in_the_processor_alone_say_which():
    free = {"copy_free": toy_models.figures(n=2861)}
    *_, one, other = results_table.copy_free_table([entry(**free), entry(hardware="1 x GPU", **free)]).splitlines()
    assert "| `toy`, on 1 x GPU |" in one and "| `toy`, on a laptop |" in other


def test_rows_that_differ_in_the_epochs_alone_say_how_many():
    free = {"copy_free": toy_models.figures(n=2861)}
    longer = entry(epochs={"run": 24, "asked": 24, "best": 24}, config={"train": {"epochs": 24}}, **free)
    *_, one, other = results_table.copy_free_table([entry(**free), longer]).splitlines()
    assert {row.split(" | ")[0] for row in (one, other)} == {f"| `toy`, {entry().epochs.asked} epochs",
                                                             "| `toy`, 24 epochs"}


def test_seeds_of_one_core_and_of_two_share_a_row_and_the_quickest_is_shown():
    slow = entry(seed=2, bundle="b2", hardware="a laptop, 1 core", minutes=5.0)
    row, = results_table.table([entry(), slow]).splitlines()[2:]
    assert "| 2 |" in row and row.endswith("| 3.0 | a laptop, 2 cores |")
    assert len(results_table.table([entry(), entry(hardware="1 x NVIDIA H100")]).splitlines()[2:]) == 2


def test_a_seed_that_was_trained_again_counts_once_and_other_data_never_shares_a_row():
    again = entry(bundle="b2", finished="2026-02-01T00:00:00+00:00", figures=toy_models.figures(PrivateTest=0.7))
    rows = results_table.table([again, entry()]).splitlines()[2:]
    assert len(rows) == 1 and "70.00 [" in rows[0] and "| 1 |" in rows[0]
    others = [entry(), entry(source_digest="t"), entry(config={"balance": {"share": 1}})]
    assert len(results_table.table(others).splitlines()[2:]) == 3


def corrupted(mean, worst):
    """Figures of a model that is weakest under the first corruption."""
    names = list(robustness.WORDS)
    accuracy = {name: worst if name == names[0] else mean for name in names}
    return {split: {"n": 10, "mean": mean, "worst": worst, "accuracy": accuracy} for split in robustness.TESTS}


def test_models_that_were_measured_on_corrupted_faces_have_a_second_table():
    seeds = [entry(robustness=corrupted(0.6, 0.4)), entry(seed=2, bundle="b2", robustness=corrupted(0.7, 0.5))]
    older = entry(seed=3, bundle="b3")
    rows = results_table.corrupted_table([*seeds, older]).splitlines()
    assert rows[-1].count("64.00 [0.5, 127.5] | 45.00, blur of 0.7 pixels") == 2 and rows[-1].endswith("| 2 |")
    alone = results_table.corrupted_table(seeds[:1])
    assert "| 59.00, seeds: 1 | 40.00, blur" in alone, "measured before the mean had an interval"
    bounded = {split: {**part, "interval": [0.55, 0.65]} for split, part in corrupted(0.6, 0.4).items()}
    assert "| 59.00 [55.0, 65.0], seeds: 1 |" in results_table.corrupted_table([entry(robustness=bounded)])
    assert results_table.corrupted_table([older]) == ""
    page = results_table.page([entry(recipe="speedrun", config={}, robustness=corrupted(0.6, 0.4))])
    assert page.index("# Results") < page.index("## On corrupted faces") and page.endswith("| 1 |\n")


def test_one_seed_is_said_where_its_interval_is_and_extra_labels_have_a_column():
    voted = {"train": {"votes": 0.4, "teacher": 0.7, "teachers": "strong"}}
    alone, *_ = results_table.table([entry(config=voted)]).splitlines()[2:]
    assert "| `toy` | 7 | published | FER+ votes, teachers `strong` |" in alone and alone.count("], seeds: 1 |") == 4
    both, *_ = results_table.table([entry(config={}), entry(config={}, seed=2, bundle="b2")]).splitlines()[2:]
    assert "| published | none |" in both and "seeds: 1" not in both
    eight, *_ = results_table.table([entry(class_set="8", config={"train": {"votes": 0.0}})]).splitlines()[2:]
    assert "| FER+ votes |" in eight, "its classes are the votes' majority"


def test_the_gain_of_mirror_images_is_told_by_recipe_with_the_most_and_the_champions(tmp_path):
    from pipeline.tracking import promotions

    entries = [entry(figures=toy_models.figures(0.65, 0.66)),
               entry(seed=2, bundle="b2", figures=toy_models.figures(0.65, 0.63)),
               entry(recipe="compact", config={}, figures=toy_models.figures(0.5, 0.9),
                     epochs={"run": 1, "asked": 1, "best": 1})]
    section = mirror_table.section(entries)
    assert "| `toy` | 2 | -0.50 [-2.00, +1.00] |" in section and "The most is +1.00, `toy`" in section
    assert "`compact`" not in section, "its epochs were cut"
    assert "champion" not in section and mirror_table.section([]) == ""
    promotions.append("fer2013", toy_models.promotion("fer2013-7", "b2"))
    assert "`toy` with seed 2, gains -2.00 on PublicTest and -2.00 on PrivateTest. The" in mirror_table.section(entries)


def test_an_int8_model_has_a_row_of_its_own():
    config = {"train": {}}
    entries = [entry(config=config), entry(config=config, bundle="b2", quantised=toy_models.QUANTISED)]
    rows = results_table.table(entries).splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == ["| `toy`", "| `toy` in int8"]


def test_a_row_says_what_weights_its_network_started_from():
    assert "| `toy`, ImageNet weights 0123 |" in results_table.table([entry(weights="ImageNet weights 0123")])


def test_a_broken_entry_is_named(tmp_path):
    ledger.record(entry()).write_text("{half")
    with pytest.raises(Failure, match="not a ledger entry"):
        ledger.entries()


def test_text_around_the_markers_stays():
    page = f"before\n{results_table.BEGIN}\nold\n{results_table.END}\nafter"
    assert results_table.fill_in(page, "new") == f"before\n{results_table.BEGIN}\nnew\n{results_table.END}\nafter"
    with pytest.raises(Failure, match="markers"):
        results_table.fill_in("nothing", "new")


def test_the_report_shows_the_ledger(monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(ROOT))
    report = (ROOT / "reports" / "results.md").read_text(encoding="utf-8")
    assert results_table.page(ledger.entries()) == report, "run `ferpipe results`"


def test_one_command_writes_the_report_and_the_readmes_table_and_leaves_the_rest(tmp_path):
    readme, report = tmp_path / "README.md", tmp_path / "reports" / "results.md"
    readme.write_text(f"before\n{results_table.BEGIN}\nold\n{results_table.END}\nafter")
    ledger.record(entry(recipe="compact", config={"balance": {}, "model": {}, "augment": {}, "train": {}}))
    results_table.main([])
    page = readme.read_text(encoding="utf-8")
    assert page.startswith("before\n") and page.endswith("\nafter") and "old" not in page and "| `compact` |" in page
    assert "| `compact`" in report.read_text(encoding="utf-8")
    readme.write_text("no markers")
    before = report.read_text(encoding="utf-8")
    ledger.record(entry(recipe="compact", seed=2, bundle="b2", config={}))
    with pytest.raises(Failure, match="markers"):
        results_table.main([])
    assert report.read_text(encoding="utf-8") == before and readme.read_text() == "no markers"
