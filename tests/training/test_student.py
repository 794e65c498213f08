"""The losses of a network in training, compared with what they are on paper."""

import numpy as np
import pytest

from pipeline.params.params import Train
from pipeline.system.failure import Failure
from pipeline.training.action_units import UNITS, prototypes

CLASSES = 7
EMOTIONS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]


def student(**train):
    from pipeline.training import models
    from pipeline.training.student import Student

    settings = Train(**{"epochs": 1, "batch_size": 8, "optimizer": "adamw", "learning_rate": 0.01, "keep": "last",
                        "schedule": "constant", **train}).model_dump()
    net = models.build("compact", classes=CLASSES, stem=4, width=4, stages=1, dropout=0.0)
    return Student(net, {"train": settings, "augment": {}, "classes": EMOTIONS})


def batch(count=8):
    rng = np.random.default_rng(0)
    votes = rng.uniform(0, 1, (count, 8)).astype("float32")
    teacher = rng.uniform(0, 1, (count, CLASSES)).astype("float32")
    return {
        "images": rng.integers(0, 256, (count, 48, 48, 1), "uint8"),
        "label": np.eye(CLASSES, dtype="float32")[rng.integers(0, CLASSES, count)],
        "votes": votes / votes.sum(axis=1, keepdims=True),
        "teacher": teacher / teacher.sum(axis=1, keepdims=True),
    }


def loss(model, data):
    answers = model(data, training=True)
    return float(model.compute_loss(y_pred=answers)), {k: np.asarray(v) for k, v in answers.items() if k != "targets"}


def log_softmax(logits):
    logits = logits - logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def without(data, *names):
    return {name: value for name, value in data.items() if name not in names}


def test_label_smoothing_and_weights():
    data = without(batch(), "votes", "teacher")
    data["weight"] = np.linspace(0, 2, 8, dtype="float32")
    actual, answers = loss(student(label_smoothing=0.1), data)
    target = 0.9 * data["label"] + 0.1 / CLASSES
    rows = -(target * log_softmax(answers["logits"])).sum(axis=1)
    assert actual == pytest.approx((rows * data["weight"]).mean(), rel=1e-5)


def test_a_teacher_that_says_what_the_network_says_costs_nothing():
    model = student(teacher=1.0, temperature=2.0)
    data = without(batch(), "votes")
    _, answers = loss(model, data)
    data["teacher"] = np.exp(log_softmax(answers["logits"])).astype("float32")
    assert loss(model, data)[0] == pytest.approx(0, abs=1e-5)
    data["teacher"] = np.roll(data["teacher"], 1, axis=1)
    assert loss(model, data)[0] > 1e-4


def test_faces_without_votes_count_nothing_in_the_second_head():
    model = student(votes=0.5)
    data = without(batch(), "teacher")
    actual, answers = loss(model, data)
    rows = -(data["label"] * log_softmax(answers["logits"])).sum(axis=1)
    crowd = -(data["votes"] * log_softmax(answers["crowd"])).sum(axis=1)
    assert actual == pytest.approx((rows + 0.5 * crowd).mean(), rel=1e-5)
    data["votes"] = np.zeros_like(data["votes"])
    assert loss(model, data)[0] == pytest.approx(rows.mean(), rel=1e-5)


def test_the_network_that_is_kept_has_no_second_head():
    model = student(votes=0.5)
    assert model.net.output_shape == (None, CLASSES)
    assert len(model.trainable_variables) == len(model.net.trainable_variables) + 2


def test_action_units_are_those_of_the_label_each_learned_by_itself():
    model = student(action_units=0.4)
    data = without(batch(), "votes", "teacher")
    data["label"] = np.eye(CLASSES, dtype="float32")[[3, 6]]  # happy and neutral
    data["images"] = data["images"][:2]
    actual, answers = loss(model, data)
    target = np.zeros((2, 13), "float32")
    target[0, [UNITS.index(12), UNITS.index(25)]] = 1  # lip corners pulled, lips parted; neutral moves none
    units = np.maximum(answers["units"], 0) - answers["units"] * target + np.log1p(np.exp(-np.abs(answers["units"])))
    label = -(data["label"] * log_softmax(answers["logits"])).sum(axis=1)
    assert actual == pytest.approx((label + 0.4 * units.sum(axis=1)).mean(), rel=1e-5)


def test_all_heads_learn_at_once_and_are_left_out_of_what_is_kept():
    import tensorflow as tf

    model = student(votes=0.5, action_units=0.4)
    with tf.GradientTape() as tape:
        loss_ = model.compute_loss(y_pred=model(without(batch(), "teacher"), training=True))
    assert all(np.abs(gradient).max() > 0 for gradient, variable in zip(
        tape.gradient(loss_, model.trainable_variables), model.trainable_variables, strict=True)
        if variable.path.split("/")[-2] in ("logits", "crowd", "units"))
    assert model.net.output_shape == (None, CLASSES)
    assert len(model.trainable_variables) == len(model.net.trainable_variables) + 4


def test_a_class_without_known_action_units_is_named():
    assert prototypes([name for name in EMOTIONS if name != "disgust"]).shape == (6, 13)
    with pytest.raises(Failure, match="no action units are known for contempt"):
        prototypes([*EMOTIONS, "contempt"])
