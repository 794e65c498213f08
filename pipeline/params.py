"""The pydantic mirror of params.yaml and the recipe: one frozen object, unknown keys are errors with their path."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.failure import Failure

RECIPES = Path(__file__).parent / "recipes"


class Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Download(Block):
    source: str
    url: str | None
    sha256: str | None
    validation_share: float = Field(gt=0, lt=0.5)
    sample_faces: int = Field(ge=70)
    sample_seed: int


class Validate(Block):
    max_blank_share: float = Field(ge=0, le=1)
    max_duplicate_share: float = Field(ge=0, le=1)
    max_leak_share: float = Field(ge=0, le=1)
    max_conflict_share: float = Field(ge=0, le=1)
    max_share_gap: float = Field(ge=0, le=1)


class Balance(Block):
    strategy: Literal["none", "augment_to", "replicate", "class_weights"]
    target: int = Field(0, ge=0)
    share: float = Field(0.0, ge=0, le=1)
    drop_leaks: bool = False
    # augment_to's transformations: degrees, and shares of the side
    rotation: float = Field(0.0, ge=0)
    shear: float = Field(0.0, ge=0)
    zoom: float = Field(0.0, ge=0, lt=1)
    flip: bool = False


class Augment(Block):
    """See pipeline.augment.Augment, whose arguments these are."""

    flip: bool = False
    rotation: float = Field(0.0, ge=0)
    translation: float = Field(0.0, ge=0, lt=1)
    zoom: float = Field(0.0, ge=0, lt=1)
    shear: float = Field(0.0, ge=0)
    brightness: float = Field(0.0, ge=0, le=1)
    contrast: float = Field(0.0, ge=0, le=1)
    erasing: float = Field(0.0, ge=0, le=1)
    strength: float = Field(1.0, ge=0)
    fill: Literal["nearest", "constant"] = "nearest"


class Model(BaseModel):
    """The family's name and its options; the family itself refuses options that it does not have."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str


class Train(Block):
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    optimizer: Literal["adam", "adamw", "sgd"]
    learning_rate: float = Field(gt=0)
    schedule: Literal["constant", "one_cycle", "plateau"]
    warmup: float = Field(0.0, ge=0, lt=1)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    keep: Literal["best", "last"]
    early_stopping: int = Field(0, ge=0)
    plateau_factor: float = Field(0.5, gt=0, lt=1)
    plateau_patience: int = Field(5, ge=1)
    precision: Literal["auto", "float32", "bfloat16"] = "float32"

    @model_validator(mode="after")
    def _adam_has_no_decay(self) -> "Train":
        if self.optimizer == "adam" and self.weight_decay:
            raise ValueError("optimizer adam has no weight_decay; say adamw, or weight_decay: 0")
        return self


class Quantise(Block):
    """The bundle's ONNX file in int8; see pipeline.int8."""

    int8: bool = False
    faces: int = Field(512, ge=1)
    max_loss: float = Field(0.003, ge=0, le=1)
    max_bytes: int | None = Field(None, ge=1)


# The blocks that a recipe fills and that params.yaml may override; a recipe may leave out what has only defaults
RECIPE_BLOCKS: dict[str, type[BaseModel]] = {"balance": Balance, "augment": Augment, "model": Model, "train": Train,
                                             "quantise": Quantise}


class Range(Block):
    """One dimension of the search: choices, or low and high."""

    choices: list[Any] | None = Field(None, min_length=1)
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    log: bool = False

    @model_validator(mode="after")
    def _one_or_the_other(self) -> "Range":
        if self.choices is not None:
            if self.log or self.low is not None or self.high is not None:
                raise ValueError("expected choices alone, or low and high")
            if not all(isinstance(choice, bool | int | float | str) for choice in self.choices):
                raise ValueError("expected choices that are numbers, words, true or false")
        elif self.low is None or self.high is None:
            raise ValueError("expected choices, or low and high")
        elif self.low >= self.high:
            raise ValueError("low must be below high")
        elif self.log and self.low <= 0:
            raise ValueError("log needs a low above 0")
        return self


class Tune(Block):
    trials: int = Field(ge=0)
    epochs: int = Field(ge=1)
    standard_errors: float = Field(ge=0)
    max_parameters: int = Field(ge=1)
    space: dict[str, Range]


class Evaluate(Block):
    bootstrap: int = Field(ge=100)
    confidence: float = Field(gt=0, lt=1)


class Promote(Block):
    min_gain: float
    confidence: float = Field(gt=0, lt=1)
    min_class_recall: float = Field(ge=0, le=1)


class Demo(Block):
    seconds: float = Field(gt=0)
    frames_per_second: int = Field(ge=1)


class Published(Block):
    """The figure that a recipe's authors published, as a share, and the split it was measured on."""

    accuracy: float
    split: Literal["PublicTest", "PrivateTest", "test"]
    note: str = ""


class Params(Block):
    """params.yaml with the recipe's values filled in."""

    dataset: Literal["fer2013", "sample"]
    recipe: str
    seed: int = Field(ge=0)
    title: str
    source: str
    published: Published | None
    tuned: bool
    classes: str
    download: Download
    validate_: Validate = Field(alias="validate")
    balance: Balance
    augment: Augment
    model: Model
    train: Train
    quantise: Quantise
    tune: Tune
    evaluate: Evaluate
    promote: Promote
    demo: Demo

    @property
    def data(self) -> Path:
        """The folder of this dataset's data."""
        return Path("data") / self.dataset

    @property
    def reports(self) -> Path:
        """The folder of this dataset's reports."""
        return Path("reports") / self.dataset

    def override(self, values: dict[str, Any]) -> "Params":
        """The same with other values, named by path: ``{"train.learning_rate": 0.001}``."""
        tree = self.model_dump(by_alias=True)
        for path, value in values.items():
            *parents, last = path.split(".")
            node: Any = tree
            for parent in parents:
                node = node.get(parent) if isinstance(node, dict) else None
                if not isinstance(node, dict):
                    raise Failure(f"params.yaml: {path}: there is no such parameter")
            node[last] = value
        return _validated(tree, "params.yaml")


def load(path: Path = Path("params.yaml")) -> Params:
    """Read params.yaml and the recipe that it names. Raises Failure with the path of the offending key."""
    tree = _read(path)
    name = tree.get("recipe")
    known = sorted(file.stem for file in RECIPES.glob("*.yaml"))
    if name not in known:
        raise Failure(f"{path}: recipe: there is no recipe {name!r}; there are {', '.join(known)}")
    recipe = _read(RECIPES / f"{name}.yaml")
    for block, form in RECIPE_BLOCKS.items():
        mine = tree.get(block) or {}
        if not isinstance(mine, dict):
            raise Failure(f"{path}: {block}: expected a block of parameters, found {mine!r}")
        # A null leaves the recipe's value, but under a name that does not exist it is a mistake like any other
        unknown = set() if form is Model else set(mine) - set(form.model_fields)
        given = {key: value for key, value in mine.items() if value is not None or key in unknown}
        tree[block] = {**recipe.pop(block, {}), **given}
    clash = sorted(set(recipe) & set(tree))
    if clash:
        raise Failure(f"{path}: {clash[0]}: belongs into the recipe")
    return _validated({**recipe, **tree}, str(path))


def _read(path: Path) -> dict:
    try:
        tree = YAML(typ="safe", pure=True).load(path)
    except OSError as error:
        raise Failure(f"{path}: cannot be read ({error.strerror}); run inside the project's folder") from error
    except YAMLError as error:
        raise Failure(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise Failure(f"{path}: expected parameters, found {type(tree).__name__}")
    return tree


def _validated(tree: dict, where: str) -> Params:
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        problems = []
        for problem in error.errors():
            place = ".".join(map(str, problem["loc"]))
            if problem["type"] == "extra_forbidden":
                problems.append(f"{place}: there is no such parameter")
            else:
                problems.append(f"{place}: {problem['msg'].removeprefix('Value error, ')} (got {problem['input']!r})")
        raise Failure(f"{where}: {'; '.join(problems)}") from error
