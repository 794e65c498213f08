"""A Keras network as an ONNX file: input ``image`` (N, 48, 48, 1), output ``probabilities`` (N, C)."""

from pathlib import Path

import keras

OPSET = 17


def export(net: keras.Model, path: Path) -> None:
    """Write ``net`` as ONNX with a free batch dimension, names that do not depend on the run, and no doc strings."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    spec = tf.TensorSpec((None, *net.input_shape[1:]), tf.float32, name="image")

    @tf.function(input_signature=[spec])
    def serve(image):
        return tf.identity(net(image, training=False), name="probabilities")

    model, _ = tf2onnx.convert.from_function(serve, input_signature=[spec], opset=OPSET)
    _rename_output(model.graph, "probabilities")
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _rename_output(graph, name: str) -> None:
    old = graph.output[0].name
    graph.output[0].name = name
    for node in graph.node:
        node.output[:] = [name if output == old else output for output in node.output]
        node.input[:] = [name if value == old else value for value in node.input]
