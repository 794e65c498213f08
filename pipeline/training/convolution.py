"""Convolutions whose kernel's gradient is matrix products, one for 1x1 and nine for 3x3; and those over whole maps.

On processors with AVX2 (and no AVX-512) the products in float32 are 1.0 to 1.5 times as fast as oneDNN's kernel for
that gradient, which takes two fifths of a training step there. On processors that multiply bfloat16 the products in
bfloat16 are 1.1 to 2.6 times as fast where maps are small. Forward and towards the images, oneDNN's kernels stay.
"""

import keras
from keras import layers, ops

from pipeline.training import hardware

# In float32. Images in one product: enough rows where the maps are small, and still a few products side by side in a
# batch, which TensorFlow deals out among the cores
TOGETHER = 8
# Channels by filters, by the kernel's side; smaller products are not faster, nor are the 25 of 5x5
LEAST = {1: 256, 3: 2048}
# In bfloat16, with a whole batch in one product: 3x3 kernels of at least so many channels over maps of at most so many
# pixels a side, those after strides
LEAST_CHANNELS, LARGEST_MAP = 64, 10


class ProductConv2D(layers.Conv2D):
    """Keras's layer over images ``(N, H, W, C)``, under TensorFlow; the same to rounding."""

    @staticmethod
    def can_replace(layer: keras.Layer) -> bool:
        """Whether this class does what a built layer does, and that layer is large enough for its products to pay on
        this machine."""
        if type(layer) is not layers.Conv2D or layer.data_format != "channels_last":
            return False
        height, width, channels, filters = layer.kernel.shape
        if height != width or layer.groups != 1 or layer.dilation_rate != (1, 1):
            return False
        if layer.compute_dtype == "float32":
            return (height in LEAST and channels * filters >= LEAST[height] and layer.strides == (1, 1)
                    and hardware.gains("products"))
        return (height == 3 and channels >= LEAST_CHANNELS and layer.strides in ((1, 1), (2, 2))
                and hardware.gains("bfloat16 products"))

    def convolution_op(self, inputs, kernel):
        import tensorflow as tf

        padding, stride = self.padding.upper(), self.strides[0]
        if self.compute_dtype != "float32" and max(inputs.shape[1:3]) > LARGEST_MAP * stride:
            return super().convolution_op(inputs, kernel)

        @tf.custom_gradient
        def convolved(images, kernel):
            def gradients(upstream):
                # towards the images as in Keras's own layer; only the kernel's gradient differs
                back = tf.nn.conv2d_transpose(upstream, kernel, tf.shape(images), stride, padding)
                return back, kernel_gradient(images, upstream, kernel.shape[0], stride, padding)

            return tf.nn.conv2d(images, kernel, stride, padding), gradients

        return convolved(tf.convert_to_tensor(inputs), tf.convert_to_tensor(kernel))


def kernel_gradient(images, upstream, side: int, stride: int, padding: str):
    """The gradient ``(side, side, C, F)`` with respect to the kernel of a convolution of images ``(N, H, W, C)``, from
    the gradient with respect to its outputs, ``upstream`` ``(N, H', W', F)``; ``padding`` is ``SAME`` or ``VALID``.

    An output pixel is the sum over the kernel's pixels (y, x) of the image's pixel at that offset times the kernel's
    ``(C, F)`` matrix there. So that matrix's gradient is a sum over all output pixels: the image, moved by (y, x) and
    thinned by the stride, as a matrix of pixels by C, transposed, times ``upstream`` as one of pixels by F.
    """
    import tensorflow as tf

    count, (height, width), filters = tf.shape(upstream)[0], upstream.shape[1:3], upstream.shape[3]
    channels = images.shape[-1]
    # rows and columns as multiples of the stride, so that a thinned image is a slice of (N, H, stride, W, stride, C):
    # TensorFlow is slow where slices leave pixels out
    margins, blocks = [[0, 0]], []
    for pixels, outputs in zip(images.shape[1:3], (height, width), strict=True):
        before = max((outputs - 1) * stride + side - pixels, 0) // 2 if padding == "SAME" else 0
        blocks.append(outputs + (side - 1) // stride)
        margins.append([before, stride * blocks[-1] - pixels - before])
    grid = tf.reshape(tf.pad(images, [*margins, [0, 0]]), (count, blocks[0], stride, blocks[1], stride, channels))
    rows: tuple = (count * height * width,)
    if images.dtype != tf.bfloat16:
        # a batch that cannot be divided by TOGETHER, mostly an epoch's last, goes image by image
        together = tf.where(count % TOGETHER == 0, TOGETHER, 1)
        rows = (count // together, together * height * width)
    upstream = tf.reshape(upstream, (*rows, filters))

    def product(y: int, x: int):
        (row, y), (column, x) = divmod(y, stride), divmod(x, stride)
        moved = tf.reshape(grid[:, row:row + height, y, column:column + width, x], (*rows, channels))
        matrices = tf.matmul(moved, upstream, transpose_a=True)
        return matrices if len(rows) == 1 else tf.reduce_sum(matrices, axis=0)

    matrices = tf.stack([product(y, x) for y in range(side) for x in range(side)])
    return tf.reshape(matrices, (side, side, channels, filters))


class WholeMapDepthwiseConv2D(layers.DepthwiseConv2D):
    """Keras's layer over images ``(N, H, W, C)`` that its kernel covers whole: one product of every value and a sum,
    which is in float32; the same to rounding."""

    @staticmethod
    def can_replace(layer: keras.Layer) -> bool:
        """Whether this class does what a layer of a network does."""
        return (type(layer) is layers.DepthwiseConv2D and layer.padding == "valid" and layer.depth_multiplier == 1
                and layer.data_format == "channels_last" and layer.dilation_rate == (1, 1)
                and tuple(layer.kernel.shape[:2]) == tuple(layer.input.shape[1:3]))

    def call(self, inputs):
        products = inputs * ops.cast(self.kernel, inputs.dtype)[None, ..., 0]
        x = ops.sum(ops.cast(products, "float32"), axis=(1, 2), keepdims=True)
        if self.use_bias:
            x = x + ops.cast(self.bias, "float32")
        return self.activation(ops.cast(x, self.compute_dtype))
