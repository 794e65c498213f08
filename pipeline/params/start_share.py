"""The share of the weights that a network starts from in those that it keeps (``train.start_share``)."""

from pipeline.params.params import Params
from pipeline.training import start


def kept(params: Params, classes: int | None = None) -> float:
    """The recipe's share where the network starts from one that learned the same classes from the same data set, else
    0: no share of another task's weights, or of random ones, is worth keeping.

    Args:
        classes: how many the balanced faces have; None for as many as params.yaml says.
    """
    weights = params.model.model_dump().get("weights")
    if weights not in start.names() or start.about(weights)["dataset"] != params.dataset:
        return 0.0
    return params.train.start_share if start.classes(weights) == (classes or int(params.classes)) else 0.0


def dropped(params: Params, classes: int | None = None) -> dict[str, float]:
    """The override that does without the recipe's share, as in ``kept``; empty where that is kept."""
    share = kept(params, classes)
    return {} if share == params.train.start_share else {"train.start_share": share}
