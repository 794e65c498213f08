"""Toys for the tests of tracking and promotion: a migrated database, faces that are mere brightness, ONNX by hand,
records."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from unittest import mock

import numpy as np
from ruamel.yaml import YAML

from pipeline.bundle.bundle import Bundle
from pipeline.faces.faces import EMOTIONS, Faces
from pipeline.tracking import ledger, promotions
from pipeline.tracking.entry import Entry
from pipeline.tracking.promotions import PromotionRecord

ROOT = Path(__file__).parent.parent
# What a user has set in params.yaml is nothing to the tests
PARAMS = ROOT / "tests/params.yaml"
# Every class owns a band of brightness this wide
BAND = 36
HISTORY = [{"epoch": 1, "val_accuracy": 0.25, "val_loss": 1.5}, {"epoch": 2, "val_accuracy": 0.5, "val_loss": 1.0}]


def figures(single=0.65, flip=0.67, n=3589, **by_split):
    """Figures by split and view: these accuracies, and in a single view those that are given for a split."""
    def view(accuracy):
        return {"n": n, "accuracy": accuracy, "interval": [round(accuracy - 0.1, 6), round(accuracy + 0.1, 6)],
                "macro_f1": 0.6, "loss": 1.0, "confusion": [[1]],
                "per_class": {"happy": {"precision": 0.7, "recall": 0.75, "f1": 0.72, "n": 4}}}

    return {split: {"single": view(by_split.get(split, single)), "flip": view(flip)}
            for split in ("PublicTest", "PrivateTest", "test")}


FIGURES = {"PublicTest": {"single": figures(n=280, PublicTest=0.5)["PublicTest"]["single"]}}


# What an entry has of an int8 model
QUANTISED = {"bundle": "b1", "settings": {}, "faces": 1, "bytes": {"float32": 4, "int8": 1},
             "PublicTest": {"float32": 0.5, "int8": 0.5, "agreement": 1.0}}


def entry(**changes) -> Entry:
    """A ledger entry of a recipe ``toy``."""
    return Entry.model_validate({
        "recipe": "toy", "seed": 1, "dataset": "fer2013", "edition": "folder", "data_digest": "d",
        "source_digest": "s", "finished": "2026-01-01T00:00:00+00:00", "protocol": "published", "class_set": "7",
        "classes": ["angry"], "epochs": {"run": 2, "asked": 2, "best": 2}, "hardware": "a laptop, 2 cores",
        "backend": "tensorflow", "precision": "float32", "minutes": 3.0, "parameters": 190000, "onnx_bytes": 1,
        "bundle": "b1", "run_id": "r", "config": {}, "tuned": {}, "history": [], "figures": figures(), **changes})


def promotion(model: str, bundle_id: str, **changes) -> PromotionRecord:
    """The record of a first model that was promoted."""
    contender = {"bundle": bundle_id, "run_id": None, "recipe": "toy", "seed": 3, "protocol": "published",
                 "edition": "drawn"}
    accuracies = {"n": 280, "challenger": 0.5, "champion": None}
    return PromotionRecord.model_validate({
        "time": "2026-01-01T00:00:00+00:00", "model": model, "decision": "promoted", "reasons": ["the first model"],
        "gain": None, "probability": None, "gates": {}, "challenger": {**contender, "version": "1", "recalls": {}},
        "champion": None, promotions.PUBLIC: accuracies, promotions.PRIVATE: accuracies,
        "faces": {"edition": "drawn", "digest": "d" * 64}, **changes})


def migrated_database(tmp_path_factory):
    """An empty MLflow database, its migrations paid for once by all processes of a test session."""
    from pipeline.tracking import runs

    folder = tmp_path_factory.getbasetemp()
    # A process of pytest-xdist has a folder of its own inside the session's
    file = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "migrated.db"
    # The first process makes it, the others wait
    with mock.patch.dict(os.environ, MLFLOW_TRACKING_URI=f"sqlite:///{file.as_posix()}"):
        runs.connect()
    return file


def project(folder, database, monkeypatch):
    """Enter an empty project folder with a copy of the database in its place."""
    folder.mkdir(parents=True)
    shutil.copyfile(database, folder / "mlflow.db")
    monkeypatch.chdir(folder)
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME", "DVC_STAGE"):
        monkeypatch.delenv(name, raising=False)
    return folder


def faces(dataset, per_class=40):
    """Faces of one brightness each, spread over their class's band, so that a model off by K of 36 errs on K of 36."""
    labels = np.tile(np.repeat(np.arange(7), per_class), 3)
    steps = np.tile(np.arange(per_class), 21) * BAND // per_class
    images = np.broadcast_to((labels * BAND + steps).astype("uint8")[:, None, None], (len(labels), 48, 48)).copy()
    splits = np.repeat(["Training", "PublicTest", "PrivateTest"], 7 * per_class)
    ids = np.array([f"face{number}" for number in range(len(labels))])
    return Faces(images, ids, splits, labels, {"dataset": dataset, "edition": "drawn", "digest": "d" * 64})


def bundle(folder, dataset="sample", off=0.0, protocol="published", run_id="0" * 32, blind=None, bulk=0,
           without="", source_digest="d" * 64):
    """A bundle that reads the class off the brightness, wrongly by ``off``; it never predicts the class ``blind``."""
    from onnx import TensorProto, helper, numpy_helper, save

    folder.mkdir(parents=True)
    centres = np.arange(7) * BAND + (BAND - 1) / 2 + off
    bias = -(centres**2)
    if blind is not None:
        bias[EMOTIONS.index(blind)] = -1e9
    values = {"weights": 2 * centres[None], "bias": bias}
    if bulk:
        values["bulk"] = np.random.default_rng(0).random(bulk // 4)
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "shape"], ["column"]),
        helper.make_node("MatMul", ["column", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes, "toy",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, 48, 48, 1])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 7])],
        [*(numpy_helper.from_array(value.astype("float32"), name) for name, value in values.items()),
         numpy_helper.from_array(np.array([-1, 1]), "shape")],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx")
    (folder / "model.keras").write_bytes(b"not looked into by these tests")
    columns = list(HISTORY[0])
    rows = [",".join(columns), *(",".join(str(row[name]) for name in columns) for row in HISTORY)]
    (folder / "history.csv").write_text("\n".join(rows) + "\n")
    meta = {
        "format": 1, "classes": EMOTIONS, "class_set": "7", "size": 48, "crop_margin": 0.97, "temperature": 1.0,
        "files": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())},
        "provenance": {
            "dataset": dataset, "edition": "drawn", "data_digest": "e" * 64, "protocol": protocol, "recipe": "toy",
            "source_digest": source_digest, "finished": "2026-01-01T00:00:00+00:00",
            "config": {"train": {"epochs": 2}, "model": {"name": "toy"},
                       **({"balance": {"without": without}} if without else {})},
            "seed": 3, "epochs_run": 2, "best_epoch": 2,
            "epochs_asked": 2, "seconds": 60.0, "hardware": "toy, 1 cores", "backend": "none", "precision": "float32",
            "parameters": 14, "class_set": "7", "run_id": run_id,
        },
    }
    (folder / "bundle.json").write_text(json.dumps(meta))
    return Bundle.load(folder)


def patterned(dataset="sample", per_class=24, noise=15.0):
    """Faces that are one of seven blotchy pictures each, under noise."""
    rng = np.random.default_rng(7)
    pictures = np.kron(rng.uniform(30, 220, (7, 6, 6)), np.ones((8, 8)))
    made = faces(dataset, per_class)
    images = pictures[made.labels] + rng.normal(0, noise, (len(made), 48, 48))
    made.manifest.update(protocol="published", class_set="7")
    return Faces(images.clip(0, 255).astype("uint8"), made.ids, made.splits, made.labels, made.manifest)


def fitted(some, **options):
    """A small ``compact`` network that tells ``patterned`` faces apart: its last layer by least squares."""
    import keras

    from pipeline.training.loop import build_net

    net = build_net({"seed": 5, "classes": EMOTIONS,
                     "model": {"name": "compact", "stem": 8, "width": 8, "stages": 2, **options}})
    training = some.split("Training")
    inside = keras.Model(net.input, net.layers[-1].input).predict_on_batch(training.images[..., None])
    wanted = 6.0 * np.eye(7)[training.labels]
    weights = np.linalg.lstsq(np.c_[inside, np.ones(len(inside))], wanted, rcond=1e-3)[0]
    net.layers[-1].set_weights([weights[:-1], weights[-1]])
    return net


def small_run(folder: Path, **changes) -> None:
    """The project's params.yaml in ``folder``, set to a small run on drawn faces; ``changes`` are of its top level."""
    yaml = YAML()
    tree = yaml.load(PARAMS)
    tree.update(dataset="sample", **changes)
    tree["download"]["sample_faces"] = 140
    tree["model"].update(width=4, stem=4)
    tree["train"].update(epochs=2, precision="float32")
    tree["tune"].update(trials=1, epochs=1)
    tree["promote"]["min_class_recall"] = 0.0
    yaml.dump(tree, folder / "params.yaml")


def voter(folder: Path, some: Faces, seed: int, class_set: str = "7", learnt: int = 18, **facts) -> Bundle:
    """A bundle that tells ``patterned`` faces apart by the brightness of their blocks, the better the more it learnt.

    A convolution and a matrix by hand: every seed learns from other Training faces.
    """
    from onnx import TensorProto, helper, numpy_helper, save

    bundle(folder, some.manifest["dataset"])
    faces_of = some.with_classes(class_set)
    training, classes = faces_of.split("Training"), len(faces_of.classes)
    rows = np.random.default_rng(seed).permutation(len(training))[:learnt]
    blocks = training.images[rows].reshape(-1, 6, 8, 6, 8).mean(axis=(2, 4)).reshape(learnt, 36) / 255
    wanted = 6.0 * np.eye(classes)[training.labels[rows]]
    values = {"kernel": np.full((1, 1, 8, 8), 1 / (64 * 255)), "weights": np.linalg.lstsq(blocks, wanted, 1e-3)[0]}
    nodes = [
        helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel"], ["blocks"], strides=[8, 8]),
        helper.make_node("Flatten", ["blocks"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes, "voter", [helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, 48, 48, 1])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, classes])],
        [numpy_helper.from_array(value.astype("float32"), name) for name, value in values.items()],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx")
    meta = json.loads((folder / "bundle.json").read_text())
    meta.update(classes=list(faces_of.classes), class_set=class_set)
    meta["files"]["model.onnx"] = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    meta["provenance"].update({"seed": seed, "class_set": class_set, "run_id": f"{seed:032x}", **facts})
    (folder / "bundle.json").write_text(json.dumps(meta))
    return Bundle.load(folder)


def record(bundle: Bundle, figures=FIGURES) -> Path:
    """Enter a bundle into the ledger with these figures; returns the entry's file."""
    return ledger.record(ledger.entry(bundle, figures, 0.5))


# Small options of every family of networks; the backbone of deepfer comes in one size, see ``small_backbone``. After a
# dash: another form of a family
NETWORKS = {
    "cas": {},
    "compact": {"stem": 4, "width": 4, "stages": 3},
    "compact-attention": {"stem": 4, "width": 4, "stages": 3, "attention": True},
    "deepfer": {"dense": 8},
    "harini": {"width": 4, "dense": 16},
    "javier": {"width": 4, "dense": 16},
    "padova_inception": {"width": 32, "growth": 8, "blocks": 5},
    "padova_resnet": {"width": 4, "groups": (1, 2)},
    "padova_vgg": {"width": 4},
    "resnet": {"width": 8, "blocks": (1, 2), "sharpness": True},
    "resnet_v2": {"width": 8, "blocks": (1, 2)},
    "seresnet": {"width": 4, "blocks": (1, 1), "squeeze": 2, "drop_path": 0.0},
    "vgg": {"width": 4},
}


def small_backbone(monkeypatch):
    """ResNet50V2's stem and blocks, but two stacks of two blocks in place of four of three to six, and few filters."""
    import keras
    from keras.src.applications.resnet import ResNet, stack_residual_blocks_v2

    def stacks(x):
        return stack_residual_blocks_v2(stack_residual_blocks_v2(x, 4, 2, name="conv2"), 8, 2, stride1=1, name="conv3")

    monkeypatch.setattr(keras.applications, "ResNet50V2", lambda **options: ResNet(stacks, True, True, **options))
