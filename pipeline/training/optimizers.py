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

    def _muon_update_step(self, gradient, variable, lr, m):
        self.assign_add(m, gradient + m * (self.momentum - 1))
        g = gradient + self.momentum * m if self.nesterov else m
        matrix = keras.ops.reshape(g, (-1, variable.shape[-1]))
        update = self.lr_adjust(self.zeropower_via_newtonschulz5(matrix, self.ns_steps))
        self.assign_sub(variable, lr * keras.ops.reshape(update, variable.shape))

    def _adamw_update_step(self, gradient, variable, learning_rate, m, v):
        if keras.backend.backend() == "tensorflow":
            adam_step(gradient, variable, learning_rate, m, v, step=self.iterations + 1, beta_1=self.adam_beta_1,
                      beta_2=self.adam_beta_2, epsilon=self.epsilon)
        else:
            super()._adamw_update_step(gradient, variable, learning_rate, m, v)

    def zeropower_via_newtonschulz5(self, x, steps: int):
        """The same iteration on the smaller of ``x @ x.T`` and ``x.T @ x``: each step multiplies x by a polynomial of
        that small matrix, so x itself, nine times as long as wide for most kernels, is needed at the beginning and at
        the end alone."""
        tall = x.shape[-2] > x.shape[-1]
        x = x / (keras.ops.norm(x, axis=(-2, -1), keepdims=True) + 1e-7)
        other = self.transpose_last_axis(x)
        gram = other @ x if tall else x @ other
        one, product = keras.ops.eye(gram.shape[-1], dtype=x.dtype), None
        for _ in range(steps):
            factor = self.muon_a * one + self.muon_b * gram + self.muon_c * gram @ gram
            product = factor if product is None else factor @ product
            gram = factor @ factor @ gram
        return x @ product if tall else product @ x


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
