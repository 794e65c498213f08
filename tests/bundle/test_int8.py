"""An int8 bundle is a bundle like any other: smaller, nearly the same answers, and refused where they are not."""

import json
import shutil

import numpy as np
import pytest
import toy_models

from pipeline.bundle import int8
from pipeline.bundle.bundle import Bundle
from pipeline.params.recipe import Quantise
from pipeline.system.failure import Failure

SETTINGS = Quantise(faces=64, max_loss=0.03)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A float32 bundle, its faces, and the int8 bundle that was made of it."""
    from pipeline.bundle.writing import write

    place, faces = tmp_path_factory.mktemp("int8"), toy_models.patterned()
    provenance = toy_models.bundle(place / "toy").provenance.as_json()
    public = faces.split("PublicTest")
    bundle = write(place / "float32", toy_models.fitted(faces), classes=faces.classes, class_set="7",
                   provenance=provenance, history=toy_models.HISTORY, validation=(public.images, public.labels))
    return bundle, faces, int8.quantise(bundle, place / "int8", faces, SETTINGS, run_id="another")


def test_int8_answers_as_float32_does_and_its_provenance_says_how_nearly(made):
    bundle, faces, small = made
    public = faces.split("PublicTest")
    before, after = bundle.predict(public.images), small.predict(public.images)
    right = (before.argmax(axis=1) == public.labels).mean()
    assert right > 0.8, "a toy that has something to lose"
    accuracies = small.provenance.quantised.public
    assert accuracies.float32 == pytest.approx(right, abs=1e-6)
    assert accuracies.int8 == pytest.approx((after.argmax(axis=1) == public.labels).mean(), abs=1e-6)
    assert accuracies.agreement > 0.95
    assert 0 < np.abs(before - after).mean() < 0.03
    np.testing.assert_allclose(after.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(small.predict(public.images[:1]), after[:1], atol=1e-6)


def test_it_is_a_whole_bundle_that_says_what_it_was_made_of(made):
    bundle, _, small = made
    assert Bundle.load(small.folder).id == small.id != bundle.id
    assert set(small.manifest.files) == set(bundle.manifest.files)
    assert small.provenance.quantised.bundle == bundle.id
    assert small.run_id == "another" and small.provenance.recipe == bundle.provenance.recipe


def test_every_weight_of_a_convolution_is_one_byte(made):
    import onnx

    _, _, small = made
    graph = onnx.load(small.folder / "model.onnx").graph
    large = [one for one in graph.initializer if np.prod(one.dims) >= 200]
    assert large and all(one.data_type == onnx.TensorProto.INT8 for one in large)
    assert [node.op_type for node in graph.node].index("QuantizeLinear") > 0, "what standardises the image stays float"


def test_what_scales_the_image_has_the_image_s_four_dimensions(made):
    """With fewer ONNX Runtime takes five times as long for it."""
    import onnx

    graph = onnx.load(made[0].folder / "model.onnx").graph
    dims = {one.name: len(one.dims) for one in graph.initializer}
    first = [node for node in graph.node if node.op_type in ("Mul", "Add")][:2]
    assert [dims[name] for node in first for name in node.input if name in dims] == [4, 4]


def test_the_same_faces_give_the_same_file(made, tmp_path):
    bundle, faces, small = made
    int8.static(bundle.folder / "model.onnx", tmp_path / "again.onnx", int8.calibration(faces, SETTINGS.faces))
    assert (tmp_path / "again.onnx").read_bytes() == (small.folder / "model.onnx").read_bytes()


def test_calibration_takes_training_images_alone_and_none_that_a_test_holds():
    faces = toy_models.patterned(per_class=6)
    tested = np.flatnonzero(faces.splits == "PrivateTest")[0]
    leaked = np.flatnonzero(faces.splits == "Training")[3]
    faces.images[leaked] = faces.images[tested]
    chosen = {image.tobytes() for image in int8.calibration(faces, 10_000)}
    training = {image.tobytes() for image in faces.split("Training").images}
    assert chosen == training - {faces.images[tested].tobytes()}
    assert len(int8.calibration(faces, 5)) == 5


@pytest.mark.parametrize(("settings", "said"), [
    (Quantise(faces=8, max_loss=0.0, max_bytes=10), r"^toy seed 3: .* at most 10 are allowed \(quantise\.max_bytes\)"),
    (Quantise(faces=8, max_loss=0.0), r"^toy seed 3: int8 costs .* points on PublicTest .* \(quantise\.max_loss\)"),
])
def test_what_loses_or_weighs_too_much_is_refused_and_nothing_is_left(made, tmp_path, settings, said, monkeypatch):
    bundle, faces, _ = made
    if settings.max_bytes is None:
        # ranges that fit no face
        monkeypatch.setattr(int8, "calibration", lambda *_: np.full((8, 48, 48), 128, "uint8"))
    else:
        settings = settings.model_copy(update={"max_loss": 1.0})
    with pytest.raises(Failure, match=said):
        int8.quantise(bundle, tmp_path / "new", faces, settings)
    assert list(tmp_path.iterdir()) == []


def test_int8_of_int8_is_refused(made, tmp_path):
    _, faces, small = made
    with pytest.raises(Failure, match="is int8 already"):
        int8.quantise(small, tmp_path / "new", faces, SETTINGS)


def test_a_bundle_without_its_keras_file_will_do(made, tmp_path):
    bundle, faces, small = made
    served = shutil.copytree(bundle.folder, tmp_path / "served")
    (served / "model.keras").unlink()
    again = int8.quantise(Bundle.load(served), tmp_path / "new", faces, SETTINGS)
    assert "model.keras" not in json.loads((again.folder / "bundle.json").read_text())["files"]
    assert again.manifest.files["model.onnx"] == small.manifest.files["model.onnx"]
