"""The registered model as MLflow serves it: the bundle's ONNX behind a check of the pixels.

MLflow copies this file beside the model and runs it there (models from code, without pickle), so it imports nothing of
the project.
"""

import os

import mlflow
import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel, PythonModelContext


class Checked:
    """Probabilities float32 ``(N, C)`` for images ``(N, 48, 48, 1)`` of whole pixels from 0 to 255."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the ONNX file among the model's artefacts."""
        # ONNX Runtime would report to its maker
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        self._session = onnxruntime.InferenceSession(context.artifacts["onnx"], providers=["CPUExecutionProvider"])

    # Without types: MLflow would read the request's form off them in place of the signature
    def predict(self, context, model_input, params=None):
        """The answer to a request, ``{"image": images}``.

        Pixels of any other range are refused: 0 to 1, say, would change the answer silently.
        """
        images = np.asarray(model_input["image"], "float32")
        whole = np.isfinite(images) & (images >= 0) & (images <= 255) & (images == np.round(images))
        if not whole.all():
            wrong = float(images[~whole][0])
            raise MlflowException(f"pixels are whole numbers from 0 to 255, as in a gray 8-bit picture, found {wrong:g}"
                                  "; do not divide or standardise them", error_code=INVALID_PARAMETER_VALUE)
        (probabilities,) = self._session.run(["probabilities"], {"image": images})
        return {"probabilities": probabilities}


class Served(Checked, PythonModel):
    """The same as MLflow knows models. Of a ``predict`` of its own it would ask for types, which the signature says."""


mlflow.models.set_model(Served())
