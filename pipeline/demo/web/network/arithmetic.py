"""ONNX operators as calls to the kernels of ``@tensorflow/tfjs-backend-wasm`` 4.22, for ``convert.py``.

A kernel's arguments are those of its C function; ``dist/kernels/*.js`` of the package shows them.
"""

import numpy as np

from pipeline.demo.web.network.writer import Constant, Node, Unsupported, Value

# Channels last, as the kernels want pictures
LAST = (0, 2, 3, 1)
# The activations that a convolution can do itself
LINEAR, RELU, RELU6 = 0, 1, 2
# Where FusedConv2D and FusedDepthwiseConv2D have that argument, counted from the kernel's name
ACTIVATION = 20
FLOAT = 0
# Adding and subtracting it rounds a small float32 to a whole number, halves to the even one
EVEN = 1.5 * 2**23


def _picture(node: Node) -> Value:
    if len(node.x.shape) != 4:
        raise Unsupported(f"of {len(node.x.shape)} axes")
    return node.writer.arranged(node.x, LAST)


def _window(node: Node, size: tuple[int, ...], kernel: list[int]) -> tuple[list[int], list[int], tuple[int, int]]:
    """Of a convolution or pooling: pads (top, left, bottom, right), strides, and the height and width of its result."""
    strides, dilations = node.get("strides", [1, 1]), node.get("dilations", [1, 1])
    reach = [(side - 1) * step + 1 for side, step in zip(kernel, dilations, strict=True)]
    pads, auto = list(node.get("pads", [0, 0, 0, 0])), node.get("auto_pad", "NOTSET")
    if auto.startswith("SAME"):
        spare = [max(0, (-(-side // step) - 1) * step + far - side)
                 for side, step, far in zip(size, strides, reach, strict=True)]
        small, large = [number // 2 for number in spare], [number - number // 2 for number in spare]
        pads = [*small, *large] if auto == "SAME_UPPER" else [*large, *small]
    if node.get("ceil_mode", 0):
        raise Unsupported("with ceil_mode")
    height, width = ((side + pads[at] + pads[at + 2] - reach[at]) // strides[at] + 1 for at, side in enumerate(size))
    return pads, strides, (height, width)


def convolution(node: Node) -> Value:
    x, weights = _picture(node), node.constant(1)
    assert weights is not None
    out, per_group, height, width = weights.array.shape
    group, channels = node.get("group", 1), x.shape[1]
    depthwise = group == channels and group > 1
    if group > 1 and not (depthwise and per_group == 1):
        raise Unsupported(f"of {group} groups")
    # a depthwise kernel wants (height, width, channels, multiplier), any other (height, width, in, out)
    if depthwise and out != channels:
        raise Unsupported("of several outputs for each channel")
    filters = node.writer.constant(weights, (2, 3, 1, 0))
    bias = node.constant(2)
    bias_id = node.writer.constant(bias) if bias is not None else 0
    pads, strides, size = _window(node, x.shape[2:], [height, width])
    new = node.writer.new((1, out, *size), LAST)
    node.writer.call("FusedDepthwiseConv2D" if depthwise else "FusedConv2D", x.tensor, 1, *x.shape[2:], filters,
                     height, width, bias_id, pads[0], pads[3], pads[2], pads[1], 0, *node.get("dilations", [1, 1]),
                     *strides, channels, out, LINEAR, 0, 0, new.tensor)
    return new


def pooling(node: Node) -> Value:
    x, kernel = _picture(node), node.get("kernel_shape")
    pads, strides, size = _window(node, x.shape[2:], kernel)
    average = node.op == "AveragePool"
    if average and any(pads) and node.get("count_include_pad", 0):
        raise Unsupported("that counts its padding")
    new = node.writer.new((*x.shape[:2], *size), LAST)
    head = (x.tensor, 1, *x.shape[2:], *kernel, pads[0], pads[3], pads[2], pads[1])
    if average:
        node.writer.call("AvgPool", *head, *strides, x.shape[1], new.tensor)
    else:
        node.writer.call("MaxPool", *head, *node.get("dilations", [1, 1]), *strides, x.shape[1], x.shape[1], new.tensor)
    return new


def global_average(node: Node) -> Value:
    x = _picture(node)
    new = node.writer.new((*x.shape[:2], 1, 1), LAST)
    node.writer.call("AvgPool", x.tensor, 1, *x.shape[2:], *x.shape[2:], 0, 0, 0, 0, 1, 1, x.shape[1], new.tensor)
    return new


def reduction(node: Node) -> Value:
    """A mean or a sum."""
    x = node.x
    rank = len(x.shape)
    axes = sorted(axis % rank for axis in node.numbers("axes", 1) or range(rank))
    kept = [axis for axis in x.order if axis not in axes]
    # the kernel averages over the last axes in memory, whatever their order
    x = node.writer.arranged(x, (*kept, *[axis for axis in x.order if axis in axes]))
    shape = tuple(1 if axis in axes else side for axis, side in enumerate(x.shape))
    new = node.writer.new(shape, x.order)
    size = int(np.prod([x.shape[axis] for axis in axes]))
    if node.op == "ReduceMean":
        node.writer.call("Mean", x.tensor, size, new.tensor)
    else:
        node.writer.call("Sum", x.tensor, size, FLOAT, new.tensor)
    if node.get("keepdims", 1):
        return new
    new = node.writer.arranged(new, tuple(range(rank)))
    return node.writer.view(new, tuple(side for axis, side in enumerate(shape) if axis not in axes))


BINARY = {"Add": "Add", "Sum": "Add", "Sub": "Sub", "Mul": "Multiply", "Div": "RealDiv", "Max": "Maximum",
          "Min": "Minimum"}


def binary(node: Node) -> Value:
    first, *others = (item for item in node.inputs if item is not None)
    for other in others:
        first = _pair(node, first, other)
    return first if isinstance(first, Value) else node.x


def _pair(node: Node, one: Value | Constant, other: Value | Constant) -> Value:
    shapes = [item.array.shape if isinstance(item, Constant) else item.shape for item in (one, other)]
    shape = tuple(np.broadcast_shapes(*shapes))
    # the order in memory of the operand with all axes; the other's follows
    order = next((item.order for item in (one, other) if isinstance(item, Value) and len(item.shape) == len(shape)),
                 tuple(range(len(shape))))
    arguments: list = []
    for item in (one, other):
        if isinstance(item, Constant):
            full = item.array.reshape((1,) * (len(shape) - item.array.ndim) + item.array.shape)
            arguments += [node.writer.constant(Constant(full), order), [full.shape[axis] for axis in order], len(shape)]
            continue
        if len(item.shape) < len(shape):
            item = node.writer.arranged(item, tuple(range(len(item.shape))))
            item = node.writer.view(item, (1,) * (len(shape) - len(item.shape)) + item.shape)
        item = node.writer.arranged(item, order)
        arguments += [item.tensor, list(item.stored), len(shape)]
    new = node.writer.new(shape, order)
    node.writer.call(BINARY[node.op], *arguments, FLOAT, new.tensor)
    return new


UNARY = {"Relu": "Relu", "Tanh": "Tanh", "Neg": "Neg", "Sqrt": "Sqrt", "Reciprocal": "Reciprocal", "Elu": "Elu",
         "Exp": "Exp", "Log": "Log", "Abs": "Abs", "Erf": "Erf"}


def unary(node: Node) -> Value:
    x, new = node.x, node.writer.new(node.x.shape, node.x.order)
    node.writer.call(UNARY[node.op], x.tensor, FLOAT, new.tensor)
    return new


def _activated(node: Node, activation: int) -> Value | None:
    """The input when the convolution before can do the activation itself."""
    last = node.writer.calls[-1] if node.writer.calls else [""]
    if node.only and last[0].startswith("Fused") and last[-1] == node.x.tensor and last[ACTIVATION] == LINEAR:
        last[ACTIVATION] = activation
        return node.x
    return None


def relu(node: Node) -> Value:
    return _activated(node, RELU) or unary(node)


def sigmoid(node: Node) -> Value:
    x, new = node.x, node.writer.new(node.x.shape, node.x.order)
    node.writer.call("Sigmoid", x.tensor, new.tensor)
    return new


def leaky_relu(node: Node) -> Value:
    x, new = node.x, node.writer.new(node.x.shape, node.x.order)
    node.writer.call("LeakyRelu", x.tensor, FLOAT, node.get("alpha", 0.01), new.tensor)
    return new


def clip(node: Node) -> Value:
    limits = [(node.numbers("", at) or [default])[0] for at, default in ((1, -3.4e38), (2, 3.4e38))]
    if limits == [0, 6] and (value := _activated(node, RELU6)):
        return value
    x, new = node.x, node.writer.new(node.x.shape, node.x.order)
    node.writer.call("ClipByValue", x.tensor, *limits, new.tensor)
    return new


def quantise(node: Node) -> Value:
    """Rounded to the scale's steps, as the integers' product would be; the values stay floats."""
    scale, zero = node.constant(1), node.constant(2)
    if scale is None or scale.array.size != 1 or (zero is not None and zero.array.dtype not in (np.int8, np.uint8)):
        raise Unsupported("other than to 8 bits with one scale")
    offset, kind = (int(zero.array), zero.array.dtype) if zero is not None else (0, np.dtype("uint8"))
    limits, x, writer = np.iinfo(kind), node.x, node.writer
    # in place where nobody else reads the memory
    new = x if node.only and writer.owns(x) else writer.new(x.shape, x.order)
    size, step = [int(np.prod(x.shape))], writer.constant(Constant(scale.array.reshape(1)))
    even = writer.constant(Constant(np.array([EVEN], "float32")))
    writer.call("RealDiv", x.tensor, size, 1, step, [1], 1, FLOAT, new.tensor)
    writer.call("ClipByValue", new.tensor, int(limits.min) - offset, int(limits.max) - offset, new.tensor)
    for kernel, other in (("Add", even), ("Sub", even), ("Multiply", step)):
        writer.call(kernel, new.tensor, size, 1, other, [1], 1, FLOAT, new.tensor)
    return new


def normalisation(node: Node) -> Value:
    factor, shift, means, variances = (node.constant(index).array for index in range(1, 5))  # type: ignore[union-attr]
    scale = factor / np.sqrt(variances + node.get("epsilon", 1e-5))
    shape = (1, -1, *[1] * (len(node.x.shape) - 2))
    x, writer = node.x, node.writer
    for kernel, array in (("Multiply", scale), ("Add", shift - means * scale)):
        new, full = writer.new(x.shape, x.order), Constant(array.reshape(shape).astype("float32"))
        writer.call(kernel, x.tensor, list(x.stored), len(x.shape), writer.constant(full, x.order),
                    [full.array.shape[axis] for axis in x.order], len(x.shape), FLOAT, new.tensor)
        x = new
    return x
