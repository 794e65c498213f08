"""Every ONNX operator that the static page knows."""

from collections.abc import Callable

import numpy as np

from pipeline.demo.web.network import arithmetic, shapes
from pipeline.demo.web.network.writer import Constant, Node, Value

# What constants are computed by; the operators among them have not changed since
OPSET = 17
OPERATORS: dict[str, Callable[[Node], Value]] = {
    "Conv": arithmetic.convolution, "MaxPool": arithmetic.pooling, "AveragePool": arithmetic.pooling,
    "GlobalAveragePool": arithmetic.global_average, "ReduceMean": arithmetic.reduction,
    "ReduceSum": arithmetic.reduction,
    **dict.fromkeys(arithmetic.BINARY, arithmetic.binary), **dict.fromkeys(arithmetic.UNARY, arithmetic.unary),
    "Relu": arithmetic.relu, "Sigmoid": arithmetic.sigmoid, "LeakyRelu": arithmetic.leaky_relu,
    "Clip": arithmetic.clip, "BatchNormalization": arithmetic.normalisation, "QuantizeLinear": arithmetic.quantise,
    "DequantizeLinear": shapes.same, "Identity": shapes.same, "Dropout": shapes.same, "Cast": shapes.same,
    "Reshape": shapes.reshape, "Flatten": shapes.flatten, "Squeeze": shapes.squeeze, "Unsqueeze": shapes.unsqueeze,
    "Transpose": shapes.transpose, "Pad": shapes.pad, "Resize": shapes.resize, "Slice": shapes.slices,
    "Concat": shapes.concatenate, "Gemm": shapes.product, "MatMul": shapes.product, "Softmax": shapes.softmax,
}


def folded(proto, inputs: list[Value | Constant | None]) -> list[Constant] | None:
    """The node's results when they are constant: all of its inputs are, or only the shape of one counts."""
    if proto.op_type == "Shape" and isinstance(inputs[0], Value):
        return [Constant(np.array(inputs[0].shape, "int64"))]
    if any(isinstance(item, Value) for item in inputs):
        return None
    constants = [item for item in inputs if isinstance(item, Constant)]
    if proto.op_type == "DequantizeLinear":
        return [_dequantised(*constants, axis=next((item.i for item in proto.attribute if item.name == "axis"), 1))]
    from onnx.reference import ReferenceEvaluator

    given = {name: item.array for name, item in zip(filter(None, proto.input), constants, strict=True)}
    return [Constant(np.asarray(result)) for result in ReferenceEvaluator(proto, opsets={"": OPSET}).run(None, given)]


def _dequantised(integers: Constant, scales: Constant, zeros: Constant | None = None, *, axis: int) -> Constant:
    """The float values, which remember int8 and its scales where no zero point shifts them."""
    each = [-1 if at == axis else 1 for at in range(integers.array.ndim)] if scales.array.size > 1 else []
    values = integers.array.astype("float32")
    if zeros is not None:
        values = values - zeros.array.astype("float32").reshape(each)
    values = values * scales.array.reshape(each)
    if integers.array.dtype != np.int8 or (zeros is not None and zeros.array.any()):
        return Constant(values)
    return Constant(values, integers.array, scales.array, axis if scales.array.size > 1 else integers.array.ndim - 1)
