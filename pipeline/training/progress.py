"""How far a training run has come, in plain numbers: what its checkpoint keeps beside the weights."""

from dataclasses import dataclass, field

from pipeline.training.config import TrainConfig


@dataclass
class Progress:
    """The part of a run's state beside the arrays; state.json holds it.

    Attributes:
        epoch: how many epochs are over.
        seconds: that training and validation took, of all processes together.
        best_accuracy: the highest PublicTest accuracy so far.
        best_epoch: its epoch, from 1; 0 before the first.
        stalled: epochs since then.
        plateau: epochs since the stage's lowest PublicTest loss, or since the plateau rule last lowered the rate.
        stopped: whether early stopping has ended the run.
        history: a row an epoch, as history.json has it.
    """

    epoch: int = 0
    seconds: float = 0.0
    best_accuracy: float = -1.0
    best_epoch: int = 0
    stalled: int = 0
    plateau: int = 0
    stopped: bool = False
    history: list[dict] = field(default_factory=list)

    def add(self, row: dict, settings: TrainConfig) -> None:
        """Count a finished epoch by its row; ``settings`` are those of its stage.

        Of epochs with the same accuracy the first is the best one.
        """
        self.epoch = row["epoch"]
        self.history.append(row)
        if row["val_accuracy"] > self.best_accuracy:
            self.best_accuracy, self.best_epoch, self.stalled = row["val_accuracy"], row["epoch"], 0
        else:
            self.stalled += 1
        patience = settings["early_stopping"]
        self.stopped = bool(patience) and self.stalled >= patience
        if settings["schedule"] == "plateau":
            losses = [other["val_loss"] for other in self.history if other.get("stage") == row.get("stage")]
            self.plateau = 0 if losses[-1] <= min(losses) else self.plateau + 1

    def rate_is_due(self, settings: TrainConfig) -> bool:
        """Whether the plateau rule lowers the learning rate now; it starts to count anew when it does."""
        if settings["schedule"] != "plateau" or self.plateau < settings["plateau_patience"]:
            return False
        self.plateau = 0
        return True
