"""``ferpipe start-from BUNDLE``: a model's weights, kept for recipes that start from them instead of from random ones.

From the bundle's ONNX file, which every bundle has, git's champion too: there each batch norm is a part of its
convolution and the kernels are in int8. Both are taken apart again, to a network that gives the same answers and can
be trained on.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.bundle.bundle import Bundle, check_faces
from pipeline.experiments.prepare import downloaded
from pipeline.faces.faces import Faces
from pipeline.params import params as parameters
from pipeline.system import project
from pipeline.system.failure import Failure
from pipeline.tracking import shelves
from pipeline.training import start
from pipeline.training.importing import quiet

if TYPE_CHECKING:
    import keras

# The root mean square of a trained kernel's values: about what our recipes' (Muon, rate .003, decay .05) end with in
# every layer. A norm after it makes its scale indifferent to the answers, but not to steps of a fixed size
KERNEL_RMS = 0.13
UNFIT = "networks of convolutions with a batch norm behind each, and one dense layer, can be started from"
# Faces that the norms' statistics are taken from
SAMPLE = 1024


def start_from(bundle: Bundle, faces: Faces, name: str) -> Path:
    """Write a bundle's weights as the start of this name.

    Args:
        faces: as they came, with seven labels.

    Raises Failure where the network has a convolution without a batch norm, or the weights give other answers.
    """
    check_faces(bundle.provenance, faces.manifest, bundle.folder)
    config = bundle.provenance.config
    faces = faces.with_classes(bundle.class_set)
    training = faces.split("Training").images
    images = training[np.random.default_rng(0).permutation(len(training))[:SAMPLE]]
    net = unfolded(bundle, config, images)
    expected, actual = bundle.predict(images).argmax(axis=1), net.predict_on_batch(images[..., None]).argmax(axis=1)
    agreement = float((expected == actual).mean())
    if agreement < 0.97:
        raise Failure(f"{bundle.folder}: its weights would agree with it on {agreement:.1%} of {len(images):,} faces; "
                      f"{UNFIT}")
    train = config["train"]
    about = {"bundle": bundle.id, "recipe": bundle.provenance.recipe, "seed": bundle.provenance.seed,
             "dataset": bundle.provenance.dataset, "protocol": bundle.provenance.protocol,
             "votes": train.get("votes", 0.0), "teachers": train["teachers"] if train.get("teacher") else None}
    return start.write(name, net.get_weights(), about)


def unfolded(bundle: Bundle, config: dict[str, Any], images: np.ndarray) -> "keras.Model":
    """The Keras network of a bundle's ONNX file, its batch norms with the statistics of ``images`` ``(N, 48, 48)``."""
    with quiet():
        import keras

        from pipeline.training import models

    model = {**config["model"], "weights": start.RANDOM} if "weights" in config["model"] else config["model"]
    net = models.build(classes=len(bundle.classes), **model)
    convolutions = [layer for layer in net.layers if isinstance(layer, keras.layers.Conv2D)]
    norms = [layer for layer in net.layers if isinstance(layer, keras.layers.BatchNormalization)]
    folded, dense = _folded(bundle.folder / "model.onnx")
    norm_of = {id(norm.input): norm for norm in norms}
    if not folded or sorted(kernel.shape for kernel, _ in folded) != sorted(
            tuple(layer.kernel.shape) for layer in convolutions if id(layer.output) in norm_of):
        raise Failure(f"{bundle.folder}: {UNFIT}")
    net.get_layer("logits").set_weights(dense)
    for convolution in convolutions:
        # both orders follow the network, but for branches beside each other, whose kernels differ in shape
        shape = convolution.kernel.shape
        kernel, bias = folded.pop(next(index for index, (other, _) in enumerate(folded) if other.shape == shape))
        scale = KERNEL_RMS / np.maximum(np.sqrt((kernel**2).mean(axis=(0, 1, 2))), 1e-6)
        convolution.set_weights([kernel * scale])
        # divides by the scale again, until it has statistics
        norm = norm_of[id(convolution.output)]
        norm.set_weights([np.sqrt(1 + norm.epsilon) / scale, bias, np.zeros_like(bias), np.ones_like(bias)])
    before_norms = keras.Model(net.input, [layer.output for layer in convolutions])
    for convolution, maps in zip(convolutions, before_norms.predict_on_batch(images[..., None]), strict=True):
        norm = norm_of[id(convolution.output)]
        gamma, beta, _, variance = norm.get_weights()
        factor = gamma / np.sqrt(variance + norm.epsilon)
        mean, variance = maps.mean(axis=(0, 1, 2)), maps.var(axis=(0, 1, 2))
        norm.set_weights([factor * np.sqrt(variance + norm.epsilon), beta + factor * mean, mean, variance])
    return net


def _folded(path: Path) -> tuple[list[tuple[np.ndarray, np.ndarray]], list[np.ndarray]]:
    """An ONNX file's convolutions, kernel ``(H, W, I, O)`` and bias each, in the order in which they are computed, and
    the last layer's kernel and bias."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in values:
            array, scale, zero = (values[name].astype("float32") for name in node.input)
            # by filter, the first axis of a convolution's kernel and the last one of a dense layer's
            by_filter = [-1, *[1] * (array.ndim - 1)] if array.ndim == 4 else [-1]
            values[node.output[0]] = (array - zero.reshape(by_filter)) * scale.reshape(by_filter)
    folded = [(values[node.input[1]].transpose(2, 3, 1, 0), values[node.input[2]]) for node in graph.node
              if node.op_type == "Conv"]
    last = next(node for node in graph.node if node.op_type in ("Gemm", "MatMul"))
    return folded, [values[name] for name in last.input[1:3]]


def main(argv: list[str] | None = None) -> None:
    """Keep a model's weights for recipes that start from them (model.weights)."""
    parser = argparse.ArgumentParser("ferpipe start-from", description=main.__doc__)
    parser.add_argument("bundle", metavar="BUNDLE", nargs="?", help="a bundle's folder or id, an MLflow run's id, or a "
                        "registered version; default: the champion")
    parser.add_argument("--name", help="as in model.weights; default: the model's recipe")
    options = parser.parse_args(argv)
    bundle = Bundle.load(project.champion_folder()) if options.bundle is None else \
        shelves.find_one(options.bundle, shelves.bundles("start-from"), project.root() / "build/start-from")
    params = parameters.load().override({"dataset": bundle.provenance.dataset})
    path = start_from(bundle, downloaded(params), options.name or bundle.provenance.recipe)
    print(f"start-from: {path}, {path.stat().st_size / 1e6:.2f} MB; "
          f"model.weights={path.stem} starts from it")


if __name__ == "__main__":
    main()
