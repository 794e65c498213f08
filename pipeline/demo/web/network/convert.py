"""An ONNX file as a network for the browser: a list of calls to the wasm kernels of ``@tensorflow/tfjs-backend-wasm``.

Its 0.4 MB of kernels (XNNPACK's) with this list do what ONNX Runtime needs 14 MB for. The kernels compute in float32;
weights travel as the int8 or the float16 that they are. A quantised network's activations are rounded where ONNX
Runtime rounds them, so that both give the same answers. ``browser/network.js`` reads the file:

    uint32 length of the JSON | JSON, filled up with spaces to a multiple of 4 | weights, each at a multiple of 4

    {"input": id, "inputShape": [...], "outputs": {name: id}, "tensors": [tensor], "calls": [[kernel, arguments...]]}

A tensor is ``[size]``, memory of its own; ``[size, id]``, the memory of an earlier one in another shape; or ``[size,
"f32" | "f16" | "i8", offset]``, weights, where those of int8 have a fourth number, the id of their scales, one for each
channel (the last axis). Ids count from 1; in a call 0 is no tensor, and a list is a pointer to 32-bit integers. The
call ``concatenate`` is network.js's own.
"""

from collections import Counter
from pathlib import Path

from pipeline.demo.web.network.writer import Constant, Node, Unsupported, Value, Writer
from pipeline.system.failure import Failure


def convert(path: Path) -> bytes:
    """The network for the browser, for one picture at a time.

    Raises Failure when the network has an operator that the browser's kernels do not have.
    """
    import onnx

    from pipeline.demo.web.network.operators import OPERATORS, folded

    model = onnx.load(path)
    graph, writer = model.graph, Writer()
    values: dict[str, Value | Constant] = {
        item.name: Constant(onnx.numpy_helper.to_array(item)) for item in graph.initializer}
    source = next(item for item in graph.input if item.name not in values)
    sides = [axis.dim_value for axis in source.type.tensor_type.shape.dim]
    first = writer.new((1, *sides[1:]))
    values[source.name] = first
    readers = Counter(name for node in graph.node for name in node.input) + Counter(item.name for item in graph.output)
    for proto in graph.node:
        inputs = [values[name] if name else None for name in proto.input]
        node = Node(proto, inputs, bool(inputs) and readers[proto.input[0]] == 1, writer)
        try:
            result: list[Value] | list[Constant]
            if (constants := folded(proto, inputs)) is not None:
                result = constants
            elif proto.op_type in OPERATORS:
                result = [OPERATORS[proto.op_type](node)]
            else:
                raise Unsupported("that the static page does not know")
        except Unsupported as error:
            raise Failure(f"{path}: it has a {proto.op_type} {error}; choose another network, or serve this one with "
                          "`ferpipe web`") from None
        values.update(zip(proto.output, result, strict=False))
    outputs = {}
    for item in graph.output:
        value = values[item.name]
        assert isinstance(value, Value), "an output that does not depend on the input"
        outputs[item.name] = writer.arranged(value, tuple(range(len(value.shape))))
    return writer.file(first, outputs)
