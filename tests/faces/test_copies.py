"""The list of near copies: kept by ids, found again in parts of a table, and what balance and evaluate make of it."""

from dataclasses import replace

import numpy as np
import pytest
import toy_models

from pipeline.balance import strategies
from pipeline.faces import copies, protocols
from pipeline.faces.faces import Faces
from pipeline.params.params import Balance
from pipeline.system.failure import Failure


@pytest.fixture
def faces() -> Faces:
    """Faces of noise, no two alike but that the first image of PublicTest is also the first one of Training."""
    faces = toy_models.faces("fer2013", per_class=6)
    training, public = (np.flatnonzero(faces.splits == split) for split in ("Training", "PublicTest"))
    images = np.random.default_rng(0).integers(0, 256, faces.images.shape).astype("uint8")
    images[training[0]] = images[public[0]]
    faces = replace(faces, images=images)
    return replace(faces, manifest={**faces.manifest, "digest": faces.digest()})


def listed(faces: Faces) -> copies.Copies:
    """Two near copies: of a Training image and one of PrivateTest, and of two Training images."""
    training, private = (faces.ids[faces.splits == split] for split in ("Training", "PrivateTest"))
    return copies.Copies(faces.manifest["digest"], np.array([training[3], training[5]]),
                         np.array([private[2], training[6]]), np.array([0.8, 0.9]), np.array([True, False]))


def test_what_is_saved_is_loaded_for_these_faces_alone(faces, tmp_path):
    path = tmp_path / copies.FILE
    assert copies.load(path, faces) is None, "nobody has looked for them yet"
    listed(faces).save(path)
    again = copies.load(path, faces)
    assert again is not None and again.first.tolist() == listed(faces).first.tolist()
    assert again.correlation.tolist() == [0.8, 0.9] and again.mirrored.tolist() == [True, False]
    assert copies.load(path, replace(faces, manifest={**faces.manifest, "digest": "other"})) is None


def test_a_list_without_pairs_is_a_list(faces, tmp_path):
    empty = copies.Copies(faces.manifest["digest"], *(np.array([], kind) for kind in (str, str, float, bool)))
    empty.save(tmp_path / "none.json")
    found = copies.load(tmp_path / "none.json", faces)
    assert found is not None and len(found) == 0
    assert not copies.near(faces, found, np.ones(len(faces), bool)).any()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "near": []}', "[" * 99_999,
                                     '{"format": 1, "digest": "d", "near": [["a", "b"]]}'])
def test_another_file_is_one_line(faces, tmp_path, content):
    (tmp_path / "odd.json").write_text(content)
    with pytest.raises(Failure, match=r"odd\.json: no list of near copies .*dvc repro") as failure:
        copies.load(tmp_path / "odd.json", faces)
    assert "\n" not in str(failure.value)


def test_pairs_are_found_in_any_part_of_the_table_that_has_both(faces):
    order = np.random.default_rng(0).permutation(len(faces))
    pairs = listed(faces).pairs(faces.take(order))
    assert faces.ids[order][pairs.first].tolist() == listed(faces).first.tolist()
    assert len(listed(faces).pairs(faces.split("Training")).first) == 1


def test_a_copy_free_test_image_has_neither_an_exact_nor_a_near_copy_in_training(faces):
    free = copies.free(faces, listed(faces))
    tests = faces.splits != "Training"
    private = faces.ids[faces.splits == "PrivateTest"]
    assert set(faces.ids[tests & ~free]) == {faces.ids[faces.splits == "PublicTest"][0], private[2]}
    assert not free[~tests].any()


@pytest.mark.parametrize(("drop", "dropped", "protocol"), [("none", [], "published"), ("exact", [0], "leak-free"),
                                                           ("near", [0, 3], "copy-free")])
def test_near_drops_every_training_image_with_any_copy_in_a_test_split(faces, drop, dropped, protocol):
    result = strategies.balance(faces, Balance(strategy="none", drop_leaks=drop), "7", 1, listed(faces))
    training = faces.ids[faces.splits == "Training"]
    assert set(training) - set(result.ids) == set(training[dropped]), "copies inside Training stay"
    assert result.manifest["leaks_dropped"] == len(dropped) and result.manifest["protocol"] == protocol
    assert result.ids[result.splits != "Training"].tolist() == faces.ids[faces.splits != "Training"].tolist()


def test_near_without_a_list_is_one_line_that_says_what_to_run(faces):
    with pytest.raises(Failure, match=r"data/fer2013/copies\.json: .*dvc repro validate"):
        strategies.balance(faces, Balance(strategy="none", drop_leaks="near"), "7", 1)


def test_people_read_words_and_files_keep_theirs():
    assert [protocols.phrase(name) for name in protocols.OF_DROP_LEAKS.values()] == [
        "published protocol", "protocol without exact copies", "protocol without copies"]
    assert protocols.title("something else") == "something else"


@pytest.mark.parametrize(("members", "expected"), [
    ({"copy-free"}, "copy-free"), ({"leak-free"}, "leak-free"), ({"copy-free", "leak-free"}, "leak-free"),
    ({"published", "copy-free"}, "published")])
def test_an_ensemble_has_the_protocol_that_holds_for_every_member(members, expected):
    assert protocols.of_all(members) == expected
