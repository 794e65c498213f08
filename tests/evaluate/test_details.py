"""What a model card says beyond the ledger: on the toy faces, whose right answers are known."""

from dataclasses import replace

import numpy as np
import pytest
import toy_models

from pipeline.evaluate import details
from pipeline.faces.copies import Copies
from pipeline.params.params import Evaluate
from pipeline.system.failure import Failure

SETTINGS = Evaluate(confidence=0.95, corrupted_bytes=0)


def noisy():
    """Toy faces no two of which are equal, apart from one of PrivateTest that Training has too."""
    made = toy_models.faces("sample", 6)
    images = made.images.copy()
    images[:, 0, 0] = np.arange(len(made))
    private = np.flatnonzero(made.splits == "PrivateTest")
    images[private[0]] = images[0]
    return replace(made, images=images), private


def near(first, second, digest="d" * 64):
    return Copies(digest, np.array([first]), np.array([second]), np.array([0.9]), np.array([False]))


def test_images_are_told_apart_by_whether_training_has_a_copy_of_them(tmp_path):
    faces, private = noisy()
    bundle = toy_models.bundle(tmp_path / "made")
    found = details.measure(bundle, faces, SETTINGS, near=near(faces.ids[private[1]], faces.ids[5]))
    parts = found.copies["PrivateTest"]
    assert {name: part["n"] for name, part in parts.items()} == {details.EXACT: 1, details.NEAR: 1, details.FREE: 40}
    assert found.copies["PublicTest"].keys() == {details.FREE} and parts[details.FREE]["interval"][0] > 0.9
    unknown = details.measure(bundle, faces, SETTINGS).copies["PrivateTest"]
    assert {name: part["n"] for name, part in unknown.items()} == {details.EXACT: 1, details.NOT_EXACT: 41}


def test_the_ledgers_predictions_are_used_where_they_fit_the_faces(tmp_path):
    faces, _ = noisy()
    bundle = toy_models.bundle(tmp_path / "made")
    wrong = np.roll(np.eye(7, dtype="float32")[faces.split("PublicTest").labels], 1, axis=1)
    found = details.measure(bundle, faces, SETTINGS, {"PublicTest": wrong, "PrivateTest": wrong[:3]})
    assert found.accuracy == {"PublicTest": 0.0, "PrivateTest": 1.0}
    assert found.probabilities["PublicTest"] is wrong and len(found.probabilities["PrivateTest"]) == 42
    assert found.calibration["PublicTest"]["coverage"]["1.00"] == 0 and found.robustness is None


def test_faces_of_another_edition_are_refused(tmp_path):
    bundle = toy_models.bundle(tmp_path / "made", source_digest="e" * 64)
    with pytest.raises(Failure, match="get the same edition"):
        details.measure(bundle, toy_models.faces("sample", 4), SETTINGS)
