"""Batch norm and Adam, each in one of TensorFlow's fused kernels, the same as Keras's to rounding; and a dropout that
draws fewer random numbers.

Keras composes the first two of a dozen elementwise operations, and each of them reads and writes whole arrays. On two
CPU cores memory is what they wait for: one kernel saves 5 to 10 % of the training time for batch norm, 1 to 2 % for
Adam.
"""

import keras
from keras import layers

from pipeline.training import hardware, keras_internals

# oneDNN has a kernel for batch norm in bfloat16 for multiples of so many channels; for others, TensorFlow takes a
# reference that is fifty times as slow
CHANNELS = 16


class FusedBatchNormalization(layers.BatchNormalization):
    """Keras's layer over images ``(N, H, W, C)``, trained by one kernel forward and one back."""

    @staticmethod
    def can_replace(layer: keras.Layer) -> bool:
        """Whether this class does what a layer does."""
        return type(layer) is layers.BatchNormalization and layer.axis in (-1, 3) and not layer.renorm

    def call(self, inputs, training=None, mask=None):
        # Keras's own where the layer is frozen, which is inference mode, and for dense layers' outputs (N, C), which
        # the kernel does not take
        if not (training and self.trainable) or len(inputs.shape) != 4:
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        # the kernel's sums are in float32 for inputs in bfloat16 as well, its statistics and its parameters too
        x, channels = tf.convert_to_tensor(inputs), inputs.shape[-1]
        if channels % CHANNELS or not hardware.gains("bfloat16 norms"):
            x = tf.cast(x, "float32")
        none = tf.zeros([0])  # the kernel takes moving statistics in inference alone
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x, scale=tf.ones([channels]) if self.gamma is None else self.gamma,
            offset=tf.zeros([channels]) if self.beta is None else self.beta, mean=none, variance=none,
            epsilon=self.epsilon, is_training=True)
        # the kernel's is the unbiased estimate, Keras keeps the batch's own
        count = tf.cast(tf.size(x) // channels, "float32")
        variance = variance * (count - 1) / count
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + new * (1 - self.momentum))
        return tf.cast(y, self.compute_dtype)


class DropoutByBytes(layers.Dropout):
    """Keras's layer, whose random 32-bit integers decide about four values each. The rate is rounded to 1/256, and
    what stays is scaled by that rounded rate."""

    @staticmethod
    def can_replace(layer: keras.Layer) -> bool:
        """Whether this class does what a layer does."""
        return type(layer) is layers.Dropout and layer.noise_shape is None and 0 < round(256 * layer.rate) < 256

    def call(self, inputs, training=False):
        if not training:
            return inputs
        import tensorflow as tf

        x, dropped = tf.convert_to_tensor(inputs), round(256 * self.rate)
        size = tf.size(x)
        integers = tf.random.stateless_uniform(
            [(size + 3) // 4], tf.cast(self.seed_generator.next(), "int32"), minval=None, maxval=None, dtype="int32")
        random_bytes = tf.reshape(tf.bitcast(integers, "uint8"), [-1])[:size]
        kept = tf.reshape(tf.cast(random_bytes >= dropped, x.dtype), tf.shape(x))
        return x * (kept * tf.cast(256 / (256 - dropped), x.dtype))


def adam_step(gradient, variable, rate, m, v, *, step, beta_1: float, beta_2: float, epsilon: float) -> None:
    """Adam's step number ``step``, from 1 (Kingma & Ba 2014, arXiv 1412.6980), as Keras takes it: ``epsilon`` is added
    to the root of the uncorrected second moment ("epsilon hat" there, before section 2.1).

    ``m`` and ``v`` are the variable's first and second moment; all three are updated in place.
    """
    import tensorflow as tf

    # the kernel takes one type alone, and ends the process when it meets another
    step, rate, gradient = (tf.cast(value, variable.dtype) for value in (step, rate, gradient))
    variable, m, v = (array.value if isinstance(array, keras.Variable) else array for array in (variable, m, v))
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle, m=m.handle, v=v.handle, beta1_power=beta_1**step, beta2_power=beta_2**step, lr=rate,
        beta1=beta_1, beta2=beta_2, epsilon=epsilon, grad=gradient)


class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam with its step in one kernel, under TensorFlow alone."""

    def update_step(self, gradient, variable, learning_rate):
        first, second = keras_internals.adam_moments(self, variable)
        adam_step(gradient, variable, learning_rate, first, second, step=self.iterations + 1, beta_1=self.beta_1,
                  beta_2=self.beta_2, epsilon=self.epsilon)


class FusedAdamW(FusedAdam, keras.optimizers.AdamW):
    """Keras's AdamW (Loshchilov & Hutter 2017, arXiv 1711.05101), likewise: its decay is a step before Adam's."""
