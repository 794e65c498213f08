"""Optimisers and learning-rate schedules that a recipe can name."""

import math

import keras

from pipeline.training import keras_internals
from pipeline.training.config import TrainConfig
from pipeline.training.fused import FusedAdam, FusedAdamW, adam_step


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up over ``warmup`` (a share of all ``steps``) to ``peak``, then a cosine down to zero.

    After Smith 2018 (arXiv 1803.09820), whose fall is linear; the cosine is Loshchilov & Hutter's 2016 (arXiv
    1608.03983).
    """

    def __init__(self, peak: float, steps: int, warmup: float):
        self.peak, self.steps, self.warmup = peak, steps, warmup

    def __call__(self, step):
        done = keras.ops.cast(step, "float32") / self.steps
        # begins one step above zero, so that the first one moves something
        rise = (done + 1 / self.steps) / max(self.warmup, 1 / self.steps)
        fall = 0.5 + 0.5 * keras.ops.cos(math.pi * keras.ops.clip((done - self.warmup) / (1 - self.warmup), 0, 1))
        return self.peak * keras.ops.where(done < self.warmup, rise, fall)

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps, "warmup": self.warmup}


class Muon(keras_internals.MuonHooks):
    """Keras's Muon for convolutions, too, with less arithmetic.

    Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon) makes the momentum of a weight matrix
    orthogonal before it steps along it: all directions move equally far, also those whose gradients are rare. In
    singular values, U S V^T becomes nearly U V^T, by a few steps of Newton and Schulz's iteration, which needs matrix
    products alone. ``lr_adjust`` then brings the step to the size of AdamW's (Liu et al. 2025, arXiv 2502.16982), so
    that both share one learning rate. Keras has it for dense kernels. Here:

    * Kernels of convolutions are matrices as well, of all inputs ``height * width * channels`` by ``filters``.
      Depthwise kernels and those of one input channel stay with AdamW, as do the last layers, norms and biases.
    * The iteration runs on the smaller Gram matrix alone, see ``_polynomial``.
    * Under JAX, matrices of one size are iterated together, see ``step_all``.
    * Under TensorFlow, AdamW's step is one fused kernel.
    """

    def trained_by_adamw(self, variable):
        if len(variable.shape) == 4 and variable.shape[2] > 1 and "depthwise" not in variable.path:
            return False
        return super().trained_by_adamw(variable)

    def step_all(self, gradients, variables, learning_rate):
        """Under JAX, kernels with Gram matrices of one size are made orthogonal together: a network has dozens of them,
        and an accelerator takes longer to begin one of their products than to calculate it."""
        if keras.backend.backend() == "jax":
            groups: dict[int, list] = {}
            others = []
            for gradient, variable in zip(gradients, variables, strict=True):
                momentum, second = keras_internals.muon_moments(self, variable)
                if second is None:
                    x = self._normed_step(gradient, variable, momentum)
                    groups.setdefault(min(x.shape), []).append((variable, x))
                else:
                    others.append((gradient, variable))
            for members in groups.values():
                polynomials = self._polynomial(keras.ops.stack([_gram(x) for _, x in members]))
                for index, (variable, x) in enumerate(members):
                    self._move(variable, _times(x, polynomials[index]), learning_rate)
            gradients, variables = zip(*others, strict=True) if others else ((), ())
        super().step_all(gradients, variables, learning_rate)

    def muon_step(self, gradient, variable, learning_rate, momentum):
        x = self._normed_step(gradient, variable, momentum)
        self._move(variable, _times(x, self._polynomial(_gram(x))), learning_rate)

    def adamw_step(self, gradient, variable, learning_rate, first, second):
        if keras.backend.backend() == "tensorflow":
            adam_step(gradient, variable, learning_rate, first, second, step=self.iterations + 1,
                      beta_1=self.adam_beta_1, beta_2=self.adam_beta_2, epsilon=self.epsilon)
        else:
            super().adamw_step(gradient, variable, learning_rate, first, second)

    def _normed_step(self, gradient, variable, momentum):
        """Update the momentum; its step as a matrix of all inputs by outputs, divided by its Frobenius norm: so no
        singular value is above 1, as the iteration needs it."""
        self.assign_add(momentum, gradient + momentum * (self.momentum - 1))
        x = keras.ops.reshape(gradient + self.momentum * momentum if self.nesterov else momentum,
                              (-1, variable.shape[-1]))
        return x / (keras.ops.norm(x) + 1e-7)

    def _polynomial(self, gram):
        """The ``(..., n, n)`` matrix that makes a matrix ``x`` with this Gram matrix orthogonal.

        Newton and Schulz's iteration, of degree five, with the coefficients of Muon's authors (Keras's defaults)::

            x <- (a I + b x x^T + c (x x^T)^2) x,    a = 3.4445, b = -4.7750, c = 2.0315

        Each step multiplies ``x`` by a polynomial of its Gram matrix, and changes that one by the same polynomial, from
        both sides; polynomials of one symmetric matrix commute. So the steps can be taken on the Gram matrix, their
        polynomials multiplied with each other, and ``x`` itself, nine times as long as wide for most 3x3 kernels, is
        needed at the beginning and at the end alone.

        In float32, though ``x`` itself could be in bfloat16: rounded to that, the Gram matrix of a gradient whose
        singular values differ a hundredfold has negative eigenvalues, which the iteration blows up.
        """
        identity, product = keras.ops.eye(gram.shape[-1], dtype=gram.dtype), None
        for _ in range(self.ns_steps):
            factor = self.muon_a * identity + self.muon_b * gram + self.muon_c * gram @ gram
            product = factor if product is None else factor @ product
            gram = factor @ factor @ gram
        return product

    def _move(self, variable, update, learning_rate):
        """Move a variable along an orthogonal matrix ``(all inputs, outputs)``."""
        self.assign_sub(variable, learning_rate * keras.ops.reshape(self.lr_adjust(update), variable.shape))


def _gram(x):
    """The smaller one of ``x.T @ x`` and ``x @ x.T``."""
    transposed = keras.ops.transpose(x)
    return transposed @ x if x.shape[0] > x.shape[1] else x @ transposed


def _times(x, polynomial):
    """``x`` times a polynomial of its smaller Gram matrix, on the side where that one fits."""
    return x @ polynomial if x.shape[0] > x.shape[1] else polynomial @ x


def build(settings: TrainConfig, steps: int, stock: bool = False) -> keras.optimizers.Optimizer:
    """The optimiser of a recipe's train block for ``steps`` steps an epoch.

    Norms and biases do not decay (He et al. 2018, arXiv 1812.01187, section 3.1). Adam and AdamW are Keras's own when
    ``stock``, and under another backend than TensorFlow.
    """
    stock = stock or keras.backend.backend() != "tensorflow"
    rate: float | OneCycle = settings["learning_rate"]
    if settings["schedule"] == "one_cycle":
        rate = OneCycle(settings["learning_rate"], steps * settings["epochs"], settings["warmup"])
    average: dict = {"use_ema": True, "ema_momentum": settings["ema"]} if settings["ema"] else {}
    if settings["optimizer"] == "adam":
        return (keras.optimizers.Adam if stock else FusedAdam)(rate, **average)
    decay = settings["weight_decay"]
    if settings["optimizer"] == "adamw":
        optimizer = (keras.optimizers.AdamW if stock else FusedAdamW)(rate, weight_decay=decay, **average)
    elif settings["optimizer"] == "muon":
        # the last layers learn by AdamW, as Muon's author advises
        optimizer = Muon(rate, weight_decay=decay, adam_weight_decay=decay, exclude_layers=["logits", "crowd"],
                         **average)
    else:
        optimizer = keras.optimizers.SGD(rate, momentum=settings["momentum"], nesterov=True, weight_decay=decay,
                                         **average)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer
