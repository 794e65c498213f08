"""ONNX Runtime: the only module that imports it, so that it is silent wherever it is used."""

import os
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from pipeline.faces.faces import SIZE
from pipeline.system import telemetry
from pipeline.system.failure import Failure


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


def session(model: bytes, source: Path):
    """An ONNX Runtime session on one thread: with two, the times swing wildly on a busy machine.

    Args:
        model: the ONNX file's content; weights in further files are refused.
        source: the file, for the message.

    Raises Failure when ONNX Runtime cannot open it.
    """
    runtime = imported()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # weights would be taken from the folder that the program happens to run in
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    with in_one_line(source):
        return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"], enable_fallback=0)


@contextmanager
def in_one_line(source: Path) -> Iterator[None]:
    """Turn what goes wrong in ONNX Runtime into a Failure that names the model's file."""
    try:
        yield
    except Exception as error:
        if not (type(error).__module__.startswith("onnxruntime") or isinstance(error, ValueError | RuntimeError)):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise Failure(f"{source}: ONNX Runtime cannot use this model ({reason[:200]}); restore the file") from error


def check(opened, classes: int, source: Path) -> None:
    """Raise Failure where a session is not of an image classifier as this project exports it.

    Args:
        classes: how many probabilities it has to answer.
        source: the model's file, for the message.
    """
    expected = [("image", "tensor(float)", [SIZE, SIZE, 1])], [("probabilities", "tensor(float)", [classes])]
    actual = tuple([(node.name, node.type, node.shape[1:]) for node in nodes]
                   for nodes in (opened.get_inputs(), opened.get_outputs()))
    batches = [node.shape[0] for node in opened.get_inputs() if node.shape]
    if actual != expected or any(isinstance(size, int) for size in batches):
        raise Failure(f"{source}: expected a model from image (N, {SIZE}, {SIZE}, 1) to probabilities (N, {classes}), "
                      f"found one from {_shown(opened.get_inputs())} to {_shown(opened.get_outputs())}")


def _shown(nodes: list) -> str:
    return reprlib.repr(", ".join(f"{node.name} {tuple(node.shape)}" for node in nodes))
