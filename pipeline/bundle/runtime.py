"""ONNX Runtime: the only module that imports it, so that it is silent wherever it is used."""

from pathlib import Path
from types import ModuleType

from pipeline.system import telemetry


def imported() -> ModuleType:
    """ONNX Runtime, its telemetry switched off."""
    telemetry.switch_off()
    import onnxruntime

    return onnxruntime


def quantization() -> ModuleType:
    """ONNX Runtime's quantisation, which needs the package ``onnx``."""
    imported()
    from onnxruntime import quantization

    return quantization


def session(model: bytes | Path):
    """An ONNX Runtime session on one thread: with two, the times swing wildly on a busy machine."""
    runtime = imported()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(model if isinstance(model, bytes) else str(model), options,
                                    providers=["CPUExecutionProvider"])
