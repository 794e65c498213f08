"""ferpipe score: a model on folders of labelled faces, as people name and lay them out."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from toy_faces import face_frame, toy_bundle

from pipeline.bundle.bundle import Bundle
from pipeline.evaluate.metrics import figures
from pipeline.faces.faces import CLASS_SETS, EMOTIONS
from pipeline.reporting.score import class_indices, main, score
from pipeline.system.failure import Failure


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Bundle:
    return Bundle.load(toy_bundle(tmp_path_factory.mktemp("model")))


def crops(folder, names, each=4):
    """A folder per name with ``each`` pictures of 48x48 noise; returns all pixels and their labels in files' order."""
    rng, images, labels = np.random.default_rng(5), [], []
    for label, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for index in range(each):
            image = rng.integers(0, 256, (48, 48), "uint8")
            image[:, :24] //= 1 + label % 3
            cv2.imwrite(str(folder / name / f"{index}.png"), image)
            images.append(image)
            labels.append(label)
    return np.array(images), np.array(labels)


def test_crops_are_scored_as_evaluate_would(model, tmp_path):
    images, labels = crops(tmp_path / "test", EMOTIONS)
    result = score(tmp_path / "test", model, face=True)
    averaged = model.calibrated((model.predict(images) + model.predict(images, flip=True)) / 2)
    assert result.figures == figures(averaged, labels, model.classes, confidence=0.95)
    assert (result.pictures, result.missed, result.of_all) == (28, 0, result.figures["accuracy"])
    low, high = result.figures["interval"]
    assert low < result.figures["accuracy"] < high


def test_with_the_detector_a_picture_without_a_face_counts_as_wrong_of_all(model, tmp_path, capsys):
    for name in ("happy", "sad"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "face.jpg"), face_frame())
    cv2.imwrite(str(tmp_path / "sad" / "wall.png"), np.full((99, 99, 3), 90, "uint8"))
    (tmp_path / "sad" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    (tmp_path / "sad" / "notes.txt").write_text("no picture")
    (tmp_path / "asleep").mkdir()
    cv2.imwrite(str(tmp_path / "asleep" / "face.jpg"), face_frame())
    main([str(tmp_path), "--model", str(model.folder), "--json"])
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert (answer["n"], answer["pictures"], answer["without_face"]) == (2, 3, 1)
    assert answer["accuracy_of_all"] == pytest.approx(answer["accuracy"] * 2 / 3, abs=1e-5)
    present = [row["f1"] for row in answer["per_class"].values() if row["n"]]
    assert len(present) == 2 and answer["macro_f1"] == pytest.approx(np.mean(present), abs=1e-6)
    assert answer["unknown_folders"] == {"asleep": 1} and len(answer["unreadable"]) == 1
    assert "broken.png" in printed.err
    main([str(tmp_path), "--model", str(model.folder), "--out", str(tmp_path / "score.txt")])
    text = (tmp_path / "score.txt").read_text(encoding="utf-8")
    for words in ("n = 2", "no face found in 1 of 3 pictures", "left out: asleep, 1 pictures", "confusion"):
        assert words in text
    assert len(text.splitlines()) == 3 + 1 + 8 + 1 + 9


@pytest.mark.parametrize("names", [
    EMOTIONS, [name.upper() for name in EMOTIONS], [f"{index}_{name}" for index, name in enumerate(EMOTIONS)],
    ["Anger", "Disgusted", "fearful", "Happiness", "SADNESS", "surprised", "Neutral"], list("0123456"),
])
def test_classes_are_known_as_people_write_them(model, names):
    assert class_indices(list(names), model) == {name: index for index, name in enumerate(names)}


def test_a_class_that_the_model_merged_is_the_one_it_went_to():
    six = SimpleNamespace(classes=CLASS_SETS["6"][0], class_set="6")
    indices = class_indices(["disgust", "anger", "happy", "contempt"], six)
    assert {name: None if index is None else six.classes[index] for name, index in indices.items()} == {
        "disgust": "angry", "anger": "angry", "happy": "happy", "contempt": None}


def test_a_folder_without_classes_gets_one_line_that_says_what_came(model, tmp_path):
    crops(tmp_path / "test", ["happy"])
    with pytest.raises(Failure, match=r"classes \(angry, .*\), found test; name the folder right above them"):
        score(tmp_path, model)
    with pytest.raises(Failure, match="no such folder"):
        score(tmp_path / "nowhere", model)
    with pytest.raises(Failure, match=r"no face in any of its 4 pictures; .* add --face"):
        score(tmp_path / "test", model)
