"""Teachers' answers find their faces, travel with them, and no others are taken for them."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import toy_models

from pipeline.balance import strategies
from pipeline.experiments import teach
from pipeline.faces import teachers
from pipeline.faces.faces import Faces
from pipeline.params.params import Balance
from pipeline.system.failure import Failure


def balanced(faces, class_set="7", **settings):
    return strategies.balance(faces, Balance(**{"strategy": "none", **settings}), class_set, seed=1)


@pytest.fixture
def asked(project):
    """Faces, two models that differ, and the file of their answers."""
    faces = toy_models.faces("sample", per_class=6)
    members = [toy_models.bundle(project / f"toy{off}", off=off) for off in (0, 0.4)]
    return faces, members, teach.teach(members, faces)


def test_the_answers_are_the_mean_over_members_and_mirror_images(asked):
    faces, members, path = asked
    found = teachers.with_teacher(balanced(faces), path)
    training = found.split("Training")
    views = [member.predict(training.images, flip) for member in members for flip in (False, True)]
    np.testing.assert_allclose(training.teacher, np.mean(views, axis=0), atol=1e-3)
    assert not found.split("PublicTest", "PrivateTest").teacher.any()
    assert [one["bundle"] for one in found.manifest["teacher"]["members"]] == [member.id for member in members]


def test_a_copy_has_its_originals_and_merged_classes_add_up(asked):
    faces, _, path = asked
    plain = teachers.with_teacher(balanced(faces), path).split("Training")
    found = teachers.with_teacher(balanced(faces, "6", strategy="replicate", share=0.5), path).split("Training")
    answer = dict(zip(plain.ids, plain.teacher, strict=True))
    copies = [row for row, name in enumerate(found.ids) if "#" in name]
    assert copies
    for row in (0, copies[-1]):
        seven = answer[str(found.ids[row]).split("#")[0]]
        np.testing.assert_allclose(found.teacher[row], [seven[0] + seven[1], *seven[2:]], atol=1e-3)


def test_they_travel_and_leave_the_digest_alone(asked, tmp_path):
    faces, _, path = asked
    found = teachers.with_teacher(balanced(faces), path)
    assert found.digest() == faces.digest()
    found.save(tmp_path / "faces")
    np.testing.assert_array_equal(Faces.load(tmp_path / "faces").teacher, found.teacher)


def test_answers_about_other_faces_and_for_eight_classes_are_left_out(asked):
    faces, _, path = asked
    other = balanced(Faces(**{**vars(faces), "manifest": {**faces.manifest, "digest": "other"}}))
    eight = balanced(faces)
    eight.manifest["class_set"] = "8"
    for without in (other, eight):
        found = teachers.with_teacher(without, path)
        assert found.teacher is None and "teacher" not in found.manifest


def test_other_files_and_no_file_are_one_line(asked, tmp_path):
    faces, _, _ = asked
    with pytest.raises(Failure, match="ferpipe teach"):
        teachers.with_teacher(balanced(faces), tmp_path / "none.npz")
    found = balanced(faces)
    without = replace(found, manifest={**found.manifest, "protocol": "copy-free"})
    with pytest.raises(Failure, match=r"copy-free\.npz: .*models with the protocol without copies, or set"):
        teachers.with_teacher(without, teachers.file_of("mine", "copy-free"))
    (tmp_path / "broken.npz").write_bytes(b"PK no zip")
    with pytest.raises(Failure, match="ferpipe teach"):
        teachers.with_teacher(balanced(faces), tmp_path / "broken.npz")


@pytest.mark.parametrize("change", [
    {"probabilities": np.zeros((3, 7))}, {"probabilities": np.zeros(7)}, {"probabilities": np.array([["x"] * 7])},
    {"about": "[]"}, {"about": "{}"}, {"about": "{"}, {"about": '{"members": 3, "source_digest": ""}'},
    {"about": "[" * 9999}, {"ids": np.array([["a"]])}, {"ids": np.array([{}])},
], ids=repr)
def test_arrays_that_cannot_be_are_one_line(asked, tmp_path, change):
    faces, _, path = asked
    with np.load(path) as arrays:
        np.savez(tmp_path / "odd.npz", **{**arrays, **change})
    with pytest.raises(Failure, match=r"odd\.npz: no teachers' probabilities .* make them with `ferpipe teach"):
        teachers.with_teacher(balanced(faces), tmp_path / "odd.npz")


def test_a_face_that_the_teachers_never_saw_is_one_line(asked, tmp_path):
    faces, _, path = asked
    with np.load(path) as arrays:
        np.savez(tmp_path / "odd.npz", **{**arrays, "ids": np.char.add(arrays["ids"], "x")})
    with pytest.raises(Failure, match=r"odd\.npz: has no probabilities of face"):
        teachers.with_teacher(balanced(faces), tmp_path / "odd.npz")


def test_the_protocols_are_kept_apart(project):
    faces = toy_models.faces("sample", per_class=6)
    mixed = [toy_models.bundle(project / protocol, protocol=protocol) for protocol in ("published", "leak-free")]
    with pytest.raises(Failure, match="one protocol"):
        teach.teach(mixed, faces)
    assert teach.teach(mixed[1:], faces).name == "leak-free.npz"
    with np.load(teachers.file_of("mine", "leak-free", "sample")) as file:
        assert json.loads(str(file["about"]))["protocol"] == "leak-free"


def test_a_teacher_trained_without_a_fold_predicts_only_images_it_never_saw(project):
    faces = toy_models.faces("sample", per_class=6)
    halves = [toy_models.bundle(project / f"half{fold}", off=off, without=f"{fold}/2")
              for fold, off in ((1, 0), (2, 0.4))]
    training = teachers.with_teacher(balanced(faces), teach.teach(halves, faces)).split("Training")
    fold = strategies.folds(training, 2)
    for number, member in enumerate(halves, 1):
        views = [member.predict(training.images, flip) for flip in (False, True)]
        np.testing.assert_allclose(training.teacher[fold == number], np.mean(views, axis=0)[fold == number], atol=1e-3)
    with pytest.raises(Failure, match="no teacher predicts"):
        teach.teach(halves[:1], faces)
    everything = toy_models.bundle(project / "all", off=0.2)
    with np.load(teach.teach([halves[0], everything], faces, "both")) as file:
        assert [one.get("without") for one in json.loads(str(file["about"]))["members"]] == ["1/2", None]


def test_a_name_that_train_teachers_would_refuse_is_refused_before_anybody_is_asked(project):
    shutil.copyfile(toy_models.PARAMS, project / "params.yaml")
    with pytest.raises(Failure, match=r"train\.teachers"):
        teach.main([str(project / "nobody"), "--name", "mine/first"])
    assert not (project / teachers.FOLDER).exists()


def test_faces_with_classes_of_their_own_have_teachers_that_know_those(project, monkeypatch):
    from pipeline.params import extra_labels
    from pipeline.params import params as parameters

    shutil.copyfile(toy_models.PARAMS, project / "params.yaml")
    faces = toy_models.faces("my-moods", per_class=6)
    moods = [f"mood {number}" for number in range(7)]
    faces.manifest.update(classes=moods, class_set="moods", own_classes=True)
    params = parameters.load().override({"dataset": "my-moods", "train.teacher": 0.5, "train.teachers": "mine"})
    assert extra_labels.missing(params) == {"train.teacher": 0.0}, "nobody has taught yet"

    with pytest.raises(Failure, match="a teacher must know mood 0, mood 1, mood 2"):
        teach.teach([toy_models.bundle(project / "emotions", "my-moods")], faces)
    member = toy_models.voter(project / "moods", faces, seed=1)
    path = teach.teach([member], faces)
    assert path == teachers.file_of("mine", "published", "my-moods") == teachers.FOLDER / "mine/my-moods/published.npz"
    assert extra_labels.missing(params) == {}
    found = strategies.prepared(params, faces)
    training = faces.split("Training")
    answers = np.mean([member.predict(training.images, flip) for flip in (False, True)], axis=0)
    np.testing.assert_allclose(found.split("Training").teacher, answers, atol=2e-3)
