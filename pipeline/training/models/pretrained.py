"""The weights that a network's backbone starts from: ImageNet's, a file's, or random ones."""

import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from pipeline.system.failure import Failure

# The name of the pretrained part inside a network; the rest is the head
BACKBONE = "backbone"
# Seconds after which a server that does not answer counts as unreachable
PATIENCE = 30
# The overrides for random weights
RANDOM = "model.weights=none 'train.stages=[]'"


def load(make: Callable[..., keras.Model], weights: str) -> tuple[keras.Model, str]:
    """A backbone and what it starts from, for the provenance: ``ImageNet weights 0123456789ab`` (a hash of them).

    Args:
        make: takes ``weights=`` as the networks of keras.applications do.
        weights: ``imagenet`` (downloaded by Keras once, then from its cache), ``none`` (random) or a file's path.

    Raises Failure where the weights cannot be had; it never falls back to random ones.
    """
    if weights == "none":
        return make(weights=None), "random weights"
    if weights == "imagenet":
        net = _downloaded(make)
        return net, f"ImageNet weights {_digest(net)}"
    # DVC's temporary experiments run beside the project, which holds the file
    file = Path(os.environ.get("DVC_ROOT", ""), weights)
    if not file.is_file():
        raise Failure(f"model.weights: there is no file {file}; give one, or say imagenet, or "
                      f"{RANDOM} for random weights")
    net = make(weights=None)
    try:
        net.load_weights(file)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure(f"model.weights: {file} does not fit {net.name} ({_first_line(error)}); give the file without "
                      f"the top layer, or start from random weights with {RANDOM}") from error
    return net, f"weights {_digest(net)} of {file.name}"


def _downloaded(make: Callable[..., keras.Model]) -> keras.Model:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        return make(weights="imagenet")
    # Keras raises a bare Exception for an address that does not answer
    except Exception as error:
        raise Failure(f"model.weights: ImageNet's weights cannot be had ({_first_line(error)}); give a file with "
                      f"model.weights=PATH, or start from random weights with {RANDOM}") from error
    finally:
        socket.setdefaulttimeout(before)


def _digest(net: keras.Model) -> str:
    sha = hashlib.sha256()
    for array in net.get_weights():
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()[:12]


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
