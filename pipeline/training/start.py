"""Weights that a recipe starts from instead of random ones: those of a network that was trained before.

A file a network in the folder weights/, by the name of its recipe, made by ``ferpipe start-from``. It holds the
kernels in int8 with a scale for each filter, all else in float32, and says which model it is and what that was trained
on. Needs numpy alone.
"""

import json
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pipeline.system import plain_json
from pipeline.system.atomic import atomic_file
from pipeline.system.damage import DAMAGE
from pipeline.system.failure import Failure, did_you_mean

FOLDER = Path(__file__).parent / "weights"
RANDOM = "none"
# int8 without -128, so that it is symmetrical
LARGEST = 127


class Network(Protocol):
    """What is needed of a keras.Model."""

    def get_weights(self) -> list[np.ndarray]: ...

    def set_weights(self, weights: list[np.ndarray]) -> None: ...


@dataclass(frozen=True)
class Start:
    """Weights to start from.

    Attributes:
        name: of the file.
        about: ``bundle``, ``recipe``, ``seed``, ``dataset`` and ``protocol`` of the model; ``votes``, their weight in
            its training, and ``teachers``, their name or None.
        arrays: the network's weights in Keras's order, the last layer's kernel and bias at the end.
    """

    name: str
    about: dict[str, Any]
    arrays: list[np.ndarray]

    def __str__(self) -> str:
        return f"weights of {self.name} ({self.about['bundle']})"


def names() -> list[str]:
    """All that recipes can start from."""
    return sorted(file.stem for file in FOLDER.glob("*.npz"))


def about(name: str) -> dict[str, Any]:
    """The origin of the weights of this name, as in ``Start``, without the weights. Raises Failure as ``read`` does."""
    with _opened(name) as file:
        return _about(file)


def classes(name: str) -> int:
    """How many classes the network of this name knew. Raises Failure as ``read`` does."""
    with _opened(name) as file:
        return len(file[str(int(file["count"]) - 1)])


def read(name: str) -> Start:
    """The weights of this name. Raises Failure where there are none, or the file is another kind of file."""
    with _opened(name) as file:
        arrays = [file[str(index)] * file[f"{index} scale"] if f"{index} scale" in file else file[str(index)]
                  for index in range(int(file["count"]))]
        return Start(name, _about(file), arrays)


@contextmanager
def _opened(name: str) -> Iterator[Any]:
    path = FOLDER / f"{name}.npz"
    if name not in names():
        raise Failure(f"model.weights: there are no weights {name!r:.40}{did_you_mean(name, names())}; there are "
                      f"{', '.join([RANDOM, *names()])}")
    try:
        with np.load(path, allow_pickle=False) as file:
            yield file
    except (*DAMAGE, KeyError, TypeError) as error:
        raise Failure(f"{path}: no weights to start from ({error}); make them with `ferpipe start-from`") from error


def _about(file: Any) -> dict[str, Any]:
    content = plain_json.parse(str(file["about"]))
    if not isinstance(content, dict) or not {"bundle", "protocol"} <= content.keys():
        raise ValueError(f"expected the model's origin, found {reprlib.repr(content)}")
    return content


def write(name: str, arrays: list[np.ndarray], about: dict[str, Any]) -> Path:
    """Keep a network's weights under this name."""
    content: dict[str, Any] = {"count": len(arrays), "about": json.dumps(about)}
    for index, array in enumerate(arrays):
        if array.ndim > 1:
            scale = np.maximum(abs(array).max(axis=tuple(range(array.ndim - 1))) / LARGEST, 1e-12).astype("float32")
            content[str(index)], content[f"{index} scale"] = np.round(array / scale).astype("int8"), scale
        else:
            content[str(index)] = array.astype("float32")
    path = FOLDER / f"{name}.npz"
    with atomic_file(path) as new, open(new, "wb") as file:
        np.savez_compressed(file, **content)
    return path


def begin(net: Network, name: str) -> str:
    """Give a network these weights, and say which they are, for the provenance. The last layer keeps its own where it
    knows other classes.

    Raises Failure where they are another network's.
    """
    start, fresh = read(name), net.get_weights()
    if len(start.arrays) != len(fresh) or any(a.shape != b.shape
                                              for a, b in zip(start.arrays[:-2], fresh[:-2], strict=True)):
        raise Failure(f"model.weights: those of {name} are another network's; leave the model's other options as "
                      f"recipe {start.about['recipe']} has them, or start from random weights with "
                      f"model.weights={RANDOM}")
    same_classes = start.arrays[-1].shape == fresh[-1].shape
    net.set_weights(start.arrays if same_classes else [*start.arrays[:-2], *fresh[-2:]])
    return str(start)
