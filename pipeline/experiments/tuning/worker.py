"""``python -m pipeline.experiments.tuning.worker STUDY TRIALS DATASET``: a worker of ``workers``, whose trials train
nothing. All else is the search's own: the loop over the slots, the lock, the sampler, MLflow."""

import sys
import time
from types import SimpleNamespace

import numpy as np

from pipeline.experiments.tuning.plan import RECIPE, VALUES
from pipeline.experiments.tuning.workers import COMPUTES, GO, READY, WAITS
from pipeline.faces.faces import EMOTIONS, SPLITS, Faces
from pipeline.params import params as parameters
from pipeline.system import failure
from pipeline.tracking import runs
from pipeline.training.config import ResolvedConfig
from pipeline.tune import storage as studies
from pipeline.tune import work
from pipeline.tune.budget import Budget
from pipeline.tune.declared import space_of
from pipeline.tune.trial import Search


class NoTraining:
    """In place of pipeline.training.loop: a trial that waits, computes a little and has one epoch."""

    Diverged = failure.Failure

    def build_net(self, config: ResolvedConfig) -> SimpleNamespace:
        """A network without parameters."""
        return SimpleNamespace(count_params=lambda: 0)

    def fit_faces(self, config: ResolvedConfig, faces: Faces, on_epoch) -> SimpleNamespace:
        """Wait and compute; the accuracy follows from the learning rate."""
        end = time.process_time() + COMPUTES
        time.sleep(WAITS)
        while time.process_time() < end:
            pass
        row = {"epoch": 1, "val_accuracy": 0.6 - abs(config["train"]["learning_rate"] - 0.003)}
        on_epoch(row)
        return SimpleNamespace(net=None, history=[row])


def search(name: str, dataset: str) -> Search:
    """A study over the comparison's space without data."""
    faces = Faces(np.zeros((3, 48, 48), "uint8"), np.array(["a", "b", "c"]), np.array(SPLITS), np.zeros(3, "int64"), {
        "dataset": dataset, "edition": "none", "protocol": "published", "class_set": "7", "strategy": "none",
        "classes": list(EMOTIONS), "class_weights": None, "digest": "none"})
    params = parameters.load(recipe=RECIPE)
    space = {path: span for path, span in VALUES["tune"]["space"].items() if path != "train.votes"}
    tune = {**params.tune.model_dump(), "objective": "accuracy", "warm_start": 0, "epochs": 1, "space": space}
    params = params.override({"dataset": dataset, "train.votes": 0.0, "tune": tune})
    return Search(name, {}, space_of(params), faces, loop=NoTraining())


def main() -> None:
    """Get ready, wait for the word, run trials until there are enough."""
    name, trials, dataset = sys.argv[1:]
    searched, where = search(name, dataset), studies.address(dataset)
    storage = studies.open_storage(where)
    with studies.in_one_line(where):
        study = work.opened(searched, storage, where)
        runs.connect()
        print(READY, flush=True)
        if sys.stdin.readline().strip() != GO:
            return
        work.work(searched, study, where, lambda: Budget(int(trials), 0.0, 0, 1))


if __name__ == "__main__":
    failure.run(main, "worker")
