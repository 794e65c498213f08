"""Optimisers and learning-rate schedules that a recipe can name."""

import math

import keras

from pipeline.training.fused import FusedAdam, FusedAdamW, adam_step


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up over ``warmup`` of all steps, then a cosine down to zero (Smith 2018, arXiv 1803.09820)."""

    def __init__(self, peak: float, steps: int, warmup: float):
        self.peak, self.steps, self.warmup = peak, steps, warmup

    def __call__(self, step):
        done = keras.ops.cast(step, "float32") / self.steps
        rise = (done + 1 / self.steps) / max(self.warmup, 1 / self.steps)
        fall = 0.5 + 0.5 * keras.ops.cos(math.pi * keras.ops.clip((done - self.warmup) / (1 - self.warmup), 0, 1))
        return self.peak * keras.ops.where(done < self.warmup, rise, fall)

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps, "warmup": self.warmup}


class Muon(keras.optimizers.Muon):
    """Keras's Muon (Jordan et al. 2024) with the kernels of convolutions as matrices (all inputs by outputs), which
    Keras leaves to AdamW, with fewer products, and with AdamW in one kernel."""

    def _should_use_adamw(self, variable):
        if len(variable.shape) == 4 and variable.shape[2] > 1 and "depthwise" not in variable.path:
            return False
        return super()._should_use_adamw(variable)

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        """Under JAX, kernels with grams of one size are made orthogonal together: a network has dozens of them, and an
        accelerator takes longer to begin one of their products than to calculate it."""
        if keras.backend.backend() == "jax":
            groups: dict[int, list] = {}
            others = []
            for gradient, variable in zip(grads, trainable_variables, strict=True):
                place = self._get_variable_index(variable)
                if self.adam_velocities[place] is None:
                    x = self._normed_step(gradient, variable, self.momentums[place])
                    groups.setdefault(min(x.shape), []).append((variable, x))
                else:
                    others.append((gradient, variable))
            for members in groups.values():
                polynomials = self._polynomial(keras.ops.stack([_gram(x) for _, x in members]))
                for place, (variable, x) in enumerate(members):
                    self._take(_times(x, polynomials[place]), variable, learning_rate)
            grads, trainable_variables = zip(*others, strict=True) if others else ((), ())
        super()._backend_update_step(grads, trainable_variables, learning_rate)

    def _muon_update_step(self, gradient, variable, lr, m):
        x = self._normed_step(gradient, variable, m)
        self._take(_times(x, self._polynomial(_gram(x))), variable, lr)

    def _normed_step(self, gradient, variable, m):
        """The momentum's step as a matrix, all inputs by outputs, of norm 1."""
        self.assign_add(m, gradient + m * (self.momentum - 1))
        x = keras.ops.reshape(gradient + self.momentum * m if self.nesterov else m, (-1, variable.shape[-1]))
        return x / (keras.ops.norm(x) + 1e-7)

    def _take(self, update, variable, lr):
        self.assign_sub(variable, lr * keras.ops.reshape(self.lr_adjust(update), variable.shape))

    def _adamw_update_step(self, gradient, variable, learning_rate, m, v):
        if keras.backend.backend() == "tensorflow":
            adam_step(gradient, variable, learning_rate, m, v, step=self.iterations + 1, beta_1=self.adam_beta_1,
                      beta_2=self.adam_beta_2, epsilon=self.epsilon)
        else:
            super()._adamw_update_step(gradient, variable, learning_rate, m, v)

    def _polynomial(self, gram):
        """``(..., n, n)``: what makes a matrix orthogonal by Newton and Schulz's iteration, each step of which
        multiplies it by a polynomial of its gram. So the matrix itself, nine times as long as wide for most kernels, is
        needed at the beginning and at the end alone."""
        one, product = keras.ops.eye(gram.shape[-1], dtype=gram.dtype), None
        for _ in range(self.ns_steps):
            factor = self.muon_a * one + self.muon_b * gram + self.muon_c * gram @ gram
            product = factor if product is None else factor @ product
            gram = factor @ factor @ gram
        return product


def _gram(x):
    """The smaller one of ``x.T @ x`` and ``x @ x.T``."""
    other = keras.ops.transpose(x)
    return other @ x if x.shape[0] > x.shape[1] else x @ other


def _times(x, polynomial):
    return x @ polynomial if x.shape[0] > x.shape[1] else polynomial @ x


def build(settings: dict, steps: int, stock: bool = False) -> keras.optimizers.Optimizer:
    """The optimiser of a recipe's train block for ``steps`` steps an epoch; norms and biases do not decay. Adam and
    AdamW are Keras's own when ``stock``, and under another backend than TensorFlow."""
    stock = stock or keras.backend.backend() != "tensorflow"
    rate = settings["learning_rate"]
    if settings["schedule"] == "one_cycle":
        rate = OneCycle(rate, steps * settings["epochs"], settings["warmup"])
    average: dict = {"use_ema": True, "ema_momentum": settings["ema"]} if settings["ema"] else {}
    if settings["optimizer"] == "adam":
        return (keras.optimizers.Adam if stock else FusedAdam)(rate, **average)
    decay = settings["weight_decay"]
    if settings["optimizer"] == "adamw":
        optimizer = (keras.optimizers.AdamW if stock else FusedAdamW)(rate, weight_decay=decay, **average)
    elif settings["optimizer"] == "muon":
        optimizer = Muon(rate, weight_decay=decay, adam_weight_decay=decay, exclude_layers=["logits", "crowd"],
                         **average)
    else:
        optimizer = keras.optimizers.SGD(rate, momentum=settings["momentum"], nesterov=True, weight_decay=decay,
                                         **average)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer
