"""Staged unfreezing: which part of a pretrained network learns in which epoch, and at which rate.

A fresh head on a trained backbone sends it large, random gradients at first. So the head learns alone, then the
backbone's last layers with it, which are the most particular to what it was trained on, and at last all of it, at ever
lower rates (Howard & Ruder 2018, arXiv 1801.06146, section 3.3, there for language models).

A recipe says it as data: ``stages: [{epochs: 10, trainable: head, learning_rate: 1e-4}, ...]``. Everything follows from
the settings and the history so far, so that an interrupted run continues in its stage. Stages are counted
from 0 here, from 1 in the history.
"""

import math

import keras

from pipeline.system.failure import Failure
from pipeline.training.config import TrainConfig
from pipeline.training.models.pretrained import BACKBONE


def next_stage(settings: TrainConfig, history: list[dict]) -> int | None:
    """The stage that the next epoch belongs to; None when all epochs or all stages are over.

    A stage is over after its epochs, or when the accuracy on PublicTest has stalled for ``early_stopping`` of them:
    then the next one begins. A recipe without stages is one stage without an end of its own.
    """
    if len(history) >= settings["epochs"]:
        return None
    if not settings.get("stages"):
        return 0
    stage = current_stage(history)
    accuracies = [row["val_accuracy"] for row in history if row["stage"] == stage + 1]
    stalled = len(accuracies) - 1 - accuracies.index(max(accuracies)) if accuracies else 0
    patience = settings["early_stopping"]
    if len(accuracies) < settings["stages"][stage]["epochs"] and not (patience and stalled >= patience):
        return stage
    return stage + 1 if stage + 1 < len(settings["stages"]) else None


def current_stage(history: list[dict]) -> int:
    """The stage of the last epoch, 0 before the first."""
    return int(history[-1].get("stage", 1)) - 1 if history else 0


def stage_column(settings: TrainConfig, stage: int) -> dict[str, int]:
    """The ``stage`` column of the history's row, from 1; empty for a recipe without stages."""
    return {"stage": stage + 1} if settings.get("stages") else {}


def stage_settings(settings: TrainConfig, stage: int) -> TrainConfig:
    """The train settings that hold in a stage: its rate, and no early end of the run, which is ``next_stage``'s."""
    if not settings.get("stages"):
        return settings
    return {**settings, "learning_rate": settings["stages"][stage]["learning_rate"], "early_stopping": 0}


def enter_stage(net: keras.Model, settings: TrainConfig, stage: int) -> None:
    """Freeze and unfreeze the network's layers for a stage; then other variables learn, under a fresh optimiser."""
    if settings.get("stages"):
        unfreeze(net, settings["stages"][stage]["trainable"])


def unfreeze(net: keras.Model, trainable: str | float) -> None:
    """Let the head learn, and the last ``trainable`` (a share) of the backbone's layers that have weights.

    ``head`` is none of them. A frozen batch norm also keeps its statistics: Keras runs it in inference mode, so that
    the backbone computes what its frozen kernels were trained for. Raises Failure for a network without a backbone.
    """
    backbone = next((layer for layer in net.layers if layer.name == BACKBONE), None)
    if backbone is None:
        raise Failure(f"train.stages: the network {net.name} has no pretrained part; leave train.stages empty")
    layers = [layer for layer in backbone.layers if layer.weights]
    learning = 0 if trainable == "head" else math.ceil(float(trainable) * len(layers))
    for index, layer in enumerate(layers):
        layer.trainable = index >= len(layers) - learning
