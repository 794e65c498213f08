"""A recipe that learns from FER-2013's extra labels runs on other data without them and says so in one line."""

import pytest
import toy_models

from pipeline.params import params
from pipeline.params.extra_labels import missing, without_missing


def loaded(dataset, recipe):
    return params.load(toy_models.PARAMS, recipe).override({"dataset": dataset})


@pytest.mark.parametrize(("recipe", "line"), [
    ("hour", "my-moods: hour learns without the FER+ votes, which are FER-2013's alone\n"),
    ("strong",
     "my-moods: strong learns without the FER+ votes and the teachers' answers, which are FER-2013's alone\n"),
    ("compact", ""),
])
def test_other_data_goes_without(recipe, line, capsys):
    fitting = without_missing(loaded("my-moods", recipe), {})
    assert fitting.train.votes == fitting.train.teacher == 0
    assert fitting == loaded("my-moods", recipe).override({"train.votes": 0.0, "train.teacher": 0.0})
    assert capsys.readouterr().err == line


BOTH = {"votes": {"sha256": "v"}, "teacher": {"sha256": "t"}}


def test_fer2013_keeps_them_and_is_silent(capsys):
    strong = loaded("fer2013", "strong")
    assert without_missing(strong, BOTH) == strong and strong.train.votes and strong.train.teacher
    assert missing(strong) == {}, "what its balanced faces have is not known yet"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("manifest", "overrides", "line"), [
    ({"teacher": {}}, {"train.votes": 0.0},
     "fer2013: strong learns without the FER+ votes; put fer2013new.csv into data/external/ for the votes\n"),
    ({"votes": {}, "class_set": "8"}, {"train.teacher": 0.0},
     "fer2013: strong learns without the teachers' answers; teachers know seven emotions, not eight\n"),
    ({"votes": {}, "class_set": "7"}, {"train.teacher": 0.0},
     "fer2013: strong learns without the teachers' answers; the teachers answered for another edition of the data\n"),
])
def test_fer2013_goes_without_what_its_faces_lack(manifest, overrides, line, capsys):
    strong = loaded("fer2013", "strong")
    assert without_missing(strong, manifest) == strong.override(overrides)
    assert capsys.readouterr().err == line


CAMERA = {"train.start_share": 0.3, "model.weights": "edge"}


@pytest.mark.parametrize(("dataset", "values"), [
    ("my-moods", {}), ("fer2013", {"classes": "8"}), ("fer2013", {"classes": "6"}),
])
def test_of_another_task_s_weights_no_share_is_kept(dataset, values, capsys):
    camera = loaded(dataset, "camera").override({**CAMERA, **values})
    assert without_missing(camera, BOTH).train.start_share == 0
    line = f"{dataset}: camera keeps no share of the weights that it starts from, which know another task"
    assert capsys.readouterr().err == f"{line}\n"
    without_missing(camera, {"votes": {}})
    assert capsys.readouterr().err.startswith(f"{line}; it learns without the teachers' answers")


def test_of_random_weights_no_share_is_kept(capsys):
    camera = loaded("fer2013", "camera").override({**CAMERA, "model.weights": "none"})
    assert without_missing(camera, BOTH).train.start_share == 0 and capsys.readouterr().err == ""


def test_of_the_same_task_s_weights_the_share_is_kept():
    fitting = loaded("fer2013", "camera").override(CAMERA)
    assert without_missing(fitting, {**BOTH, "classes": [*"abcdefg"]}) == fitting
    assert without_missing(fitting, {**BOTH, "classes": [*"abcde"]}).train.start_share == 0


def test_a_stage_before_training_is_silent(capsys):
    assert without_missing(loaded("sample", "hour"), {}, quiet=True).train.votes == 0
    assert capsys.readouterr().err == ""


def test_faces_that_have_them_all_the_same_keep_them(capsys):
    strong = loaded("sample", "strong")
    fitting = without_missing(strong, {"votes": {"sha256": "v"}})
    assert fitting.train.votes == strong.train.votes > 0 and fitting.train.teacher == 0
    assert "sample: strong learns without the teachers' answers, which" in capsys.readouterr().err
