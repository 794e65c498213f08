"""Validation: what stops the pipeline, what only warns, and what the reports hold."""

import html
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy_models

from pipeline.faces import fer2013
from pipeline.faces.faces import EMOTIONS, SPLITS, Faces
from pipeline.params.params import Validate
from pipeline.system import failure
from pipeline.validate import __main__, checks
from pipeline.validate.report import page

ROOT = Path(__file__).parents[2]
LIMITS = Validate(max_blank_share=0.01, max_duplicate_share=0.1, max_leak_share=0.1, max_conflict_share=0.02,
                  max_share_gap=0.05)
PER_CLASS = {"Training": 12, "PublicTest": 4, "PrivateTest": 4}


def toy(**manifest) -> Faces:
    """140 noise images, 12 a class in Training and 4 in each test split, like the sample CSV."""
    splits = np.repeat(SPLITS, [7 * n for n in PER_CLASS.values()])
    labels = np.concatenate([np.repeat(np.arange(7), n) for n in PER_CLASS.values()])
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 48, 48)).astype("uint8")
    ids = np.array([f"{split}_{place:03d}" for place, split in enumerate(splits)])
    facts = {"dataset": "fer2013", "edition": "csv", "source": "toy.csv", "splits_from": "Usage", "notes": [],
             "class_set": "7", **manifest}
    return Faces(images, ids, splits, labels.astype("int64"), facts)


def failed(result: dict, severity: str) -> dict[str, str]:
    return {line["name"]: line["observed"] for line in result["expectations"]
            if not line["success"] and line["severity"] == severity}


def set_pixels(faces: Faces, row: int | slice, image: np.ndarray | int) -> Faces:
    images = faces.images.copy()
    images[row] = image
    return replace(faces, images=images)


def set_label(faces: Faces, row: int, label: int) -> Faces:
    labels = faces.labels.copy()
    labels[row] = label
    return replace(faces, labels=labels)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project without faces, as the working directory."""
    shutil.copy(toy_models.PARAMS, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stop(faces: Faces) -> str:
    """Save the faces, run the stage, return the line it stopped with."""
    faces.save(Path("data/fer2013/faces"))
    with pytest.raises(SystemExit) as caught:
        failure.run(__main__.main, "validate")
    return str(caught.value.code)


def test_statistics_measure_every_image_in_its_place():
    faces = set_pixels(set_pixels(toy(), 3, 200), 5, np.tile([0, 255], (48, 24)))
    table = checks.statistics(faces)
    assert list(table.id) == list(faces.ids) and len(table) == 140
    assert table.loc[3, ["mean", "deviation", "min", "max"]].tolist() == [200, 0, 200, 200]
    assert table.loc[5, ["mean", "deviation", "min", "max"]].tolist() == [127.5, 127.5, 0, 255]
    assert np.allclose(table["deviation"], faces.images.reshape(140, -1).std(axis=1), atol=1e-3)


def test_statistics_find_duplicates_leaks_and_conflicts():
    faces = toy()
    faces = set_pixels(faces, 1, faces.images[0])  # both angry, both in Training
    faces = set_pixels(faces, 90, faces.images[30])  # PublicTest and Training, other labels
    table = checks.statistics(faces)
    assert table.index[table.duplicate_group >= 0].tolist() == [0, 1, 30, 90]
    assert table.duplicate_group[[0, 1, 30, 90]].tolist() == [0, 0, 1, 1]
    assert table.index[table.leaks].tolist() == [30, 90]
    assert table.index[table.conflict].tolist() == [30, 90]


@pytest.mark.slow
def test_a_small_csv_passes_with_a_warning():
    result = checks.validate(toy(), LIMITS)
    assert result["verdict"] == "passed with warnings"
    assert failed(result, "warning") == {"all of FER-2013": "140"} and not failed(result, "critical")
    found = {line["name"]: line["observed"] for line in result["expectations"]}
    assert found["blank images: share"] == "none of 140" and found["the seven labels"] == "all 140"


def test_the_sample_passes_without_a_warning():
    assert checks.validate(toy(dataset="sample", edition="drawn"), LIMITS)["verdict"] == "passed"


OWN = ("happy", "bored", "deeply concentrated")


def own(**manifest) -> Faces:
    """The toy with three classes, one of them an emotion, as another data set."""
    faces = toy(dataset="my-moods", edition="folder", classes=list(OWN), class_set="3", own_classes=True, **manifest)
    return replace(faces, labels=faces.labels % 3)


def test_another_data_set_is_checked_against_its_own_classes_and_no_counts_of_fer2013():
    result = checks.validate(own(), LIMITS)
    assert result["verdict"] == "passed"
    assert {check["name"]: check["expected"] for check in result["expectations"]}["the 3 labels"] == "0 to 2"
    assert not any("FER-2013" in check["name"] for check in result["expectations"])
    assert set(result["counts"]["Training"]) == set(OWN)
    assert failed(checks.validate(set_label(own(), 40, 3), LIMITS), "critical").keys() == {"the 3 labels"}
    assert "every class in Training" in failed(checks.validate(own().take(own().labels != 1), LIMITS), "critical")


def test_long_names_of_classes_fit_into_the_page_s_charts():
    text = page(checks.validate(own(), LIMITS))
    width, left = (int(re.search(pattern, text)[1]) for pattern in (r'viewBox="0 0 (\d+)', r'<text x="(\d+)"'))
    assert left >= 7.5 * len("deeply concentrated") and width == left + 216


def test_the_stage_takes_another_data_set_and_writes_its_reports_alone(project):
    text = (project / "params.yaml").read_text().replace("dataset: fer2013", "dataset: my-moods")
    (project / "params.yaml").write_text(text)
    own().save(project / "data/my-moods/faces")
    __main__.main()
    assert [path.name for path in (project / "reports").iterdir()] == ["my-moods"]


def test_defects_below_the_limits_only_warn():
    faces = toy()
    faces = set_pixels(faces, 0, 7)
    faces = set_pixels(faces, 84, faces.images[1])
    result = checks.validate(faces, LIMITS)
    assert result["verdict"] == "passed with warnings"
    assert failed(result, "warning").keys() >= {"blank images", "test images with a duplicate in Training"}
    assert result["blank"] == 1 and result["leaks"]["Training in PublicTest"] == 1
    assert result["leaks"]["PublicTest in Training"] == 1 and result["leaks"]["Training in PrivateTest"] == 0
    assert "first Training_000" in failed(result, "warning")["blank images"]


def impossible_table(faces: Faces) -> Faces:
    blank = np.where((faces.labels == 2)[:, None, None], np.uint8(9), faces.images)
    names = np.where(faces.labels == 0, "same", faces.ids)
    return set_label(replace(faces, images=blank, ids=names), 40, 7)


def foreign_pictures(faces: Faces) -> Faces:
    return replace(faces, images=faces.images[:, :40].astype("int16") + 100)


def missing_parts(faces: Faces) -> Faces:
    return faces.take((faces.labels != 1) & (faces.splits != "PrivateTest"))


def foreign_split_and_conflicts(faces: Faces) -> Faces:
    splits = np.where(faces.splits == "PublicTest", "Test", faces.splits)
    return set_label(set_pixels(replace(faces, splits=splits), slice(1, 3), faces.images[0]), 2, 4)


def copies(faces: Faces) -> Faces:
    """Twenty rows twice, and six PublicTest images taken from Training."""
    return set_pixels(faces, slice(84, 90), faces.images[:6]).take(np.r_[0:140, 0:20])


@pytest.mark.parametrize(("corrupt", "expected"), [
    (impossible_table, {"the seven labels": "first Training_040 (label 7)", "one name per image": "first same",
                        "blank images: share": "20 of 140"}),
    (foreign_pictures, {"image height": "140 of 140", "pixel type": "(type int16)", "brightest pixel": "140 of 140"}),
    (missing_parts, {"every class in Training": "first Training disgust", "images in PrivateTest": "0"}),
    (foreign_split_and_conflicts, {"the three splits": "(split Test)", "images with two labels: share": "3 of 140"}),
    (copies, {"images that occur more than once: share": "46 of 160",
              "test images with a duplicate in Training: share": "6 of 56"}),
])
def test_corrupt_faces_fail_by_name(corrupt, expected):
    result = checks.validate(corrupt(toy()), LIMITS)
    found = failed(result, "critical")
    assert result["verdict"] == "failed" and "Failed" in page(result)
    assert expected.keys() <= found.keys()
    for name, words in expected.items():
        assert words in found[name]


def test_an_uneven_test_split_warns_but_stops_the_real_edition(monkeypatch):
    faces = toy()
    uneven = faces.take((faces.splits == "Training") | (faces.labels != 0) | (np.arange(140) % 4 == 0))
    assert "class shares, Training against test" in failed(checks.validate(uneven, LIMITS), "warning")
    monkeypatch.setattr(fer2013, "IMAGES", len(uneven))
    assert "class shares, Training against test" in failed(checks.validate(uneven, LIMITS), "critical")


class TestTheRealEdition:
    """The toy stands for FER-2013 here: its counts are the published ones."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch):
        monkeypatch.setattr(fer2013, "COUNTS", {split: (n,) * 7 for split, n in PER_CLASS.items()})
        monkeypatch.setattr(fer2013, "IMAGES", 140)

    def test_complete_it_passes(self):
        assert checks.validate(toy(), LIMITS)["verdict"] == "passed"

    def test_one_image_short_it_fails(self):
        found = failed(checks.validate(toy().take(np.arange(139)), LIMITS), "critical")
        assert found["images in PrivateTest, as in FER-2013"] == "27"
        assert "PrivateTest neutral" in found["class counts of every split, as in FER-2013"]

    def test_one_label_moved_it_fails(self):
        found = failed(checks.validate(set_label(toy(), 0, 6), LIMITS), "critical")
        assert list(found) == ["class counts of every split, as in FER-2013"]

    def test_from_kaggle_a_fragment_is_damage(self):
        part = toy(edition="kaggle").take(np.arange(140) % 2 == 0)
        assert "all of FER-2013" in failed(checks.validate(part, LIMITS), "critical")

    def test_with_our_own_validation_split_only_the_totals_count(self):
        faces = toy(splits_from="stratified validation split")
        faces = replace(faces, splits=np.where(np.arange(140) % 12 == 0, "PublicTest", faces.splits))
        assert not failed(checks.validate(faces, LIMITS), "critical")
        moved = checks.validate(set_label(faces, 1, 3), LIMITS)
        assert "images of angry, as in FER-2013" in failed(moved, "critical")


def test_the_published_counts_add_up():
    assert {split: sum(row) for split, row in fer2013.COUNTS.items()} == {
        "Training": 28_709, "PublicTest": 3_589, "PrivateTest": 3_589}
    assert all(len(row) == len(EMOTIONS) for row in fer2013.COUNTS.values())


def test_two_runs_write_the_same_report_without_time_or_place(project):
    toy().save(project / "data/fer2013/faces")
    reports = [project / "reports/fer2013" / name for name in ("validation.json", "validation.html")]
    __main__.main()
    first = [file.read_bytes() for file in (*reports, project / "data/fer2013/statistics.csv")]
    __main__.main()
    assert first == [file.read_bytes() for file in (*reports, project / "data/fer2013/statistics.csv")]
    for text in (file.read_text(encoding="utf-8") for file in reports):
        assert str(project) not in text and not re.search(r"20\d\d-\d\d-\d\d|\d\d:\d\d:\d\d", text)
    assert json.loads((project / "data/fer2013/copies.json").read_text(encoding="utf-8"))["near"] == []
    assert "0 pairs of images" in (project / "data/fer2013/copies.html").read_text(encoding="utf-8")
    result = json.loads(reports[0].read_text(encoding="utf-8"))
    assert result["edition"] == "csv" and result["counts"]["Training"]["disgust"] == 12
    assert {"name", "severity", "success", "observed", "expected"} == set(result["expectations"][0])


def test_the_page_needs_no_network_and_escapes_what_it_is_given():
    faces = toy(source="<b>.csv", edition='"<i>', notes=["<script>&"])
    faces = replace(faces, ids=np.array(["<u>", *faces.ids[1:]]))
    text = page(checks.validate(set_pixels(faces, 0, 7), LIMITS))
    assert not re.search(r"(src|href)=|@import|url\(|https?://", text)
    assert not re.search("<(b|i|u|script)>", text)
    for escaped in ("&lt;b&gt;.csv", "&#34;&lt;i&gt;", "&lt;script&gt;&amp;", "first &lt;u&gt;"):
        assert escaped in text


def visible(text: str) -> str:
    """The words of a page, one space between any two."""
    return " ".join(html.unescape(re.sub("<style>.*?</style>|<[^>]+>", " ", text, flags=re.DOTALL)).split())


def test_the_page_shows_the_verdict_every_expectation_and_every_number():
    faces = set_pixels(set_pixels(set_label(toy(), 40, 7), 90, toy().images[30]), 0, 7)
    result = checks.validate(faces, LIMITS)
    text = visible(page(result))
    states = {(True, "critical"): "✓ holds", (True, "warning"): "✓ holds", (False, "critical"): "✗ failed",
              (False, "warning"): "! warning"}
    at = []
    for check in result["expectations"]:
        critical = " (critical)" if check["severity"] == "critical" else ""
        row = (f"{states[check['success'], check['severity']]} {check['name']}{critical} {check['expected']} "
               f"{check['observed']}")
        assert row in text
        at.append((text.index(row), ("✗", "!", "✓").index(row[0])))
    assert [state for _, state in sorted(at)] == sorted(state for _, state in at), "failures first, then warnings"
    failed = sum(not check["success"] and check["severity"] == "critical" for check in result["expectations"])
    warned = sum(not check["success"] and check["severity"] == "warning" for check in result["expectations"])
    assert failed and warned and "Failed A critical expectation does not hold" in text
    assert f"{len(result['expectations'])} expectations: {failed} critical failed, {warned} with a warning." in text
    assert "Class Training PublicTest PrivateTest all" in text and "surprise 12 4 4 20 neutral 12 4 4 20" in text
    assert "Training: 83 images, 59.7 % of all" in text and "all 83 28 28 139" in text
    assert "Blank images 1 Images that occur more than once 2 Groups of equal images 1" in text
    assert "Images of PublicTest with a duplicate in Training 1 Images of PrivateTest with a duplicate" in text
    assert text.endswith("Images with the same pixels and different labels 2 Groups of such images 1")


def test_a_bar_is_as_long_as_its_share_on_one_scale_for_all_splits():
    text = page(checks.validate(toy().take((toy().labels != 1) | (toy().splits != "PublicTest")), LIMITS))
    lengths = [float(length) for length in re.findall(r'<rect x="72" y="\d+" width="([\d.]+)"', text)]
    assert len(lengths) == 21
    assert lengths[7:14] == [150, 0, 150, 150, 150, 150, 150], "PublicTest without disgust has the longest bars"
    assert set(lengths[:7]) == set(lengths[14:]) == {128.6}


def test_a_missing_class_is_one_line_and_leaves_the_last_good_report(project):
    toy().save(project / "data/fer2013/faces")
    __main__.main()
    good = (project / "reports/fer2013/validation.json").read_bytes()
    line = stop(toy().take(toy().labels != 1))
    assert line.startswith("validate: ") and "every class in Training" in line and "disgust" in line
    assert "\n" not in line and "validation.html" in line
    assert (project / "reports/fer2013/validation.json").read_bytes() == good
    assert "Failed" in (project / "reports/fer2013/validation.html").read_text(encoding="utf-8")
    assert [path.name for path in (project / "reports/fer2013").glob(".*")] == []


def test_images_changed_after_download_are_refused(project):
    toy().save(project / "data/fer2013/faces")
    file = project / "data/fer2013/faces/images.npy"
    images = np.load(file)
    images[0, 0, 0] ^= 1
    np.save(file, images)
    with pytest.raises(failure.Failure, match="digest"):
        __main__.main()


def test_no_images_at_all_is_one_line():
    with pytest.raises(failure.Failure, match="expected numbers of shape"):
        checks.validate(toy().take(np.arange(0)), LIMITS)


@pytest.mark.slow
def test_the_command_ends_with_one_line_and_exit_code_1(project):
    toy().take(toy().labels != 1).save(project / "data/fer2013/faces")
    run = subprocess.run([sys.executable, "-m", "pipeline.validate"], cwd=project, capture_output=True, text=True,
                         env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1 and "every class in Training" in run.stderr
