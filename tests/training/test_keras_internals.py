"""What training uses of Keras without being promised it: present, doing what we need, and tested with the pinned Keras.

Each test names the internal in its message, so that a new Keras says what has to be mended in keras_internals.py.
"""

import gc
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
from contextlib import nullcontext
from itertools import chain
from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.training import keras_internals
from pipeline.training.optimizers import Muon

ROOT = Path(__file__).parents[2]


def needs(holder, name: str, *parameters: str):
    """The internal ``name`` of ``holder``; the test fails with its name where it or one of its parameters is gone."""
    internal = f"{holder.__module__}.{holder.__qualname__}.{name}"
    advice = f"mend pipeline/training/keras_internals.py (Keras {keras.__version__}, tested: {keras_internals.TESTED})"
    assert hasattr(holder, name), f"{internal} is gone; {advice}"
    there = list(inspect.signature(getattr(holder, name)).parameters)
    assert set(parameters) <= set(there), f"{internal} takes {there}, expected {parameters}; {advice}"
    return internal


def toy(dropout=0.0) -> keras.Model:
    image = keras.Input((4, 4, 1))
    inside = keras.Input((4, 4, 1))
    nested = keras.Model(inside, keras.layers.BatchNormalization()(keras.layers.Conv2D(2, 3)(inside)), name="nested")
    x = keras.layers.Dropout(dropout, seed=1)(keras.layers.Flatten()(nested(image)))
    net = keras.Model(image, keras.layers.Dense(3, name="logits")(x))
    net.compile(optimizer="adam", loss="mse", metrics=["mae"])
    return net


def test_pyproject_holds_keras_to_the_versions_that_this_was_tested_with():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = chain(project["dependencies"], *project.get("optional-dependencies", {}).values())
    pins = {entry.removeprefix("keras") for entry in listed if re.match(r"keras\b(?!-)", entry)}
    assert pins == {keras_internals.TESTED}, "change both: pyproject.toml and keras_internals.TESTED"


def test_this_keras_is_one_of_them():
    low, high = ([int(part) for part in re.split(r"\D+", bound) if part] for bound in keras_internals.TESTED.split(","))
    here = [int(part) for part in keras.__version__.split(".")[:2]]
    assert low <= here < high, f"Keras {keras.__version__} is installed, tested is {keras_internals.TESTED}"


def test_private_names_of_keras_are_used_in_no_other_module():
    """Attributes with one underscore of anything but ``self``, where Keras or one of its objects is at hand."""
    private = re.compile(r"(?<!self)\.(_(?!_)\w+)|make_train_function|seed_generator_state")
    for path in sorted((ROOT / "pipeline" / "training").rglob("*.py")):
        if path.name != "keras_internals.py":
            uses = [match.group() for match in private.finditer(path.read_text(encoding="utf-8"))]
            assert not uses, f"{path.relative_to(ROOT)} uses {uses}; give it a function in keras_internals.py"


def test_symbolic_build_makes_the_metrics():
    internal = needs(keras.Model, "_symbolic_build", "data_batch")
    net = toy()
    batch = (np.zeros((2, 4, 4, 1), "float32"), np.zeros((2, 3), "float32"))
    before = len(net.metrics_variables)
    keras_internals.build_metrics(net, batch)
    assert len(net.metrics_variables) > before, f"{internal} left the compiled metrics without variables"


def test_make_train_function_traces_the_step_again():
    internal = needs(keras.Model, "make_train_function", "force")

    class Counting(keras.Model):
        traced = 0

        def build(self, shape):
            self.scale = self.add_weight(shape=(), initializer="ones")

        def call(self, x):
            type(self).traced += 1
            return x * self.scale

    net, rows = Counting(), np.ones((2, 3), "float32")
    net.compile(optimizer="sgd", loss="mse")
    net.train_on_batch(rows, rows)
    net.train_on_batch(rows, rows)
    before = Counting.traced
    net.train_on_batch(rows, rows)
    assert Counting.traced == before, "the step is traced at every call"
    keras_internals.drop_compiled_step(net)
    net.train_on_batch(rows, rows)
    assert Counting.traced > before, f"{internal} kept the compiled step"


def test_the_loss_of_a_step_is_counted_by_a_metric():
    net = toy()
    keras_internals.build_metrics(net, (np.zeros((2, 4, 4, 1), "float32"), np.zeros((2, 3), "float32")))
    assert hasattr(net, "_loss_tracker"), "keras.Model._loss_tracker is gone"
    keras_internals.loss_tracker(net).update_state(2.5, sample_weight=2)
    assert float(net.get_metrics_result()["loss"]) == 2.5


def test_flatten_layers_reaches_nested_layers():
    internal = needs(keras.Layer, "_flatten_layers")
    kinds = {type(layer).__name__ for layer in keras_internals.all_layers(toy())}
    assert {"BatchNormalization", "Conv2D", "Dense", "Functional"} <= kinds, f"{internal} gives {kinds}"


def test_every_random_generator_s_state_has_the_name_that_it_is_found_by():
    net = toy(dropout=0.5)
    states = keras_internals.random_states(net)
    assert len(states) == 1, "SeedGenerator's variable is no longer called seed_generator_state"
    assert tuple(states[0].shape) == (2,), f"its shape is {states[0].shape}"
    rows = np.ones((8, 4, 4, 1), "float32")

    def dropped():
        states[0].assign(np.array([1, 2], states[0].dtype))
        return np.asarray(net(rows, training=True))

    np.testing.assert_array_equal(dropped(), dropped(), "the state does not decide what is drawn")


def test_an_optimiser_knows_the_index_of_a_variable():
    internal = needs(keras.optimizers.Optimizer, "_get_variable_index", "variable")
    variables = [keras.Variable(np.zeros(shape, "float32")) for shape in ((2,), (3,), (4,))]
    optimizer = keras.optimizers.Adam()
    optimizer.build(variables)
    indices = [keras_internals.variable_index(optimizer, variable) for variable in variables]
    assert indices == [0, 1, 2], f"{internal} gives {indices}"


def test_adam_keeps_its_moments_in_lists_by_that_index():
    variables = [keras.Variable(np.ones(shape, "float32")) for shape in ((2,), (3,))]
    optimizer = keras.optimizers.Adam()
    optimizer.build(variables)
    for name in ("_momentums", "_velocities"):
        assert len(getattr(optimizer, name, ())) == 2, f"keras.optimizers.Adam.{name} is gone or of another kind"
    optimizer.apply([keras.ops.full((2,), 2.0), keras.ops.full((3,), 3.0)], variables)
    first, second = keras_internals.adam_moments(optimizer, variables[1])
    np.testing.assert_allclose(first, 0.1 * np.full(3, 3.0), rtol=1e-5)
    np.testing.assert_allclose(second, 0.001 * np.full(3, 9.0), rtol=1e-4)


HOOKS = {"_should_use_adamw": ("trained_by_adamw", ("variable",)),
         "_backend_update_step": ("step_all", ("grads", "trainable_variables", "learning_rate")),
         "_muon_update_step": ("muon_step", ("gradient", "variable", "lr", "m")),
         "_adamw_update_step": ("adamw_step", ("gradient", "variable", "learning_rate", "m", "v"))}


@pytest.mark.parametrize("name", HOOKS)
def test_muon_calls_its_private_steps(name):
    """One that Keras renames would silently train by Keras's own step."""
    hook, parameters = HOOKS[name]
    internal = needs(keras.optimizers.Muon, name, *parameters)
    calls = []

    def watched(self, *arguments):
        calls.append(hook)
        return getattr(keras_internals.MuonHooks, hook)(self, *arguments)

    kind = type("Watched", (keras_internals.MuonHooks,), {hook: watched})
    variables = [keras.Variable(np.ones(shape, "float32")) for shape in ((2, 2), (3,))]
    optimizer = kind(0.01)
    optimizer.build(variables)
    optimizer.apply([keras.ops.ones((2, 2)), keras.ops.ones((3,))], variables)
    assert calls, f"Keras no longer calls {internal}"


def test_muon_keeps_no_second_moment_where_it_trains_itself():
    kernel, bias = (keras.Variable(np.ones(shape, "float32")) for shape in ((2, 2), (3,)))
    optimizer = Muon(0.01)
    optimizer.build([kernel, bias])
    for name in ("momentums", "adam_velocities", "lr_adjust", "muon_a", "muon_b", "muon_c", "ns_steps", "nesterov"):
        assert hasattr(optimizer, name), f"keras.optimizers.Muon.{name} is gone"
    assert keras_internals.muon_moments(optimizer, kernel)[1] is None
    assert keras_internals.muon_moments(optimizer, bias)[1].shape == (3,)


@pytest.mark.slow
def test_the_train_step_under_jax_takes_and_returns_the_variables_in_that_order():
    code = """if True:
        import json, keras, numpy as np
        from pipeline.training import keras_internals
        image = keras.Input((3,))
        x = keras.layers.BatchNormalization(momentum=0.5)(image)
        net = keras.Model(image, keras.layers.Dense(2)(x))
        net.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9), loss="mse", metrics=["mae"])
        batch = (np.arange(12, dtype="float32").reshape(4, 3), np.ones((4, 2), "float32"))
        net._symbolic_build(data_batch=batch)
        net.optimizer.build(net.trainable_variables)
        groups = keras_internals.train_step_variables(net)
        before = [[np.asarray(variable.value) for variable in group] for group in groups]
        _, after = net.train_step(tuple([variable.value for variable in group] for group in groups), batch)
        print(json.dumps([[list(np.shape(a)) == list(np.shape(b)) and not np.array_equal(a, b)
                           for a, b in zip(old, new, strict=True)] for old, new in zip(before, after, strict=True)]))
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_backend_optimization_level=0"})
    assert done.returncode == 0, f"train_step(state, batch) of Keras under JAX is another: {done.stderr[-800:]}"
    moved = json.loads(done.stdout.splitlines()[-1])
    assert len(moved) == 4 and all(any(group) for group in moved), f"a group of variables did not move: {moved}"


@pytest.mark.parametrize(("forget", "kept"), [(keras_internals.forgetting_gradients, False), (nullcontext, True)])
def test_a_training_leaves_nothing_in_tensorflow_s_registry_of_gradients(forget, kept):
    """Without it the graph stays, and what it has captured: the day that TensorFlow forgets by itself, drop it."""
    def trained():
        images = tf.constant(np.zeros((333, 7), "float32"))

        @tf.function
        def step(weight):
            @tf.custom_gradient
            def answer(weight):
                return weight * images[0, 0], lambda upstream: upstream * images[0, 0]

            with tf.GradientTape() as tape:
                tape.watch(weight)
                loss = answer(weight)
            return tape.gradient(loss, weight)

        step(tf.ones(()))

    tf = pytest.importorskip("tensorflow")
    with forget():
        trained()
    gc.collect()
    found = any(isinstance(tensor, tf.Tensor) and tensor.shape == (333, 7) for tensor in gc.get_objects())
    assert found is kept, "tensorflow.python.framework.ops.gradient_registry._registry"
