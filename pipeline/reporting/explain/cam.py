"""Class activation maps of a bundle's Keras network, for any recipe.

Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391) weighs the last feature maps by their mean gradient. That is what a
network does whose head averages its maps; ours weigh positions too (compact's depthwise pooling; flattened maps in cas,
vgg, harini, padova_inception), and there Grad-CAM can mark places that had no part in the answer. HiResCAM (Draelos &
Carin 2020, arXiv 2011.08891) multiplies maps and gradients position by position: where the head is linear its map adds
up to the logit, but for the bias, and where the head averages both are the same map. Hence it is the default. Packages
with these methods for Keras (tf-explain, tf-keras-vis) do not follow Keras 3, and both are a few lines.
"""

import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline.bundle.bundle import Bundle
from pipeline.faces.faces import SIZE
from pipeline.system.failure import Failure

if TYPE_CHECKING:
    import keras

Method = Literal["hirescam", "gradcam", "attention"]
BATCH = 64


def network(bundle: Bundle) -> "keras.Model":
    """A bundle's network, from images ``(N, 48, 48, 1)`` to logits ``(N, C)``. Raises Failure where it has no file."""
    from pipeline.training.importing import quiet

    path = bundle.folder / "model.keras"
    if not path.is_file():
        raise Failure(f"{path}: not there, as in the champion of git, which has none for its size, and in ensembles; "
                      "--method occlusion needs none, or name a bundle that was trained here, as data/fer2013/bundle")
    with quiet():
        import keras

        try:
            served = keras.saving.load_model(path, compile=False, safe_mode=True)
        except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise Failure(f"{path}: not a network of this project ({reason}); restore the file") from error
    # It was saved with its softmax, see ``models.with_softmax``
    nets = [layer for layer in served.layers if isinstance(layer, keras.Model)]
    if len(nets) != 1:
        raise Failure(f"{path}: expected one network and its softmax, found {len(nets)} networks; train it again")
    return nets[0]


def maps(net: "keras.Model", images: np.ndarray, labels: np.ndarray, method: Method) -> np.ndarray:
    """What speaks for a class and where: float32 ``(N, H, W)``, in units of the class's logit with ``hirescam``; with
    ``attention`` where the network looks, see there.

    Args:
        images: uint8 ``(N, 48, 48)``.
        labels: ``(N,)``, indices of classes.

    Returns one value for each position of the last feature maps, negative where they speak against it.
    """
    if method == "attention":
        return attention(net, images)
    return np.concatenate(list(_batches(net, images, labels, method)))


def _batches(net: "keras.Model", images: np.ndarray, labels: np.ndarray, method: Method) -> Iterator[np.ndarray]:
    import keras
    import tensorflow as tf

    both = keras.Model(net.input, [last_maps(net), net.output])
    for start in range(0, len(images), BATCH):
        batch = tf.constant(images[start : start + BATCH, ..., None], "float32")
        with tf.GradientTape() as tape:
            # Frozen layers would not be followed otherwise
            tape.watch(batch)
            features, logits = both(batch, training=False)
            chosen = tf.gather(logits, labels[start : start + BATCH], axis=1, batch_dims=1)
        gradients = tf.cast(tape.gradient(chosen, features), "float32")
        if method == "gradcam":
            gradients = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
        yield tf.reduce_sum(gradients * tf.cast(features, "float32"), axis=-1).numpy()


def last_maps(net: "keras.Model"):
    """The symbolic ``(N, H, W, C)`` that is the input of the last layer that reads positions.

    Not the output of the layer before it: where that is a network of its own (deepfer's backbone), its ``output`` is a
    tensor of that network's graph, which leads to no logits of this one.
    """
    def positions(layer) -> bool:
        shape = getattr(layer.input, "shape", ())  # of several inputs it is a list
        # Gates and global poolings have one
        return len(shape) == 4 and min(shape[1:3]) > 1

    return next(layer.input for layer in reversed(net.layers) if positions(layer))


def attention(net: "keras.Model", images: np.ndarray) -> np.ndarray:
    """By how much more than its mean over the face the last attention block (``models.cbam``) weighs each position:
    float32 ``(N, H, W)`` of uint8 images ``(N, 48, 48)``. It is the same for every class.

    Raises Failure for a network without such a block.
    """
    import keras

    blocks = [layer for layer in net.layers if layer.name.startswith("attention_")]
    if not blocks:
        raise Failure("--method attention: this network has no attention; the recipe attention's has, and the others' "
                      "maps come from --method hirescam")
    batches = range(0, len(images), BATCH)
    weights = keras.Model(net.input, blocks[-1].output)
    maps = np.concatenate([np.asarray(weights(images[start : start + BATCH, ..., None].astype("float32"),
                                              training=False), "float32")[..., 0] for start in batches])
    return maps - maps.mean(axis=(1, 2), keepdims=True)


def over_crop(net: "keras.Model", map_: np.ndarray) -> np.ndarray:
    """A map ``(H, W)`` over the crop ``(48, 48)``, -1 to 1; what the network's entrance cuts off has no part in it."""
    import cv2
    import keras

    edge = sum(layer.cropping[0][0] for layer in net.layers if isinstance(layer, keras.layers.Cropping2D))
    side = SIZE - 2 * edge
    shares = np.zeros((SIZE, SIZE), "float32")
    inside = slice(edge, SIZE - edge)
    shares[inside, inside] = cv2.resize(map_, (side, side), interpolation=cv2.INTER_LINEAR)
    return shares / max(float(np.abs(shares).max()), 1e-12)
