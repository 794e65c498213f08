"""A recipe that learns from FER-2013's extra labels runs on other data without them and says so in one line."""

import pytest
import toy_models

from pipeline.params import params
from pipeline.params.extra_labels import without_missing


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


def test_fer2013_keeps_them_and_is_silent(capsys):
    strong = loaded("fer2013", "strong")
    assert without_missing(strong, {}) == strong and strong.train.votes and strong.train.teacher
    assert capsys.readouterr().err == ""


def test_a_stage_before_training_is_silent(capsys):
    assert without_missing(loaded("sample", "hour"), {}, quiet=True).train.votes == 0
    assert capsys.readouterr().err == ""


def test_faces_that_have_them_all_the_same_keep_them(capsys):
    strong = loaded("sample", "strong")
    fitting = without_missing(strong, {"votes": {"sha256": "v"}})
    assert fitting.train.votes == strong.train.votes > 0 and fitting.train.teacher == 0
    assert "sample: strong learns without the teachers' answers, which" in capsys.readouterr().err
