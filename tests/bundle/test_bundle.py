"""The bundle: what train emits is what the demo reads, byte for byte, and Keras and ONNX say the same."""

import numpy as np
import pytest

from pipeline.bundle.bundle import Bundle
from pipeline.bundle.sealing import fit_temperature
from pipeline.bundle.writing import write
from pipeline.faces.faces import EMOTIONS
from pipeline.system.failure import Failure

HISTORY = [{"epoch": 1, "loss": 2.0, "val_accuracy": 0.3}, {"epoch": 2, "loss": 1.5, "val_accuracy": 0.4}]


@pytest.fixture(scope="module", params=["compact", pytest.param("cas", marks=pytest.mark.slow)])
def made(request, tmp_path_factory):
    import toy_models

    from pipeline.training.loop import build_net

    options = {"compact": {"stem": 4, "width": 4, "stages": 2}, "cas": {}}[request.param]
    net = build_net({"seed": 5, "classes": EMOTIONS, "model": {"name": request.param, **options}})
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (70, 48, 48), dtype="uint8"), rng.integers(0, 7, 70)
    folder = tmp_path_factory.mktemp("made")
    provenance = {**toy_models.bundle(folder / "toy").provenance.as_json(), "recipe": request.param}
    bundle = write(folder / "bundle", net, classes=EMOTIONS, class_set="7", provenance=provenance, history=HISTORY,
                   validation=(images, labels))
    return bundle, images


def test_keras_and_onnx_agree_whatever_the_batch(made):
    import keras

    bundle, images = made
    loaded = keras.saving.load_model(bundle.folder / "model.keras", safe_mode=True)
    expected = loaded.predict_on_batch(images[..., None])
    np.testing.assert_allclose(bundle.predict(images), expected, atol=1e-4)
    np.testing.assert_allclose(bundle.predict(images[:1]), expected[:1], atol=1e-4)
    np.testing.assert_allclose(bundle.predict(images).sum(axis=1), 1, atol=1e-5)
    assert bundle.predict(images[:0]).shape == (0, 7)


def test_an_onnx_file_has_neither_the_names_nor_the_order_that_its_exporter_happened_to_choose():
    from onnx import helper, numpy_helper

    from pipeline.bundle.export import _name_by_order

    def graph(names, reverse):
        one, two, sums, product = names
        nodes = [helper.make_node("Add", ["image", one], [sums]), helper.make_node("Mul", ["image", two], [product]),
                 helper.make_node("Sub", [sums, product], ["probabilities"])]
        constants = [numpy_helper.from_array(np.array(value, "float32"), name) for name, value in ((one, 1), (two, 2))]
        step = -1 if reverse else 1
        image, answer = (helper.make_tensor_value_info(name, 1, [None]) for name in ("image", "probabilities"))
        made = helper.make_graph([*nodes[:2][::step], nodes[2]], "net", [image], [answer], constants[::step])
        _name_by_order(made)
        return made

    first, second = graph("abcd", False), graph(["x__8", "const_fold_opt__139", "y__9", "z"], True)
    assert first.SerializeToString() == second.SerializeToString()
    assert [node.name for node in first.node] == ["Add_0", "Mul_1", "Sub_2"]
    assert [constant.name for constant in first.initializer] == ["Add_0.1", "Mul_1.1"]
    assert first.node[2].input == ["Add_0:0", "Mul_1:0"] and first.node[2].output == ["probabilities"]


def test_the_flipped_view_is_the_view_of_the_mirror_image(made):
    bundle, images = made
    np.testing.assert_array_equal(bundle.predict(images, flip=True), bundle.predict(images[:, :, ::-1]))


def test_the_id_follows_the_content_and_a_changed_file_is_refused(made, tmp_path):
    import shutil

    bundle, _ = made
    copy = shutil.copytree(bundle.folder, tmp_path / "copy")
    assert Bundle.load(copy).id == bundle.id
    (copy / "model.keras").unlink()
    assert Bundle.load(copy).id == bundle.id, "a copy that only serves may leave the Keras file out"
    data = bytearray((copy / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "model.onnx").write_bytes(data)
    with pytest.raises(Failure, match=r"model\.onnx"):
        Bundle.load(copy)


def test_no_bundle_is_one_line(tmp_path):
    with pytest.raises(Failure, match="no model bundle"):
        Bundle.load(tmp_path)


def test_the_temperature_undoes_overconfidence():
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 1.5, (4000, 7))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(7, p=row) for row in true])
    overconfident = true**2 / (true**2).sum(axis=1, keepdims=True)
    assert fit_temperature(overconfident, labels) == pytest.approx(2, rel=0.1)
    assert fit_temperature(true, labels) == pytest.approx(1, rel=0.1)
