"""Writing a model bundle from a trained network; see ``bundle`` for what one is."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline.bundle.bundle import Bundle, onnx_session, probabilities
from pipeline.bundle.export import export
from pipeline.bundle.manifest import CROP_MARGIN, FORMAT, Provenance
from pipeline.bundle.sealing import PARITY, fit_temperature, seal, write_history
from pipeline.system.atomic import atomic_folder
from pipeline.system.failure import Failure
from pipeline.training.loop import predict
from pipeline.training.models import with_softmax


def write(
    folder: Path,
    net: keras.Model,
    *,
    classes: tuple[str, ...],
    class_set: str,
    provenance: dict[str, Any],
    history: list[dict],
    validation: tuple[np.ndarray, np.ndarray],
) -> Bundle:
    """Make a bundle of a trained network that ends in logits.

    Args:
        provenance: the fields of ``Provenance`` but parity and parameters, which are found here.
        validation: uint8 images ``(N, 48, 48)`` and labels ``(N,)`` that the temperature is fitted on.

    Raises Failure when ONNX Runtime's probabilities differ from Keras's by more than 1e-4.
    """
    served = with_softmax(net)
    with atomic_folder(folder) as new:
        served.save(new / "model.keras")
        export(served, new / "model.onnx")
        write_history(new / "history.csv", history)
        answers = probabilities(onnx_session(new / "model.onnx"), validation[0], len(classes))
        difference = float(np.abs(answers[:256] - predict(served, validation[0][:256])).max())
        # not `>`, so that a NaN is refused too
        if not difference <= PARITY:
            raise Failure(f"{folder}: ONNX and Keras differ by {difference:.1e} (at most {PARITY:.0e}); not written")
        seal(new, {
            "format": FORMAT,
            "classes": classes,
            "class_set": class_set,
            "size": net.input_shape[1],
            "crop_margin": CROP_MARGIN,
            "temperature": fit_temperature(answers, validation[1]),
            "provenance": Provenance.model_validate({**provenance, "parity": difference,
                                                     "parameters": net.count_params()}),
        })
    return Bundle.load(folder)
