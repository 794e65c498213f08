"""3x3 convolutions whose kernel's gradient is nine matrix products: on processors with AVX2 1.0 to 1.5 times as fast as
oneDNN's kernel for it, which takes two fifths of a training step there."""

import keras
from keras import layers

# Images in one product: enough rows where the maps are small, and still a few products side by side in a batch
TOGETHER = 8
# Channels by filters; smaller products are not faster
LEAST = 2048


class ProductConv2D(layers.Conv2D):
    """Keras's layer over images ``(N, H, W, C)``, under TensorFlow; the same to rounding."""

    @staticmethod
    def stands_for(layer: keras.Layer) -> bool:
        """Whether this layer does what the other, which is built, does."""
        return (type(layer) is layers.Conv2D and layer.kernel_size == (3, 3) and layer.strides == (1, 1)
                and layer.dilation_rate == (1, 1) and layer.groups == 1 and layer.data_format == "channels_last"
                and layer.compute_dtype == "float32" and layer.kernel.shape[2] * layer.filters >= LEAST)

    def convolution_op(self, inputs, kernel):
        import tensorflow as tf

        padding = self.padding.upper()

        @tf.custom_gradient
        def convolved(images, kernel):
            def gradients(upstream):
                back = tf.nn.conv2d_transpose(upstream, kernel, tf.shape(images), 1, padding)
                return back, kernel_gradient(images, upstream, padding)

            return tf.nn.conv2d(images, kernel, 1, padding), gradients

        return convolved(tf.convert_to_tensor(inputs), tf.convert_to_tensor(kernel))


def kernel_gradient(images, upstream, padding: str):
    """The gradient ``(3, 3, C, F)`` by the kernel of a 3x3 convolution of images ``(N, H, W, C)``, from the gradient by
    its outputs ``(N, H', W', F)``: for each place in the kernel, the images moved there times the latter."""
    import tensorflow as tf

    if padding == "SAME":
        images = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
    count, height, width, filters = tf.unstack(tf.shape(upstream))
    together = tf.where(count % TOGETHER == 0, TOGETHER, 1)
    rows, channels = (count // together, together * height * width), images.shape[-1]
    upstream = tf.reshape(upstream, (*rows, filters))

    def product(y: int, x: int):
        moved = tf.reshape(images[:, y:y + height, x:x + width], (*rows, channels))
        return tf.reduce_sum(tf.matmul(moved, upstream, transpose_a=True), axis=0)

    return tf.reshape(tf.stack([product(y, x) for y in range(3) for x in range(3)]), (3, 3, channels, filters))
