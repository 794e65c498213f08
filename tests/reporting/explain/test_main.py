"""``ferpipe explain``: pictures and mean maps, and that PrivateTest stays closed."""

import cv2
import numpy as np
import pytest
import toy_models
from PIL import Image
from toy_faces import face_frame, toy_bundle

from pipeline.bundle.bundle import Bundle
from pipeline.demo.predict.marking import is_marked
from pipeline.demo.see.classifier import classify
from pipeline.faces.faces import EMOTIONS
from pipeline.reporting.explain.averages import averages
from pipeline.reporting.explain.main import main
from pipeline.system.failure import Failure


@pytest.fixture(scope="module")
def faces():
    return toy_models.patterned(per_class=24)


@pytest.fixture(scope="module")
def voter(tmp_path_factory, faces) -> Bundle:
    return toy_models.voter(tmp_path_factory.mktemp("voter") / "model", faces, seed=1, learnt=120)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return toy_bundle(tmp_path_factory.mktemp("model"))


def explain(*arguments) -> None:
    main([str(argument) for argument in arguments])


def test_a_picture_is_written_with_a_map_over_its_face_and_a_line_for_it(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("face.png", face_frame())
    explain("face.png", "--model", model)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("face 1: ") and lines[1] == "written: face-explained.png"
    assert lines[0].split()[2] in EMOTIONS and "hidden" in lines[0]
    assert is_marked(tmp_path / "face-explained.png"), "predict does not take it for a photograph"
    drawn = cv2.imread("face-explained.png")
    explain("face.png", "--model", model, "--class", "sad", "--out", "sad.jpg")
    assert capsys.readouterr().out.startswith("face 1: sad ")
    other = cv2.imread("sad.jpg")
    assert drawn.shape == other.shape
    box = np.s_[170:270, 250:350]
    assert (drawn[box].astype(int) - face_frame()[box]).any(), "over the face"
    assert (drawn[box].astype(int) - other[box]).any(), "another class, another map"


def test_what_cannot_be_explained_is_one_line(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("face.png", face_frame())
    cv2.imwrite("wall.png", np.full((200, 300, 3), 90, "uint8"))
    for arguments, message in (
        (["face.png", "--class", "hapy"], "no class 'hapy' (did you mean happy?)"),
        (["wall.png"], "no face found; if it is one face already"),
        (["none.png"], "none.png: cannot be read"),
        (["face.png", "--out", "face.png"], "is the picture itself"),
        (["face.png", "--out", "face.gif"], "must end in"),
        (["face.png", "--method", "hirescam"], "--method occlusion"),
        (["--class", "happy"], "data/sample/faces"),
    ):
        with pytest.raises(Failure) as failure:
            explain(*arguments, "--model", model)
        assert message in str(failure.value).replace("\\", "/") and "\n" not in str(failure.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["face.png", "wall.png"]


def test_the_figure_has_a_panel_for_each_class_and_reads_no_face_of_private_test(voter, faces, tmp_path, monkeypatch,
                                                                                capsys):
    monkeypatch.chdir(tmp_path)
    faces.save(tmp_path / "data/sample/faces")
    monkeypatch.setattr("pipeline.bundle.bundle.check_faces", lambda *_: None)
    public = {image.tobytes() for image in faces.split("PublicTest").images}
    seen = []
    monkeypatch.setattr("pipeline.reporting.explain.averages.classify",
                        lambda model, images: seen.extend(images) or classify(model, images))
    explain("--model", voter.folder, "--faces", 2)
    assert seen and all(image.tobytes() in public for image in seen)
    assert capsys.readouterr().out == "written: reports/explanation.png\n"
    assert cv2.imread("reports/explanation.png").shape[1] > 900
    with Image.open("reports/explanation.png") as picture:
        assert picture.info["Bundle"] == voter.id, "whoever shows it later can say whose it is"
    explain("--model", voter.folder, "--faces", 2, "--class", "fear")
    assert cv2.imread("explanation-fear.png").shape[1] < 500


def test_a_mean_is_over_faces_that_the_model_recognises_and_a_few_faces_are_not_shown(voter, faces):
    public = faces.split("PublicTest")
    asked = []

    def map_of(crop, label):
        asked.append((crop.tobytes(), label))
        return np.full((12, 12), label / 10)

    results = averages(voter, public, [0, 3], 5, map_of)
    right = classify(voter, public.images).argmax(axis=1) == public.labels
    allowed = {(image.tobytes(), int(label)) for image, label in zip(public.images[right], public.labels[right],
                                                                   strict=True)}
    assert asked and set(asked) <= allowed and [result.n for result in results] == [5, 5]
    assert [float(result.shares.mean()) for result in results] == pytest.approx([0, 0.3])
    assert np.ptp(results[0].face) > 20, "24 faces' mean"
    (few,) = averages(voter, public.take(np.flatnonzero(public.labels == 0)[:19]), [0], 5, map_of)
    assert np.ptp(few.face) == 0
