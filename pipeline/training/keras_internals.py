"""The only module that reaches into Keras and TensorFlow: everything that training uses and that they do not document.

Such a name can change in any minor release, so pyproject.toml holds Keras to ``TESTED``, and
tests/training/test_keras_internals.py has a test for each that names it when it is gone or behaves differently.
To move to another Keras: change the pin and ``TESTED``, run that test, and mend here what it names.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

# The versions of Keras that all of this was tested with, as pyproject.toml has it
TESTED = ">=3.15,<3.16"


def build_metrics(model: keras.Model, batch: tuple) -> None:
    """Create a compiled model's metrics from one batch (x, or x and y), as ``fit`` does first of all.

    ``Model._symbolic_build``; the epochs call ``train_step`` without ``fit``, which must not create variables.
    """
    model._symbolic_build(data_batch=batch)


def drop_compiled_step(model: keras.Model) -> None:
    """Make ``train_on_batch`` trace its step again, because something that is constant in it has changed.

    ``Model.make_train_function(force=True)``; not in Keras's reference.
    """
    model.make_train_function(force=True)


def train_step_variables(model: keras.Model) -> tuple[list, list, list, list]:
    """The variables that the stateless ``train_step(state, batch)`` of Keras under JAX takes and returns, in its order.

    That signature is described in no reference: trainable, non-trainable, the optimiser's, the metrics'.
    """
    return (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables,
            model.metrics_variables)


def loss_tracker(model: keras.Model) -> keras.metrics.Mean:
    """The metric that counts a compiled model's loss, for a train step of one's own.

    ``Trainer._loss_tracker``.
    """
    return model._loss_tracker


def all_layers(model: keras.Model) -> list[keras.Layer]:
    """The model and every layer in it, however deeply nested; ``Model.layers`` are the outermost alone.

    ``Layer._flatten_layers``.
    """
    return list(model._flatten_layers())


def random_states(model: keras.Model) -> list[keras.Variable]:
    """The states of all random generators in the model (augmentation, mixing, dropout), in a fixed order.

    Keras calls the variable of a ``SeedGenerator`` ``seed_generator_state``; nothing else tells it from the others.
    """
    return [variable for variable in model.variables if variable.path.endswith("seed_generator_state")]


def variable_index(optimizer: keras.optimizers.Optimizer, variable: keras.Variable) -> int:
    """The index of a model's variable in an optimiser's lists (momentums, velocities).

    ``Optimizer._get_variable_index``.
    """
    return optimizer._get_variable_index(variable)


def adam_moments(optimizer: keras.optimizers.Adam, variable: keras.Variable) -> tuple[keras.Variable, keras.Variable]:
    """Adam's first and second moment of a variable's gradients.

    ``Adam._momentums`` and ``Adam._velocities``.
    """
    index = variable_index(optimizer, variable)
    return optimizer._momentums[index], optimizer._velocities[index]


def muon_moments(optimizer: keras.optimizers.Muon, variable: keras.Variable) -> tuple[Any, Any]:
    """Muon's momentum of a variable, and AdamW's second moment, which is None where Muon itself trains the variable.

    ``Muon.momentums`` and ``Muon.adam_velocities``; public by name, described nowhere.
    """
    index = variable_index(optimizer, variable)
    return optimizer.momentums[index], optimizer.adam_velocities[index]


class MuonHooks(keras.optimizers.Muon):
    """Keras's Muon, whose private steps can be replaced under public names.

    The first four methods are what Keras calls where its private ones, the last four, are due; each does Keras's work
    unless a subclass overrides it.
    """

    def trained_by_adamw(self, variable) -> bool:
        """Whether AdamW trains the variable, not Muon; called at ``build`` and for weight decay."""
        return super()._should_use_adamw(variable)

    def step_all(self, gradients, variables, learning_rate) -> None:
        """One step of all variables."""
        super()._backend_update_step(gradients, variables, learning_rate)

    def muon_step(self, gradient, variable, learning_rate, momentum) -> None:
        """Muon's step of one variable."""
        super()._muon_update_step(gradient, variable, learning_rate, momentum)

    def adamw_step(self, gradient, variable, learning_rate, first, second) -> None:
        """AdamW's step of one variable with its two moments."""
        super()._adamw_update_step(gradient, variable, learning_rate, first, second)

    def _should_use_adamw(self, variable):
        return self.trained_by_adamw(variable)

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        self.step_all(grads, trainable_variables, learning_rate)

    def _muon_update_step(self, gradient, variable, lr, m):
        self.muon_step(gradient, variable, lr, m)

    def _adamw_update_step(self, gradient, variable, learning_rate, m, v):
        self.adamw_step(gradient, variable, learning_rate, m, v)


@contextmanager
def forgetting_gradients() -> Iterator[None]:
    """Forget at the end what ``tf.custom_gradient`` has registered inside; nothing under JAX.

    ``gradient_registry._registry``: TensorFlow keeps every traced gradient for the life of the process, and with it the
    graph and the training images in it: more than 100 MB with every training on FER-2013.
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    from tensorflow.python.framework.ops import gradient_registry

    registered = gradient_registry._registry
    before = set(registered)
    try:
        yield
    finally:
        for name in [name for name in registered if name not in before and name.startswith("CustomGradient-")]:
            del registered[name]
        gc.collect()
