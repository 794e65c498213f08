"""A bundle in int8: static quantisation of its ONNX file, weights and activations, behind a gate on accuracy and size.

Integer arithmetic as in Jacob et al. 2017 (arXiv 1712.05877). Dynamic quantisation is no option here: its convolutions
are slower than float ones.
"""

import io
import shutil
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np

from pipeline.bundle import runtime
from pipeline.bundle.bundle import Bundle, onnx_session, probabilities
from pipeline.bundle.manifest import Int8Accuracies, Quantised, Sizes
from pipeline.bundle.sealing import fit_temperature, seal
from pipeline.faces.faces import Faces
from pipeline.params.recipe import Quantise
from pipeline.system.atomic import atomic_folder
from pipeline.system.failure import Failure

BATCH = 64


class Refused(Failure):
    """The int8 file loses more accuracy, or is larger, than the settings allow."""


def quantise(bundle: Bundle, folder: Path, faces: Faces, settings: Quantise, run_id: str | None = None) -> Bundle:
    """Make a bundle in ``folder`` whose model.onnx is int8 of one whose model.onnx is float32; the rest is the same.

    Args:
        faces: with the bundle's classes; Training calibrates, PublicTest is what accuracy is measured and the
            temperature fitted on.
        run_id: of the MLflow run that this is done in; None where that is the one that trained the bundle.

    Raises Failure when the bundle is int8 already, and Refused.
    """
    provenance = bundle.provenance
    name = f"{provenance.recipe} seed {provenance.seed}"
    if provenance.quantised is not None:
        raise Failure(f"{name}: is int8 already; name the bundle that it was made from")
    public = faces.split("PublicTest")
    before = bundle.predict(public.images)
    with atomic_folder(folder) as new:
        for file in ("history.csv", "model.keras"):
            if (bundle.folder / file).exists():
                shutil.copyfile(bundle.folder / file, new / file)
        chosen = calibration(faces, settings.faces)
        static(bundle.folder / "model.onnx", new / "model.onnx", chosen)
        after = probabilities(onnx_session(new / "model.onnx"), public.images, len(bundle.classes))
        accuracies = Int8Accuracies(
            float32=_share(before.argmax(axis=1) == public.labels),
            int8=_share(after.argmax(axis=1) == public.labels),
            agreement=_share(before.argmax(axis=1) == after.argmax(axis=1)),
        )
        sizes = Sizes(float32=(bundle.folder / "model.onnx").stat().st_size, int8=(new / "model.onnx").stat().st_size)
        _check(name, accuracies, sizes, settings)
        quantised = Quantised(bundle=bundle.id, settings=settings.model_dump(exclude={"int8"}), faces=len(chosen),
                              public=_rounded(accuracies), bytes=sizes)
        seal(new, {
            **dict(bundle.manifest),
            # int8 gives other probabilities, which another temperature fits
            "temperature": fit_temperature(after, public.labels),
            "provenance": provenance.model_copy(update={"run_id": run_id or provenance.run_id, "quantised": quantised}),
        })
    return Bundle.load(folder)


def _share(hits: np.ndarray) -> float:
    return float(hits.mean())


def _rounded(accuracies: Int8Accuracies) -> Int8Accuracies:
    return Int8Accuracies(**{name: round(share, 6) for name, share in accuracies})


def _check(name: str, accuracies: Int8Accuracies, sizes: Sizes, settings: Quantise) -> None:
    """Raise Refused where int8 loses more accuracy or is larger than the settings allow."""
    loss = accuracies.float32 - accuracies.int8
    if loss > settings.max_loss:
        raise Refused(f"{name}: int8 costs {100 * loss:.2f} points on PublicTest ({100 * accuracies.float32:.2f} to "
                      f"{100 * accuracies.int8:.2f}), at most {100 * settings.max_loss:.2f} are allowed "
                      "(quantise.max_loss)")
    if settings.max_bytes is not None and sizes.int8 > settings.max_bytes:
        raise Refused(f"{name}: {sizes.int8:,} bytes in int8, at most {settings.max_bytes:,} are allowed "
                      "(quantise.max_bytes); train a smaller network")


def calibration(faces: Faces, count: int) -> np.ndarray:
    """``count`` Training images, always the same ones, none of which has an exact duplicate in a test split."""
    tests = {image.tobytes() for image in faces.split("PublicTest", "PrivateTest").images}
    training = faces.split("Training").images
    order = np.random.default_rng(0).permutation(len(training))
    return np.array([training[index] for index in order if training[index].tobytes() not in tests][:count])


def static(source: Path, target: Path, images: np.ndarray) -> None:
    """Write the float32 ONNX file ``source`` as int8 to ``target``.

    Args:
        images: uint8 ``(N, 48, 48)``, which the ranges of the activations are taken from.

    Measured on compact (0.69 M parameters, PublicTest 64.39 % in float32): minima and maxima, entropy or percentiles,
    weights per channel or not, the first or the last layers float or not: all lie within .3 points, which is noise.
    Unsigned activations, because signed ones take nearly as long as float32 on x86. Weights of seven bits, because two
    products of eight overflow the 16-bit sums of x86 processors without VNNI, whose results would differ.
    """
    import onnx

    ort = runtime.quantization()
    batches = (images[start : start + BATCH, ..., None].astype("float32") for start in range(0, len(images), BATCH))
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        prepared = Path(folder) / "prepared.onnx"
        # symbolic shapes would need sympy, and these graphs have none
        ort.quant_pre_process(source, prepared, skip_symbolic_shape=True)
        model = onnx.load(prepared)
        # nodes are excluded by name, and tf2onnx leaves some without one
        for number, node in enumerate(model.graph.node):
            node.name = node.name or f"{node.op_type}_{number}"
        onnx.save(model, prepared)
        ort.quantize_static(
            prepared, target, _Batches(batches), quant_format=ort.QuantFormat.QDQ, per_channel=True, reduce_range=True,
            activation_type=ort.QuantType.QUInt8, weight_type=ort.QuantType.QInt8,
            calibrate_method=ort.CalibrationMethod.MinMax, nodes_to_exclude=_float(model.graph),
        )


class _Batches:
    """What ONNX Runtime calls a calibration data reader."""

    def __init__(self, batches):
        self._batches = batches

    def get_next(self) -> dict | None:
        batch = next(self._batches, None)
        return None if batch is None else {"image": batch}


def _float(graph) -> list[str]:
    """The nodes that stay float: what comes before the first weights (the standardisation), and the softmax.

    Both are a few elementwise operations, next to nothing beside the convolutions.
    """
    first = next(index for index, node in enumerate(graph.node) if node.op_type in ("Conv", "MatMul", "Gemm"))
    return [node.name for index, node in enumerate(graph.node) if index < first or node.op_type == "Softmax"]
