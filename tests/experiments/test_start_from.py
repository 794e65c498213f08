"""``ferpipe start-from``: a bundle's ONNX file, in float32 or int8, becomes weights that training can go on from."""

import numpy as np
import pytest
import toy_models

from pipeline.bundle import int8
from pipeline.bundle.writing import write
from pipeline.experiments.start_from import start_from
from pipeline.params.recipe import Quantise
from pipeline.training import models, start

MODEL = {"name": "resnet", "blocks": [1, 1], "width": 16, "dropout": 0.0}


def learned(faces):
    """A network with the norms' statistics of these faces, its last layer by least squares."""
    import keras

    keras.utils.set_random_seed(3)
    net, training = models.build(classes=7, **MODEL), faces.split("Training")
    images = training.images[..., None].astype("float32")
    for _ in range(40):
        net(images, training=True)
    inside = np.asarray(keras.Model(net.input, net.layers[-1].input)(images))
    weights = np.linalg.lstsq(np.c_[inside, np.ones(len(inside))], 6.0 * np.eye(7)[training.labels], rcond=1e-3)[0]
    net.get_layer("logits").set_weights([weights[:-1], weights[-1]])
    return net


@pytest.mark.slow
def test_the_network_of_an_int8_file_goes_on_learning_where_it_was(project, monkeypatch):
    import keras

    monkeypatch.setattr(start, "FOLDER", project / "weights")
    faces = toy_models.patterned()
    net = learned(faces)
    public = faces.split("PublicTest")
    provenance = toy_models.bundle(project / "toy").provenance.as_json()
    provenance["config"] = {**provenance["config"], "model": MODEL, "train": {"votes": 0.4}}
    big = write(project / "big", net, classes=faces.classes, class_set="7", provenance=provenance,
                history=toy_models.HISTORY, validation=(public.images, public.labels))
    small = int8.quantise(big, project / "small", faces, Quantise(faces=64, max_loss=0.2))
    start_from(small, faces, "toy")

    again = models.build(classes=7, **MODEL, weights="toy")
    images = public.images[..., None].astype("float32")
    accuracy = (net.predict_on_batch(images).argmax(axis=1) == public.labels).mean()
    assert accuracy > 0.5, "the toy is learned"
    assert (again.predict_on_batch(images).argmax(axis=1) == public.labels).mean() > accuracy - 0.05
    # norms whose statistics did not fit would give other answers in training
    answers = np.asarray(again(images, training=True)).argmax(axis=1)
    assert (answers == public.labels).mean() > accuracy - 0.15
    # every kernel has the scale that steps of a fixed size are made for
    for layer in again.layers:
        if isinstance(layer, keras.layers.Conv2D):
            assert np.sqrt((layer.get_weights()[0] ** 2).mean()) == pytest.approx(0.13, rel=0.1)
    assert start.read("toy").about["bundle"] == small.id and start.read("toy").about["votes"] == 0.4
