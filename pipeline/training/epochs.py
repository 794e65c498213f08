"""One epoch of training: every image, in the order that it is given."""

import functools
import sys
import time
from collections.abc import Callable

import keras
import numpy as np

Data = dict[str, np.ndarray]
# Seconds of one compiled call under TensorFlow, at least one step; between two, the bar moves and Ctrl-C is heard
CALL = 0.5


def epochs_of(student: keras.Model, data: Data, batch_size: int, verbose: bool) -> Callable[[np.ndarray], dict]:
    """The function that trains on every row of ``data``, in the order it is given, and returns the mean loss and
    accuracy.

    The data lie on the device. Under JAX on one device a whole epoch is one compiled call, whose last batch is filled
    up with the epoch's first rows; under TensorFlow some steps are one call; where several devices share a batch, the
    batches go in one by one.
    """
    if keras.backend.backend() == "tensorflow":
        return _looped(student, data, batch_size, verbose)
    if keras.backend.backend() == "jax" and keras.distribution.distribution() is None:
        return _scanned(student, data, batch_size)
    return lambda order: _batch_by_batch(student, data, order, batch_size, verbose)


def _looped(student, data, batch_size, verbose) -> Callable[[np.ndarray], dict]:
    """Keras's own train step in a loop of TensorFlow's, so that no Python stands between two steps.

    Not ``Model.fit``: it feeds numpy through tf.data, whose autotuner (TensorFlow 2.21) makes the end of an epoch wait
    for its next tick, up to 40 % of an epoch on two cores.
    """
    import tensorflow as tf

    resident = {name: tf.convert_to_tensor(values) for name, values in data.items()}
    # builds the metrics
    student._symbolic_build(data_batch=({name: values[:batch_size] for name, values in data.items()},))
    train_step = tf.function(student.train_step, jit_compile=True) if student.jit_compile else student.train_step

    @functools.cache
    def compiled(size: int):
        def run(order):
            def step(start):
                rows = tf.slice(order, [start], [size])
                train_step(({name: tf.gather(values, rows) for name, values in resident.items()},))
                return start + size

            tf.while_loop(lambda start: start < tf.size(order), step, [0])
            # the metrics count on from step to step
            return student.get_metrics_result()

        return tf.function(run, input_signature=[tf.TensorSpec([None], "int32")])

    steps = 1

    def epoch(order: np.ndarray) -> dict:
        nonlocal steps
        student.reset_metrics()
        bar = _bar(len(order), batch_size, verbose)
        logs: dict = {}
        start, whole = 0, len(order) // batch_size * batch_size
        while start < len(order):
            size = min(batch_size, len(order) - start)
            end = min(start + steps * size, whole) if size == batch_size else len(order)
            begun = time.perf_counter()
            logs = compiled(size)(order[start:end].astype("int32"))
            logs = {name: float(value) for name, value in logs.items()}
            if size == batch_size:  # the epoch's last, smaller batch tells nothing about the others' pace
                steps = max(1, min(2 * steps, round(steps * CALL / (time.perf_counter() - begun))))
            start = end
            bar.update(-(-start // batch_size), list(logs.items()))
        return logs

    return epoch


def _bar(rows: int, batch_size: int, verbose: bool) -> keras.utils.Progbar:
    """What a person at a terminal sees of an epoch: its mean loss and accuracy so far."""
    return keras.utils.Progbar(-(-rows // batch_size), verbose=1 if verbose and sys.stdout.isatty() else 0,
                               stateful_metrics=["loss", "accuracy"])


def _batch_by_batch(student, data, order, batch_size, verbose) -> dict[str, float]:
    """Batches from the host, each shared out among the devices."""
    if (spread := keras.distribution.distribution()) is not None:
        # every device gets as many rows; the next epoch's order leaves out others
        order = order[: len(order) // spread.device_mesh.devices.size * spread.device_mesh.devices.size]
    bar = _bar(len(order), batch_size, verbose)
    totals: dict[str, float] = {}
    for step, start in enumerate(range(0, len(order), batch_size)):
        rows = order[start : start + batch_size]
        logs = student.train_on_batch({name: values[rows] for name, values in data.items()}, return_dict=True)
        for name, value in logs.items():
            totals[name] = totals.get(name, 0.0) + float(value) * len(rows)
        bar.update(step + 1, [(name, total / (start + len(rows))) for name, total in totals.items()])
    return {name: total / len(order) for name, total in totals.items()}


def _scanned(student, data, batch_size) -> Callable[[np.ndarray], dict]:
    """The epoch as ``lax.scan`` over Keras's own train step, so that no Python stands between two steps."""
    import jax

    resident = {name: jax.device_put(values) for name, values in data.items()}
    # builds the metrics
    student._symbolic_build(data_batch=({name: values[:batch_size] for name, values in data.items()},))
    groups = (student.trainable_variables, student.non_trainable_variables, student.optimizer.variables,
              student.metrics_variables)

    def run(state, resident, batches):
        def step(state, rows):
            logs, state = student.train_step(state, ({name: values[rows] for name, values in resident.items()},))
            return state, logs

        state, logs = jax.lax.scan(step, state, batches)
        # the metrics count on from step to step
        return state, {name: values[-1] for name, values in logs.items()}

    compiled = jax.jit(run, donate_argnums=0)

    def epoch(order: np.ndarray) -> dict:
        student.reset_metrics()
        # filled up with the first rows: a batch of another size would compile everything once more
        batches = np.resize(order, (-(-len(order) // batch_size), batch_size)).astype("int32")
        state, logs = compiled(tuple([variable.value for variable in group] for group in groups), resident, batches)
        for group, values in zip(groups, state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        return {name: float(value) for name, value in logs.items()}

    return epoch
