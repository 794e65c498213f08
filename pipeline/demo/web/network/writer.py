"""Collecting the tensors, weights and calls of a network for the browser; ``convert.py`` describes the file."""

import json
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class Unsupported(Exception):
    """The browser's kernels cannot do what a node wants; the message ends the sentence "OP ..."."""


@dataclass(frozen=True)
class Value:
    """An activation. ONNX keeps channels first, the kernels want them last, so its axes may lie in another order.

    Attributes:
        tensor: its id.
        shape: as in ONNX.
        order: axis ``order[k]`` of ``shape`` is axis k in memory.
    """

    tensor: int
    shape: tuple[int, ...]
    order: tuple[int, ...]

    @property
    def stored(self) -> tuple[int, ...]:
        """The shape in memory."""
        return tuple(self.shape[axis] for axis in self.order)


@dataclass(frozen=True)
class Constant:
    """Weights or another constant: ``array``, and, when it is int8, its integers and their scales along ``axis``."""

    array: np.ndarray
    integers: np.ndarray | None = None
    scales: np.ndarray | None = None
    axis: int = 0


@dataclass
class Writer:
    """Collects tensors, weights and calls."""

    tensors: list[list] = field(default_factory=list)
    calls: list[list] = field(default_factory=list)
    weights: bytearray = field(default_factory=bytearray)
    # Equal constants are written once
    _known: dict[tuple, int] = field(default_factory=dict)

    def tensor(self, shape: tuple[int, ...], *more) -> int:
        self.tensors.append([int(np.prod(shape)), *more])
        return len(self.tensors)

    def new(self, shape: tuple[int, ...], order: tuple[int, ...] | None = None) -> Value:
        """An activation with memory of its own."""
        return Value(self.tensor(shape), tuple(shape), order or tuple(range(len(shape))))

    def view(self, value: Value, shape: tuple[int, ...], order: tuple[int, ...] | None = None) -> Value:
        """The same memory in another shape."""
        return Value(self.tensor(shape, value.tensor), tuple(shape), order or tuple(range(len(shape))))

    def owns(self, value: Value) -> bool:
        """Whether the value has memory of its own, so that no other value can be seen in it."""
        return len(self.tensors[value.tensor - 1]) == 1

    def call(self, kernel: str, *arguments) -> None:
        self.calls.append([kernel, *arguments])

    def arranged(self, value: Value, order: tuple[int, ...]) -> Value:
        """The value with its axes in this order in memory: moved, unless only axes of size 1 change their place."""
        def long(axes: tuple[int, ...]) -> list[int]:
            return [axis for axis in axes if value.shape[axis] > 1]

        if value.order == order:
            return value
        if long(value.order) == long(order):
            return self.view(value, value.shape, order)
        new = self.new(value.shape, order)
        # the kernel is quick for few axes, so those of size 1 are left out
        axes = long(value.order)
        self.call("Transpose", value.tensor, [value.shape[axis] for axis in axes], len(axes), 0, new.tensor,
                  [axes.index(axis) for axis in long(order)], len(axes))
        return new

    def constant(self, constant: Constant, order: tuple[int, ...] | None = None) -> int:
        """The id of a constant's tensor, its axes in this order."""
        order = order or tuple(range(constant.array.ndim))
        if constant.integers is not None and constant.scales is not None and constant.axis == order[-1]:
            scales = np.broadcast_to(constant.scales.reshape(-1), constant.array.shape[constant.axis])
            identity = self.constant(Constant(scales))
            return self._stored("i8", constant.integers.transpose(order), identity)
        array = constant.array.astype("float32").transpose(order)
        with np.errstate(over="ignore"):
            half = array.astype("float16")
        exact = np.array_equal(half.astype("float32"), array)
        return self._stored("f16" if exact else "f32", half if exact else array)

    def _stored(self, kind: str, array: np.ndarray, *more: int) -> int:
        content = np.ascontiguousarray(array).tobytes()
        key = kind, content, more
        if key not in self._known:
            self._known[key] = self.tensor(array.shape, kind, len(self.weights), *more)
            self.weights += content + bytes(-len(content) % 4)
        return self._known[key]

    def file(self, source: Value, outputs: dict[str, Value]) -> bytes:
        header = {"input": source.tensor, "inputShape": source.shape,
                  "outputs": {name: value.tensor for name, value in outputs.items()},
                  "tensors": self.tensors, "calls": self.calls}
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        return struct.pack("<I", len(text)) + text + bytes(self.weights)


class Node:
    """A node of the ONNX graph with its inputs, for the functions of ``kernels.py``.

    Attributes:
        inputs: a Value, a Constant or None (left out) each.
        only: no other node reads the first input.
    """

    def __init__(self, proto, inputs: list[Value | Constant | None], only: bool, writer: Writer):
        from onnx import helper

        self.op, self.inputs, self.only, self.writer = proto.op_type, inputs, only, writer
        self._attributes = {item.name: helper.get_attribute_value(item) for item in proto.attribute}

    def get(self, name: str, default: Any = None) -> Any:
        value = self._attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    @property
    def x(self) -> Value:
        """The first input."""
        return self.value(0)

    def value(self, index: int) -> Value:
        """An input; a constant becomes a tensor."""
        item = self.inputs[index]
        if isinstance(item, Constant):
            return Value(self.writer.constant(item), item.array.shape, tuple(range(item.array.ndim)))
        if item is None:
            raise Unsupported("without an input that it needs")
        return item

    def constant(self, index: int) -> Constant | None:
        """An input that must be a constant; None when it is left out."""
        item = self.inputs[index] if index < len(self.inputs) else None
        if isinstance(item, Value):
            raise Unsupported(f"whose input {index} is computed")
        return item

    def numbers(self, name: str, index: int) -> list | None:
        """An attribute that newer ONNX has as its input number ``index``."""
        constant = self.constant(index)
        if constant is not None and constant.array.size:
            return constant.array.reshape(-1).tolist()
        return self.get(name)
