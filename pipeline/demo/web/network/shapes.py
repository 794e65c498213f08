"""ONNX operators that move values, and products of matrices, for ``convert.py``; see ``arithmetic.py``."""

import numpy as np

from pipeline.demo.web.network.arithmetic import FLOAT, LAST, LINEAR
from pipeline.demo.web.network.writer import Constant, Node, Unsupported, Value


def _plain(node: Node, value: Value | None = None) -> Value:
    """A value (the first input) with its axes in memory as in ONNX."""
    value = value or node.x
    return node.writer.arranged(value, tuple(range(len(value.shape))))


def same(node: Node) -> Value:
    return node.writer.view(node.x, node.x.shape, node.x.order)


def transpose(node: Node) -> Value:
    """Nothing moves: the axes get other numbers."""
    x = node.x
    axes = list(node.get("perm", range(len(x.shape))[::-1]))
    return node.writer.view(x, tuple(x.shape[axis] for axis in axes), tuple(axes.index(axis) for axis in x.order))


def reshape(node: Node) -> Value:
    x = _plain(node)
    wanted = node.constant(1)
    assert wanted is not None
    sides = [x.shape[at] if side == 0 else int(side) for at, side in enumerate(wanted.array.tolist())]
    size = int(np.prod(x.shape))
    if -1 in sides:
        sides[sides.index(-1)] = size // -int(np.prod(sides))
    if int(np.prod(sides)) != size:
        raise Unsupported("that joins several pictures")
    return node.writer.view(x, tuple(sides))


def flatten(node: Node) -> Value:
    x = _plain(node)
    first = int(np.prod(x.shape[: node.get("axis", 1)]))
    return node.writer.view(x, (first, int(np.prod(x.shape)) // first))


def squeeze(node: Node) -> Value:
    x = _plain(node)
    rank = len(x.shape)
    axes = node.numbers("axes", 1) or [axis for axis, side in enumerate(x.shape) if side == 1]
    gone = {axis % rank for axis in axes}
    return node.writer.view(x, tuple(side for axis, side in enumerate(x.shape) if axis not in gone))


def unsqueeze(node: Node) -> Value:
    x = _plain(node)
    shape, axes = list(x.shape), node.numbers("axes", 1) or []
    for axis in sorted(axis % (len(shape) + len(axes)) for axis in axes):
        shape.insert(axis, 1)
    return node.writer.view(x, tuple(shape))


def pad(node: Node) -> Value:
    x, pads = node.x, node.numbers("pads", 1) or []
    if node.get("mode", "constant") != "constant" or min(pads) < 0:
        raise Unsupported("other than with a constant")
    rank = len(x.shape)
    shape = tuple(pads[axis] + side + pads[rank + axis] for axis, side in enumerate(x.shape))
    new = node.writer.new(shape, x.order)
    value = node.constant(2)
    node.writer.call("PadV2", x.tensor, list(x.stored), rank, FLOAT, [pads[axis] for axis in x.order],
                     [pads[rank + axis] for axis in x.order], float(value.array.item()) if value is not None else 0,
                     new.tensor)
    return new


def resize(node: Node) -> Value:
    x = node.writer.arranged(node.x, LAST) if len(node.x.shape) == 4 else None
    how, mode = node.get("coordinate_transformation_mode", "half_pixel"), node.get("mode", "nearest")
    scales, sizes = node.constant(2), node.constant(3) if len(node.inputs) > 3 else None
    if x is None or how not in ("half_pixel", "asymmetric", "align_corners") or mode not in ("nearest", "linear"):
        raise Unsupported(f"with {how} and {mode}")
    if mode == "nearest" and (how != "asymmetric" or node.get("nearest_mode") != "floor"):
        raise Unsupported(f"to the nearest pixel with {how}")
    if sizes is not None and sizes.array.size:
        shape = tuple(int(side) for side in sizes.array)
    else:
        assert scales is not None
        shape = tuple(int(side * scale) for side, scale in zip(x.shape, scales.array.tolist(), strict=True))
    if shape[:2] != x.shape[:2]:
        raise Unsupported("of the channels")
    new = node.writer.new(shape, LAST)
    node.writer.call("ResizeBilinear" if mode == "linear" else "ResizeNearestNeighbor", x.tensor, 1, *x.shape[2:],
                     x.shape[1], *shape[2:], int(how == "align_corners"), int(how == "half_pixel"), new.tensor)
    return new


def slices(node: Node) -> Value:
    x = node.x
    rank = len(x.shape)
    starts, ends = node.numbers("starts", 1) or [], node.numbers("ends", 2) or []
    axes = node.numbers("axes", 3) or list(range(len(starts)))
    steps = node.numbers("steps", 4) or [1] * len(starts)
    cuts = [slice(0, side, 1) for side in x.shape]
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if step < 1:
            raise Unsupported("backwards")
        cuts[axis % rank] = slice(*slice(start, end, step).indices(x.shape[axis % rank]))
    shape = tuple(len(range(cut.start, cut.stop, cut.step)) for cut in cuts)
    new = node.writer.new(shape, x.order)
    ordered = [cuts[axis] for axis in x.order]
    node.writer.call("StridedSlice", x.tensor, _strides(x.stored), rank, [cut.start for cut in ordered],
                     [cut.stop for cut in ordered], [cut.step for cut in ordered], list(new.stored),
                     _strides(new.stored), rank, new.tensor)
    return new


def _strides(shape: tuple[int, ...]) -> list[int]:
    """The strides of all axes but the last."""
    return [int(np.prod(shape[axis + 1:])) for axis in range(len(shape) - 1)]


def concatenate(node: Node) -> Value:
    values = [node.value(index) for index in range(len(node.inputs))]
    order = values[0].order
    values = [node.writer.arranged(value, order) for value in values]
    rank = len(order)
    axis = node.get("axis") % rank
    shape = list(values[0].shape)
    shape[axis] = sum(value.shape[axis] for value in values)
    new = node.writer.new(tuple(shape), order)
    # runs of so many values come from each input in turn
    runs = [int(np.prod(value.stored[order.index(axis):])) for value in values]
    node.writer.call("concatenate", [value.tensor for value in values], runs, new.tensor)
    return new


def product(node: Node) -> Value:
    """Gemm, or MatMul of matrices."""
    x, weights, bias = _plain(node), node.constant(1), node.constant(2)
    if weights is None or weights.array.ndim != 2 or len(x.shape) != 2 or node.get("transA", 0) \
            or node.get("alpha", 1.0) != 1 or node.get("beta", 1.0) != 1:
        raise Unsupported("other than of values with a constant matrix")
    order = (1, 0) if node.get("transB", 0) else (0, 1)
    rows, columns = (weights.array.shape[axis] for axis in order)
    bias_id = 0 if bias is None else node.writer.constant(
        Constant(np.broadcast_to(bias.array.reshape(-1), (columns,))))
    new = node.writer.new((x.shape[0], columns))
    node.writer.call("_FusedMatMul", x.tensor, [1, *x.shape], 3, node.writer.constant(weights, order),
                     [1, rows, columns], 3, 0, 0, LINEAR, bias_id, 0, 0, new.tensor)
    return new


def softmax(node: Node) -> Value:
    x = _plain(node)
    if node.get("axis", -1) % len(x.shape) != len(x.shape) - 1:
        raise Unsupported("along another axis than the last")
    new = node.writer.new(x.shape)
    node.writer.call("Softmax", x.tensor, new.tensor, x.shape[-1], int(np.prod(x.shape[:-1])))
    return new
