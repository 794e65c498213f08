"""Every ONNX operator that the static page knows."""

from collections.abc import Callable

import numpy as np

from pipeline.demo.web.network import arithmetic, shapes
from pipeline.demo.web.network.writer import Constant, Node, Value

OPERATORS: dict[str, Callable[[Node], Value]] = {
    "Conv": arithmetic.convolution, "MaxPool": arithmetic.pooling, "AveragePool": arithmetic.pooling,
    "GlobalAveragePool": arithmetic.global_average, "ReduceMean": arithmetic.mean,
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
    arrays = [item.array if isinstance(item, Constant) else None for item in inputs]
    if proto.op_type == "DequantizeLinear":
        integers, scales = inputs[0].array, inputs[1].array
        zero = arrays[2] if len(arrays) > 2 and arrays[2] is not None else np.zeros(1, integers.dtype)
        axis = next((item.i for item in proto.attribute if item.name == "axis"), 1) if scales.size > 1 else 0
        shape = [-1 if at == axis else 1 for at in range(integers.ndim)] if scales.size > 1 else [1] * integers.ndim
        array = (integers.astype("float32") - zero.astype("float32").reshape(shape)) * scales.reshape(shape)
        whole = integers.dtype == np.int8 and not zero.any()
        if scales.size == 1:
            axis = integers.ndim - 1
        return [Constant(array, integers, scales, axis) if whole else Constant(array)]
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    names = [name for name in proto.input if name]
    graph = helper.make_graph([proto], "constant", [helper.make_value_info(name, helper.make_optional_type_proto(
        helper.make_tensor_type_proto(1, None))) for name in names],
        [helper.make_value_info(name, helper.make_tensor_type_proto(1, None)) for name in proto.output])
    results = ReferenceEvaluator(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])).run(
        None, {name: array for name, array in zip(proto.input, arrays, strict=True) if name})
    return [Constant(np.asarray(result)) for result in results]
