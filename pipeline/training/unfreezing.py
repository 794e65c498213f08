"""Staged unfreezing: which part of a pretrained network learns in which epoch, and at which rate.

A recipe says it as data: ``stages: [{epochs: 10, trainable: head, learning_rate: 1e-4}, ...]``. Everything follows from
the settings and the history so far, so that a run that was cut goes on in the stage that it was in.
"""

import math
from typing import Any

import keras

from pipeline.system.failure import Failure
from pipeline.training.models.pretrained import BACKBONE


def upcoming(settings: dict, history: list[dict]) -> int | None:
    """The stage (0, 1, ...) that the next epoch belongs to; None when all epochs or all stages are over.

    A stage is over after its epochs, or when the accuracy on PublicTest has stalled for ``early_stopping`` of them:
    then the next one begins. A recipe without stages is one stage without an end of its own.
    """
    if len(history) >= settings["epochs"]:
        return None
    if not settings.get("stages"):
        return 0
    stage = running(history)
    mine = [row["val_accuracy"] for row in history if row["stage"] == stage + 1]
    stalled = len(mine) - 1 - mine.index(max(mine)) if mine else 0
    patience = settings["early_stopping"]
    if len(mine) < settings["stages"][stage]["epochs"] and not (patience and stalled >= patience):
        return stage
    return stage + 1 if stage + 1 < len(settings["stages"]) else None


def running(history: list[dict]) -> int:
    """The stage of the last epoch, 0 before the first."""
    return int(history[-1].get("stage", 1)) - 1 if history else 0


def column(settings: dict, stage: int) -> dict[str, int]:
    """What a row of the history says of its stage, counted from 1; nothing for a recipe without stages."""
    return {"stage": stage + 1} if settings.get("stages") else {}


def within(settings: dict, stage: int) -> dict[str, Any]:
    """The train settings that hold in a stage: its rate, and no early end of the run, which is ``upcoming``'s."""
    if not settings.get("stages"):
        return settings
    return {**settings, "learning_rate": settings["stages"][stage]["learning_rate"], "early_stopping": 0}


def enter(net: keras.Model, settings: dict, stage: int) -> None:
    """Freeze and unfreeze the network's layers for a stage; then other variables learn, under a fresh optimiser."""
    if settings.get("stages"):
        unfreeze(net, settings["stages"][stage]["trainable"])


def unfreeze(net: keras.Model, trainable: str | float) -> None:
    """Let the head learn and of the backbone the last ``trainable`` (a share) of its layers that have weights.

    ``head`` is none of them. A frozen batch norm also keeps its statistics. Raises Failure for a network without one.
    """
    backbone = next((layer for layer in net.layers if layer.name == BACKBONE), None)
    if backbone is None:
        raise Failure(f"train.stages: the network {net.name} has no pretrained part; leave train.stages empty")
    layers = [layer for layer in backbone.layers if layer.weights]
    learning = 0 if trainable == "head" else math.ceil(float(trainable) * len(layers))
    for place, layer in enumerate(layers):
        layer.trainable = place >= len(layers) - learning
