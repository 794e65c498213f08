"""One epoch of training: every image, in the order that it is given.

A small network's step takes a few milliseconds, about as long as what Python and Keras do between two of them. So the
loop over the steps is compiled together with the step: by ``tf.while_loop`` under TensorFlow, ``lax.scan`` under JAX.
The data lie on the device from the beginning, and an epoch is given as the order of its rows.
"""

import functools
import sys
import time
from collections.abc import Callable

import keras
import numpy as np

from pipeline.training import keras_internals

# What batches are cut from, by name; one row an image, see Student
Data = dict[str, np.ndarray]
# Trains on the rows ``(N,)`` in this order and returns the mean loss and accuracy
Epoch = Callable[[np.ndarray], dict[str, float]]
# Seconds of one compiled call under TensorFlow, at least one step; between two calls the bar moves and Ctrl-C acts
CALL = 0.5


def epochs_of(student: keras.Model, data: Data, batch_size: int, verbose: bool) -> Epoch:
    """The function that trains a compiled student on rows of ``data``.

    Under JAX on one device a whole epoch is one compiled call, whose last batch is filled up with the epoch's first
    rows; under TensorFlow some steps are one call; where several devices share a batch, the batches go in one by one.
    """
    if keras.backend.backend() == "tensorflow":
        return _GraphOfSteps(student, data, batch_size, verbose)
    if keras.backend.backend() == "jax" and keras.distribution.distribution() is None:
        return _scanned(student, data, batch_size)
    return lambda order: _batch_by_batch(student, data, order, batch_size, verbose)


class _GraphOfSteps:
    """Keras's own train step in a loop of TensorFlow's, so that no Python runs between two steps.

    Not ``Model.fit``: it feeds numpy through tf.data, whose autotuner (TensorFlow 2.21) makes the end of an epoch wait
    for its next tick, up to 40 % of an epoch on two cores.
    """

    def __init__(self, student: keras.Model, data: Data, batch_size: int, verbose: bool):
        import tensorflow as tf

        self._student, self._batch_size, self._verbose = student, batch_size, verbose
        self._resident = {name: tf.convert_to_tensor(values) for name, values in data.items()}
        keras_internals.build_metrics(student, ({name: values[:batch_size] for name, values in data.items()},))
        jit = student.jit_compile
        self._train_step = tf.function(student.train_step, jit_compile=True) if jit else student.train_step
        # two at most: for whole batches, and for the epoch's last one
        self._compiled = functools.cache(self._compile)
        # steps in one call; grows until a call takes about CALL seconds
        self._steps = 1

    def _compile(self, size: int) -> Callable:
        """The steps over an order ``(K * size,)``, in batches of ``size``: K steps in one call."""
        import tensorflow as tf

        def run(order):
            def step(start):
                rows = tf.slice(order, [start], [size])
                self._train_step(({name: tf.gather(values, rows) for name, values in self._resident.items()},))
                return start + size

            tf.while_loop(lambda start: start < tf.size(order), step, [0])
            # the metrics count on from step to step, and from call to call
            return self._student.get_metrics_result()

        # of any length, so that it is traced once, however many steps a call takes
        return tf.function(run, input_signature=[tf.TensorSpec([None], "int32")])

    def __call__(self, order: np.ndarray) -> dict[str, float]:
        self._student.reset_metrics()
        size, bar = self._batch_size, _bar(len(order), self._batch_size, self._verbose)
        figures: dict[str, float] = {}
        start, end_of_whole = 0, len(order) // size * size
        while start < end_of_whole:
            end = min(start + self._steps * size, end_of_whole)
            started = time.perf_counter()
            figures = self._call(order[start:end], size)
            steps_in_call = self._steps * CALL / (time.perf_counter() - started)
            self._steps = max(1, min(2 * self._steps, round(steps_in_call)))
            start = end
            bar.update(start // size, list(figures.items()))
        if start < len(order):
            figures = self._call(order[start:], len(order) - start)
            bar.update(start // size + 1, list(figures.items()))
        return figures

    def _call(self, rows: np.ndarray, size: int) -> dict[str, float]:
        figures = self._compiled(size)(rows.astype("int32"))
        return {name: float(value) for name, value in figures.items()}


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
        figures = student.train_on_batch({name: values[rows] for name, values in data.items()}, return_dict=True)
        for name, value in figures.items():
            totals[name] = totals.get(name, 0.0) + float(value) * len(rows)
        bar.update(step + 1, [(name, total / (start + len(rows))) for name, total in totals.items()])
    return {name: total / len(order) for name, total in totals.items()}


def _scanned(student, data, batch_size) -> Epoch:
    """The epoch as ``lax.scan`` over Keras's own train step, so that no Python runs between two steps.

    JAX's functions have no side effects: the values of all variables go in and come out as one state, and are assigned
    after the epoch.
    """
    import jax

    resident = {name: jax.device_put(values) for name, values in data.items()}
    keras_internals.build_metrics(student, ({name: values[:batch_size] for name, values in data.items()},))
    groups = keras_internals.train_step_variables(student)

    def run(state, resident, batches):
        def step(state, rows):
            figures, state = student.train_step(state, ({name: values[rows] for name, values in resident.items()},))
            return state, figures

        state, figures = jax.lax.scan(step, state, batches)
        # the metrics count on from step to step
        return state, {name: values[-1] for name, values in figures.items()}

    # the old state's memory is given away for the new one: weights and moments are held once, not twice
    compiled = jax.jit(run, donate_argnums=0)

    def epoch(order: np.ndarray) -> dict[str, float]:
        student.reset_metrics()
        # filled up with the first rows: a batch of another size would compile everything once more
        batches = np.resize(order, (-(-len(order) // batch_size), batch_size)).astype("int32")
        state, figures = compiled(tuple([variable.value for variable in group] for group in groups), resident, batches)
        for group, values in zip(groups, state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        return {name: float(value) for name, value in figures.items()}

    return epoch
