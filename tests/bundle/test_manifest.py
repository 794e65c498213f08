"""A bundle comes from outside: what is not exactly one is refused in one line, which names the file."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import toy_models

from pipeline.bundle.bundle import Bundle
from pipeline.faces.faces import EMOTIONS
from pipeline.system.failure import Failure

IMAGES = np.zeros((3, 48, 48), "uint8")
MODEL = {"model.onnx": "a" * 64}


@pytest.fixture
def folder(tmp_path) -> Path:
    return toy_models.bundle(tmp_path / "made").folder


def refused(folder: Path) -> str:
    """The message of a bundle that cannot be used."""
    with pytest.raises(Failure) as caught:
        Bundle.load(folder).predict(IMAGES)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 500 and str(folder) in message
    return message


def change(folder: Path, path: str, value) -> None:
    """Set a field of bundle.json."""
    tree = node = json.loads((folder / "bundle.json").read_text())
    *parents, last = path.split(".")
    for parent in parents:
        node = node[parent]
    node[last] = value
    (folder / "bundle.json").write_text(json.dumps(tree))


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"3", b'"x"', b"{}", b"\0" * 99, b"\xff\xfe{", b"[" * 9999,
                                  b'{"format": ' + b"1" * 5000 + b"}"], ids=range(10))
def test_what_is_no_description(folder, text):
    (folder / "bundle.json").write_bytes(text)
    assert "not a model bundle's description" in refused(folder)


@pytest.mark.parametrize(("path", "value"), [
    *((name, None) for name in ("format", "classes", "class_set", "size", "crop_margin", "temperature", "files",
                                "provenance", "provenance.config", "provenance.seed", "provenance.recipe")),
    *(("temperature", value) for value in (0, -1, 1e-9, 1e300, float("nan"), float("inf"), "1")),
    *(("crop_margin", value) for value in (0, -1, 1e-9, 1e300, float("nan"), float("inf"), "1")),
    *(("size", value) for value in (0, 64, 10**30, 48.5)),
    *(("classes", value) for value in ([], ["angry"], ["angry"] * 7, [""] * 7, "angry", [1] * 7,
                                       ["a\nb", *EMOTIONS[1:]], ["../x", *EMOTIONS[1:]],
                                       ["x" * 300, *EMOTIONS[1:]], ["..", *EMOTIONS[1:]])),
    *(("class_set", value) for value in ("", "../7", "a\n", 7)),
    *(("files", value) for value in ({}, [], {"../x": "a" * 64}, {**MODEL, "../x": "a" * 64},
                                     {**MODEL, "a/b": "a" * 64},
                                     {**MODEL, ".": "a" * 64}, {**MODEL, "a\n": "a" * 64}, {**MODEL, "C:x": "a" * 64},
                                     {**MODEL, "bundle.json": "a" * 64}, {**MODEL, "x" * 200: "a" * 64},
                                     {"model.onnx": "A" * 64})),
    *((f"provenance.{name}", "../x") for name in ("dataset", "recipe", "protocol", "class_set", "run_id", "net")),
    *(("provenance.config", value) for value in ([], {"balance": 3}, {"balance": []}, {"balance": {"without": 5}},
                                                 {"train": 3}, {"members": []})),
    *(("provenance.quantised", value) for value in ({}, [], "x")),
    ("provenance.seed", -1), ("provenance.seconds", float("inf")), ("provenance.parameters", -1), ("format", 2),
], ids=lambda value: repr(value)[:30])
def test_a_field_that_cannot_be(folder, path, value):
    change(folder, path, value)
    message = refused(folder)
    assert "not a model bundle's description" in message
    assert path.split(".")[-1] in message


def model(inputs=(("image", (None, 48, 48, 1)),), output="probabilities", classes=7, weight=1.0, external="") -> bytes:
    """An ONNX file of one layer."""
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.full((int(np.prod(inputs[0][1][1:])), classes), weight, "float32"), "weights")
    if external:
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=external)
    nodes = [helper.make_node("Flatten", [inputs[0][0]], ["flat"]),
             helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
             helper.make_node("Softmax", ["logits"], [output])]
    graph = helper.make_graph(
        nodes, "foreign", [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, classes])], [weights])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return made.SerializeToString()


def put(folder: Path, content: bytes) -> None:
    """Another model, with its hash in bundle.json."""
    (folder / "model.onnx").write_bytes(content)
    tree = json.loads((folder / "bundle.json").read_text())
    tree["files"]["model.onnx"] = hashlib.sha256(content).hexdigest()
    (folder / "bundle.json").write_text(json.dumps(tree))


def test_a_model_of_the_right_form_is_taken(folder):
    put(folder, model())
    np.testing.assert_allclose(Bundle.load(folder).predict(IMAGES), 1 / 7, atol=1e-6)


@pytest.mark.parametrize("make", [
    lambda: model([("picture", (None, 48, 48, 1))]), lambda: model([("image", (None, 64, 64, 1))]),
    lambda: model([("image", (None, 48, 48, 3))]), lambda: model([("image", (1, 48, 48, 1))]),
    lambda: model([("image", (None, 48, 48, 1)), ("more", (1,))]), lambda: model(output="answers"),
    lambda: model(classes=5), lambda: model(classes=8),
], ids=["input's name", "size", "colour", "batch of one", "two inputs", "output's name", "5 classes", "8 classes"])
def test_a_foreign_model_is_compared_with_what_is_expected(folder, make):
    put(folder, make())
    assert "expected a model from image (N, 48, 48, 1) to probabilities (N, 7), found" in refused(folder)


@pytest.mark.parametrize("content", [b"garbage", b"", model()[:500]], ids=["garbage", "nothing", "half"])
def test_what_is_no_onnx(folder, content):
    put(folder, content)
    assert "ONNX Runtime cannot use this model" in refused(folder)


def test_weights_that_are_no_numbers(folder):
    put(folder, model(weight=np.nan))
    assert "its answers are no probabilities" in refused(folder)


@pytest.mark.parametrize("where", ["weights.bin", "../weights.bin"])
def test_weights_in_further_files_are_never_read(folder, where, monkeypatch):
    (folder / where).write_bytes(np.ones((48 * 48, 7), "float32").tobytes())
    put(folder, model(external=where))
    monkeypatch.chdir(folder)
    assert "ONNX Runtime cannot use this model" in refused(folder)


def test_what_is_served_is_what_was_hashed(folder):
    bundle = Bundle.load(folder)
    (folder / "model.onnx").write_bytes(model())
    with pytest.raises(Failure, match=r"model\.onnx: not the file that the bundle was made with"):
        bundle.predict(IMAGES)


def test_another_model_than_the_promoted_one_is_not_served(folder):
    bundle = Bundle.load(folder)
    (folder / "promotion.json").write_text(json.dumps({"name": "fer2013-7", "version": 3, "bundle": bundle.id}))
    assert Bundle.load(folder).id == bundle.id
    (folder / "promotion.json").write_text(json.dumps({"name": "fer2013-7", "version": 3, "bundle": "0123456789ab"}))
    with pytest.raises(Failure, match="is not the model that was promoted, 0123456789ab; restore the folder"):
        Bundle.load(folder)


@pytest.mark.parametrize("text", ["[]", "null", "{", '{"PublicTest": "x"}', '{"corrupted": null, "PublicTest": NaN}',
                                  "[" * 9999])
def test_a_champion_with_a_broken_promotion_is_not_served(folder, text):
    (folder / "promotion.json").write_text(text)
    with pytest.raises(Failure, match=r"promotion\.json: .*restore it"):
        Bundle.load(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_a_pipe_in_the_place_of_a_description_keeps_nobody_waiting(folder):
    (folder / "bundle.json").unlink()
    os.mkfifo(folder / "bundle.json")
    with pytest.raises(Failure, match=r"no model bundle there \(bundle.json is not a regular file"):
        Bundle.load(folder)
