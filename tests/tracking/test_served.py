"""The model that MLflow serves: the bundle's answers, and none for pixels of another range."""

from types import SimpleNamespace

import numpy as np
import pytest
import toy_models

from pipeline.tracking.served import Served


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return toy_models.bundle(tmp_path_factory.mktemp("served") / "bundle")


@pytest.fixture(scope="module")
def served(bundle) -> Served:
    model = Served()
    model.load_context(SimpleNamespace(artifacts={"onnx": str(bundle.folder / "model.onnx")}))
    return model


def test_it_answers_as_the_bundle_does(served, bundle):
    images = np.random.default_rng(0).integers(0, 256, (3, 48, 48), "uint8")
    for kind in ("uint8", "float32", "float64"):
        answer = served.predict(None, {"image": images[..., None].astype(kind)})
        assert answer["probabilities"] == pytest.approx(bundle.predict(images), abs=1e-6)


@pytest.mark.parametrize("change", [
    lambda pixels: pixels / 255, lambda pixels: pixels / 127.5 - 1, lambda pixels: (pixels - 129.4) / 65.1,
    lambda pixels: pixels + 1, lambda pixels: pixels * np.nan, lambda pixels: 257 * pixels,
], ids=["0 to 1", "-1 to 1", "standardised", "256", "nan", "16 bits"])
def test_pixels_of_another_range_are_refused(served, change):
    from mlflow.exceptions import MlflowException

    images = np.full((2, 48, 48, 1), 255.0)
    images[0, 0, 0, 0] = 100
    with pytest.raises(MlflowException, match=r"whole numbers from 0 to 255, .* found") as refused:
        served.predict(None, {"image": change(images)})
    assert refused.value.get_http_status_code() == 400
