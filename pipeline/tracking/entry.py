"""What the ledger holds of a model; ``ledger`` reads and writes the files."""

from typing import Any, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict  # pydantic takes typing's only from Python 3.12 on

from pipeline.bundle.manifest import Quantised
from pipeline.bundle.record import Name, Record

FORMAT: Literal[1] = 1


@with_config(ConfigDict(extra="allow"))
class ClassFigures(TypedDict):
    """Shares of one class, of ``n`` images."""

    precision: float
    recall: float
    f1: float
    n: int


@with_config(ConfigDict(extra="allow"))
class Figures(TypedDict):
    """What ``evaluate.metrics.figures`` measures of a model on ``n`` images of a split, in one view.

    Accuracy and macro-F1 are shares, the interval is the accuracy's, the loss is in nats; the confusion matrix has true
    classes as rows.
    """

    n: int
    accuracy: float
    interval: list[float]
    macro_f1: float
    loss: float
    per_class: dict[str, ClassFigures]
    confusion: list[list[int]]


@with_config(ConfigDict(extra="allow"))
class Robustness(TypedDict):
    """Accuracies, as shares, on ``n`` images under each of ``faces.corruptions.CORRUPTIONS``, single view.

    ``mean`` and ``worst`` are over the corruptions, ``accuracy`` has each by its name. ``interval`` is the mean's, of
    95 %, by a bootstrap over the images; the first entries with these figures lack it.
    """

    n: int
    mean: float
    interval: NotRequired[list[float]]
    worst: float
    accuracy: dict[str, float]


# By split: PublicTest, PrivateTest
SplitRobustness = dict[str, Robustness]
# Figures by split (PublicTest, PrivateTest, test, Training) and view (single, flip)
SplitFigures = dict[str, dict[str, Figures]]


class Epochs(Record):
    """How many were run, how many the recipe asks for, and which one the weights are from."""

    run: int
    asked: int
    best: int


class Entry(Record):
    """A trained model: how it came about and what it can do.

    Attributes:
        finished: ISO 8601.
        weights: what the backbone started from, where there is a pretrained one.
        onnx_bytes: of the file that is served.
        milliseconds: of a call with one face on one thread; the first entries lack it.
        bundle: the bundle's id, a hash of its content.
        config: the resolved config (of an ensemble: members and weights).
        tuned: the values that the search found, by path.
        history: the curves, a row an epoch.
        figures: by split and view; empty for a model that is not measured yet, which no file holds.
        robustness: by split; the entries of the first months lack it, and those of large models.
        copy_free: as ``figures``, on the test images without any copy in Training; entries lack it where near copies
            had not been looked for.
    """

    format: Literal[1] = FORMAT
    recipe: Name
    seed: int
    dataset: Name
    edition: str
    data_digest: str
    source_digest: str
    protocol: Name
    class_set: Name
    classes: tuple[str, ...]
    epochs: Epochs
    hardware: str
    backend: str
    precision: str
    minutes: float
    finished: str
    parameters: int
    weights: str | None = None
    onnx_bytes: int
    milliseconds: float | None = None
    bundle: Name
    run_id: str | None
    config: dict[str, Any]
    tuned: dict[str, Any] = Field(default_factory=dict)
    quantised: Quantised | None = None
    history: tuple[dict[str, float], ...]
    figures: SplitFigures
    robustness: SplitRobustness | None = None
    copy_free: SplitFigures | None = None

    @property
    def all_figures(self) -> dict[str, Any]:
        """Everything that was measured, as MLflow has it: by split and view, ``corrupted`` by split and
        ``copy_free`` as the figures."""
        return {**self.figures, **({"corrupted": self.robustness} if self.robustness else {}),
                **({"copy_free": self.copy_free} if self.copy_free else {})}

    @property
    def filename(self) -> str:
        return f"{self.recipe}-{self.class_set}-{self.protocol}-seed{self.seed}-{self.bundle}.json"
