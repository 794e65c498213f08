"""Optimisers and learning-rate schedules that a recipe can name."""

import math

import keras


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


def build(settings: dict, steps: int) -> keras.optimizers.Optimizer:
    """The optimiser of a recipe's train block for ``steps`` steps an epoch; norms and biases do not decay."""
    rate = settings["learning_rate"]
    if settings["schedule"] == "one_cycle":
        rate = OneCycle(rate, steps * settings["epochs"], settings["warmup"])
    if settings["optimizer"] == "adam":
        return keras.optimizers.Adam(rate)
    if settings["optimizer"] == "adamw":
        optimizer = keras.optimizers.AdamW(rate, weight_decay=settings["weight_decay"])
    else:
        optimizer = keras.optimizers.SGD(rate, momentum=settings["momentum"], nesterov=True,
                                         weight_decay=settings["weight_decay"])
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer
