"""A Keras network as an ONNX file: input ``image`` (N, 48, 48, 1), output ``probabilities`` (N, C)."""

from pathlib import Path

import keras

OPSET = 17


def export(net: keras.Model, path: Path) -> None:
    """Write ``net`` as ONNX with a free batch dimension, names that do not depend on the run, and no doc strings.

    tf2onnx leaves little to gain: batch norms are folded into the convolutions, between which no transposes remain.
    """
    import onnx
    import tensorflow as tf
    import tf2onnx

    spec = tf.TensorSpec((None, *net.input_shape[1:]), tf.float32, name="image")

    @tf.function(input_signature=[spec])
    def serve(image):
        return tf.identity(net(image, training=False), name="probabilities")

    model, _ = tf2onnx.convert.from_function(serve, input_signature=[spec], opset=OPSET)
    _rename_output(model.graph, "probabilities")
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    _fix_shapes(model.graph, inferred)
    _widen_scalars(model.graph, inferred)
    _name_by_order(model.graph)
    _name_batch(model.graph)
    # the name of TensorFlow's function, which has the number of all that this process has made so far
    model.graph.ClearField("doc_string")
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _rename_output(graph, name: str) -> None:
    """Call the only output ``name``: tf2onnx calls it ``Identity:0``, whatever the TensorFlow operation is called."""
    old = graph.output[0].name
    graph.output[0].name = name
    for node in graph.node:
        node.output[:] = [name if output == old else output for output in node.output]
        node.input[:] = [name if value == old else value for value in node.input]


def _fix_shapes(graph, inferred) -> None:
    """Make the shape of every Reshape to (N, ...) a constant.

    tf2onnx leaves that of a Flatten to be calculated from the images' in most processes, and not in others.
    """
    import numpy as np
    from onnx import numpy_helper

    shapes = {value.name: value.type.tensor_type.shape.dim for value in (*inferred.value_info, *inferred.output)}
    constants = {constant.name for constant in graph.initializer}
    for node in graph.node:
        rest = [dimension.dim_value for dimension in shapes.get(node.output[0], ())[1:]]
        if node.op_type == "Reshape" and node.input[1] not in constants and rest and all(rest):
            name = f"{node.output[0]} shape"
            graph.initializer.append(numpy_helper.from_array(np.array([-1, *rest]), name))
            node.input[1] = name


def _widen_scalars(graph, inferred) -> None:
    """Give the scalars that images (N, H, W, 1) are scaled by four dimensions.

    With fewer, ONNX Runtime 1.31 goes through such an image pixel by pixel: 27 microseconds instead of 5 for each of
    two scalings, while a small int8 network takes 300 in all.
    """
    ranks = {value.name: len(value.type.tensor_type.shape.dim) for value in [*inferred.input, *inferred.value_info]}
    # a scalar that anything but a four-dimensional Add or Mul uses has to stay as it is
    for scalar in graph.initializer:
        users = [node for node in graph.node if scalar.name in node.input]
        others = [ranks.get(name) for node in users for name in node.input if name != scalar.name]
        if not scalar.dims and all(node.op_type in ("Add", "Mul") for node in users) and set(others) == {4}:
            scalar.dims.extend([1] * 4)


def _name_by_order(graph) -> None:
    """Order nodes and constants by when the output needs them, and name them by that: ``Conv_3``, its weights
    ``Conv_3.1``. What the output does not need goes.

    tf2onnx goes through sets, and numbers what it makes in the order that they happen to have: the next process would
    write the same network as other bytes.
    """
    maker = {output: node for node in graph.node for output in node.output}
    names = {value.name: value.name for value in (*graph.input, *graph.output)}
    order: dict[str, int] = {}
    waiting = [graph.output[0].name]
    while waiting:
        node = maker[waiting[-1]]
        missing = [name for name in reversed(node.input) if name in maker and name not in order]
        waiting += missing
        if not missing:
            waiting.pop()
            order.update(dict.fromkeys(node.output, order.get(node.output[0], len(order))))
    for unused in [node for node in graph.node if node.output[0] not in order]:
        graph.node.remove(unused)
    graph.node.sort(key=lambda node: order[node.output[0]])
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
        for values, separator in ((node.input, "."), (node.output, ":")):
            for index, name in enumerate(values):
                names.setdefault(name, f"{node.name}{separator}{index}" if name else "")
            values[:] = [names[name] for name in values]
    for unused in [constant for constant in graph.initializer if constant.name not in names]:
        graph.initializer.remove(unused)
    # in the order of their first use
    rank = {name: number for number, name in enumerate(names.values())}
    for constant in graph.initializer:
        constant.name = names[constant.name]
    graph.initializer.sort(key=lambda constant: rank[constant.name])
    del graph.value_info[:]


def _name_batch(graph) -> None:
    """Call the number of images ``N``: tf2onnx numbers such dimensions by how many this process has had so far."""
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
