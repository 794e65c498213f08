"""The same network says the same under Keras, ONNX Runtime and LiteRT: to 1e-4 in float32, nearly so in int8."""

import numpy as np
import pytest
import toy_models

from pipeline.bundle import export, int8
from pipeline.reporting.bench import litert, runtimes


@pytest.mark.slow
def test_keras_onnx_runtime_and_litert_agree(tmp_path):
    from pipeline.training.models import with_softmax

    faces = toy_models.patterned()
    net = with_softmax(toy_models.fitted(faces))
    tests, training = faces.split("PublicTest", "PrivateTest"), faces.split("Training")
    images = tests.images[..., None].astype("float32")
    expected = net.predict_on_batch(images)
    right = (expected.argmax(axis=1) == tests.labels).mean()
    export.export(net, tmp_path / "float32.onnx")
    int8.static(tmp_path / "float32.onnx", tmp_path / "int8.onnx", training.images)
    litert.convert(net, tmp_path / "float32.tflite", 4)
    litert.convert(net, tmp_path / "int8.tflite", 4, training.images)
    for runtime, ending in ((runtimes.onnx, "onnx"), (runtimes.litert, "tflite")):
        found = {}
        for precision in ("float32", "int8"):
            predict = runtime(tmp_path / f"{precision}.{ending}")
            found[precision] = np.concatenate([predict(images[at : at + 4]) for at in range(0, len(images), 4)])
        np.testing.assert_allclose(found["float32"], expected, atol=1e-4)
        assert (found["int8"].argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.95, ending
        assert abs((found["int8"].argmax(axis=1) == tests.labels).mean() - right) < 0.03, ending
        assert (tmp_path / f"int8.{ending}").stat().st_size < (tmp_path / f"float32.{ending}").stat().st_size
