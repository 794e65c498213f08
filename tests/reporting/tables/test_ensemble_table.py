"""The tables with ensembles: six classes beside S3's figures in reports/recipes.md, the others in README's table."""

import pytest
import toy_models

from pipeline.reporting.tables import ensemble_table, recipe_table, results_table


def entry(size=9, weighting="recall", accuracy=0.7, class_set="6", search=None, **changes):
    members = {f"{number:012x}": {"recipe": "padova_vgg_v2" if number else "cas", "int8": number == 1}
               for number in range(size)}
    return toy_models.entry(**{
        "recipe": "ensemble", "seed": 0, "class_set": class_set,
        "config": {"weighting": weighting, "members": members, "search": search}, "hardware": "a box", "minutes": 90.0,
        "parameters": 64_000_000, "onnx_bytes": 22_000_000, "epochs": {"run": 90, "asked": 900, "best": 1},
        "figures": toy_models.figures(accuracy, accuracy), **changes})


def rows(*entries):
    return [row for row in recipe_table.page(list(entries)).splitlines() if row.startswith("| ensemble of")]


def test_before_the_first_there_is_a_row_with_every_published_figure():
    assert len(rows()) == 6
    assert "| ensemble of 9, weighted by recall | | PrivateTest | 71.52 | not run yet | | | | |" in rows()
    assert "| ensemble of 11, plain mean | | PrivateTest | 70.95 | not run yet | | | | |" in rows()


def test_nine_against_eleven_is_told_where_both_were_run():
    assert "under every weighting (not run here yet)." in ensemble_table.section([entry(9)])
    assert "here nine against eleven reach, by recall 70.00 against 71.00." in ensemble_table.section(
        [entry(9), entry(11, accuracy=0.71)])
    assert "(not run here yet)" in ensemble_table.section([entry(9), entry(11, protocol="leak-free")])


def test_an_ensemble_that_was_made_again_has_one_row():
    assert len(rows(entry(), entry(bundle="c", finished="2026-01-02"))) == 6
    assert len(rows(entry(), entry(search={"tried": 3, "of": ["a"] * 9}))) == 7


def test_ours_stands_beside_theirs_with_its_members_and_what_was_tried():
    row, *_ = rows(entry(accuracy=0.72, search={"tried": 2509, "of": ["a"] * 12}))
    assert row.startswith("| ensemble of 9, weighted by recall: 1 `cas`, 7 `padova_vgg_v2`, 1 `padova_vgg_v2` in int8 ")
    assert "| none | PrivateTest | 71.52 | **72.00** [70.5, 73.4], seeds: 1 |" in row
    assert "| 2,509 of 12 models | 64.00 M | 1.5 h, a box |" in row


@pytest.mark.parametrize(("size", "weighting", "published"), [
    (9, "mean", "71.41"), (9, "accuracy", "71.41"), (11, "mean", "70.95"), (11, "accuracy", "70.39"),
    (11, "recall", "70.95"), (7, "mean", "71.52 (of 9, by recall)")])
def test_every_kind_stands_beside_its_own_figure_or_their_best(size, weighting, published):
    row, *missing = rows(entry(size, weighting, 0.70))
    assert f"| PrivateTest | {published} | 70.00 [" in row and "| this one |" in row
    assert all("not run yet" in one for one in missing) and len(missing) == (6 if size == 7 else 5)


def test_what_kind_of_figure_it_is_is_told():
    row, *_ = rows(entry(protocol="leak-free", weights="ImageNet weights"))
    assert "in int8, ImageNet weights, without exact copies |" in row


def test_an_ensemble_is_never_bold_for_what_its_members_learned_from_extra_labels():
    voted = entry(accuracy=0.75)
    next(iter(voted.config["members"].values()))["votes"] = 0.4
    row, *_ = rows(voted)
    assert "| FER+ votes | PrivateTest | 71.52 | 75.00 [" in row
    taught = entry(accuracy=0.75)
    member = toy_models.entry(bundle=next(iter(taught.config["members"])), config={
        "train": {"votes": 0.0, "teacher": 0.7, "teachers": "strong"}})
    assert "| teachers `strong` | PrivateTest | 71.52 | 75.00 [" in next(
        row for row in ensemble_table.section([taught, member]).splitlines() if row.startswith("| ensemble of 9"))


def test_only_ensembles_of_other_classes_are_in_the_readme():
    six, seven = entry(), entry(3, "mean", class_set="7")
    assert results_table.our_own([six, seven]) == [seven]
    row = results_table.table([seven]).splitlines()[2]
    assert row.startswith("| ensemble of 3, plain mean: 1 `cas`, 1 `padova_vgg_v2`, 1 `padova_vgg_v2` in int8 | 7 "
                          "| published | none |")
    assert "| 90 of 900 | 64.00 M | 22.00 |  | 90.0 |" in row
    assert len(ensemble_table.section([seven]).splitlines()) == len(ensemble_table.section([]).splitlines())
    both = results_table.table([seven, entry(3, "recall", class_set="7")])
    assert len(both.splitlines()) == 4, "a row of its own each"
