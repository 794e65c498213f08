"""The pydantic mirror of params.yaml and the recipe: one frozen object, unknown keys are errors with their path."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline.faces.faces import CLASS_SETS
from pipeline.params import bounds
from pipeline.params import recipe as recipes
from pipeline.params.bounds import MAX_EPOCHS, MAX_SEED
from pipeline.params.names import DatasetName
from pipeline.params.recipe import Augment, Block, Published, Quantise, Stage
from pipeline.params.space import Tune
from pipeline.system.failure import Failure, did_you_mean


class Download(Block):
    source: str
    url: str | None
    sha256: str | None
    validation_share: float = Field(gt=0, lt=0.5)
    split_seed: int = Field(1, ge=0, le=MAX_SEED)
    sample_faces: int = Field(ge=70, le=100_000)
    sample_seed: int = Field(ge=0, le=MAX_SEED)


class Validate(Block):
    max_blank_share: float = Field(ge=0, le=1)
    max_duplicate_share: float = Field(ge=0, le=1)
    max_leak_share: float = Field(ge=0, le=1)
    max_conflict_share: float = Field(ge=0, le=1)
    max_share_gap: float = Field(ge=0, le=1)


class Balance(Block):
    strategy: Literal["none", "augment_to", "replicate", "class_weights"]
    target: int = Field(0, ge=0, le=100_000)
    share: float = Field(0.0, ge=0, le=1)
    drop_leaks: Literal["none", "exact", "near"] = "none"
    without: str = Field("", pattern=r"^([1-9]\d?/[1-9]\d?)?$")  # "2/3": the second of three folds is held out
    # augment_to's transformations: degrees, and shares of the side
    rotation: float = Field(0.0, ge=0, le=360)
    shear: float = Field(0.0, ge=0, le=10)
    zoom: float = Field(0.0, ge=0, lt=1)
    flip: bool = False

    @field_validator("drop_leaks", mode="before")
    @classmethod
    def _true_means_exact(cls, drop: Any) -> Any:
        """It was a switch before there were near copies."""
        return {True: "exact", False: "none"}[drop] if isinstance(drop, bool) else drop


class Model(BaseModel):
    """The family's name and its options; the family itself refuses options that it does not have."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str
    _options_are_plain = model_validator(mode="after")(bounds.plain_options)


class Train(Block):
    epochs: int = Field(ge=1, le=MAX_EPOCHS)
    batch_size: int = Field(ge=1, le=65_536)
    optimizer: Literal["adam", "adamw", "sgd", "muon"]
    learning_rate: float = Field(gt=0, le=100)
    schedule: Literal["constant", "one_cycle", "plateau"]
    warmup: float = Field(0.0, ge=0, lt=1)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0, le=100)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    ema: float = Field(0.0, ge=0, lt=1)  # moving average of the weights, a step's share; 0: none
    start_share: float = Field(0.0, ge=0, lt=1)  # of the first weights in those kept, see pipeline.training.averaging
    # the share of the epochs after which images are only mirrored and degraded: the last then look like those in use
    augment_until: float = Field(1.0, ge=0, le=1)
    degrade_from: float = Field(0.0, ge=0, lt=1)  # the share of the epochs before which images are not degraded
    # see pipeline.training.mixing.Mix; mix_until is the share of the epochs after which it stops
    mixup: float = Field(0.0, ge=0, le=100)
    cutmix: float = Field(0.0, ge=0, le=100)
    mix_share: float = Field(1.0, ge=0, le=1)
    mix_until: float = Field(0.85, ge=0, le=1)
    votes: float = Field(0.0, ge=0, le=100)  # see pipeline.training.student.Student
    action_units: float = Field(0.0, ge=0, le=100)  # another head, see pipeline.training.action_units
    teacher: float = Field(0.0, ge=0, le=1)
    teachers: str = Field("hour", pattern=r"^[\w-]+$")  # the folder in data/teacher
    temperature: float = Field(2.0, ge=0.01, le=100)
    keep: Literal["best", "last"]
    early_stopping: int = Field(0, ge=0, le=MAX_EPOCHS)
    plateau_factor: float = Field(0.5, gt=0, lt=1)
    plateau_patience: int = Field(5, ge=1, le=MAX_EPOCHS)
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    # of a pretrained network (pipeline.training.unfreezing); epochs beyond theirs are not run
    stages: tuple[Stage, ...] = ()

    @model_validator(mode="after")
    def _adam_has_no_decay(self) -> "Train":
        if self.optimizer == "adam" and self.weight_decay:
            raise ValueError("optimizer adam has no weight_decay; say adamw, or weight_decay: 0")
        return self

    @model_validator(mode="after")
    def _stages_have_rates_and_begin_with_the_best(self) -> "Train":
        if self.stages and self.schedule == "one_cycle":
            raise ValueError("stages have learning rates of their own; say schedule constant or plateau")
        if self.stages and self.keep != "best":
            raise ValueError("a stage begins with the best weights of those before; say keep best")
        return self


# The blocks that a recipe fills and that params.yaml may override; a recipe may leave out what has only defaults
RECIPE_BLOCKS: dict[str, type[BaseModel]] = {"balance": Balance, "augment": Augment, "model": Model, "train": Train,
                                             "quantise": Quantise}


class Evaluate(Block):
    confidence: float = Field(gt=0, lt=1)
    corrupted_bytes: int = Field(4_000_000, ge=0, le=10**9)


class Promote(Block):
    min_gain: float = Field(ge=-1, le=1)
    confidence: float = Field(gt=0, lt=1)
    min_class_recall: float = Field(ge=0, le=1)
    corrupted_confidence: float = Field(0.95, gt=0, lt=1)
    max_loss: float = Field(0.005, ge=0, le=1)


class Demo(Block):
    seconds: float = Field(gt=0, le=600)
    frames_per_second: int = Field(ge=1, le=120)


class Params(Block):
    """params.yaml with the recipe's values filled in."""

    dataset: DatasetName
    recipe: str
    seed: int = Field(ge=0, le=MAX_SEED)
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

    @field_validator("classes", mode="before")
    @classmethod
    def _classes_are_known(cls, classes: Any) -> str:
        name = str(classes) if isinstance(classes, int | str) else ""
        if name not in CLASS_SETS:
            raise ValueError(f"there is no such class set{did_you_mean(name, CLASS_SETS)}; there are "
                             f"{', '.join(CLASS_SETS)}")
        return name  # DVC's -S classes=6 writes a number

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
                    raise Failure(f"params.yaml: {_unknown(path)}")
            node[last] = value
        return _validated(tree, "params.yaml")


def layers(path: Path = Path("params.yaml"), recipe: str | None = None) -> tuple[dict, dict]:
    """params.yaml without its unset values, and the recipe that it names, each as its file has it.

    A ``recipe`` named here is taken as its file has it: the values that params.yaml sets are for its own recipe.

    Raises Failure for a recipe that does not exist, and for a block of params.yaml that is none.
    """
    tree = recipes.read(path)
    if recipe is not None:
        tree = {key: value for key, value in tree.items() if key not in {"classes", *RECIPE_BLOCKS}}
    name = tree["recipe"] = recipe or tree.get("recipe")
    known = recipes.names()
    if name not in known:
        wrong = bounds.shown(name)
        raise Failure(f"{path}: recipe: there is no recipe {wrong}{did_you_mean(wrong, known)}; there are "
                      f"{', '.join(known)}")
    base = recipes.named(name)
    clash = sorted(set(base) & set(tree) - {"classes", *RECIPE_BLOCKS})
    if clash:
        raise Failure(f"{path}: {clash[0]}: belongs in the recipe")
    if tree.get("classes") is None:
        tree.pop("classes", None)
    for block, form in RECIPE_BLOCKS.items():
        values = tree.get(block) or {}
        if not isinstance(values, dict):
            raise Failure(f"{path}: {block}: expected a block of parameters, found {bounds.shown(values)}")
        # Unset leaves the recipe's value, but under a name that does not exist it is a mistake like any other
        unknown = set() if form is Model else set(values) - set(form.model_fields)
        tree[block] = {key: value for key, value in values.items() if value is not None or key in unknown}
    return tree, base


def load(path: Path = Path("params.yaml"), recipe: str | None = None) -> Params:
    """Read params.yaml and the recipe that it names, or that is named here; see ``layers``.

    Raises Failure with the path of the offending key.
    """
    tree, base = layers(path, recipe)
    blocks = {block: {**base.get(block, {}), **tree[block]} for block in RECIPE_BLOCKS}
    return _validated({**base, **tree, **blocks}, str(path))


def _validated(tree: dict, where: str) -> Params:
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        problems = []
        for problem in error.errors():
            path = ".".join(map(str, problem["loc"]))
            if problem["type"] == "extra_forbidden":
                problems.append(_unknown(path))
            else:
                message = problem["msg"].removeprefix("Value error, ")
                problems.append(f"{path}: {message} (got {bounds.shown(problem['input'])})")
        raise Failure(f"{where}: {'; '.join(problems)}") from error


def _unknown(path: str) -> str:
    return f"{path}: there is no such parameter{did_you_mean(path, _paths(Params))}"


def _paths(form: type[BaseModel]) -> list[str]:
    """Every parameter by its path."""
    paths = []
    for name, field in form.model_fields.items():
        name = field.alias or name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            paths += [f"{name}.{path}" for path in _paths(field.annotation)]
        else:
            paths.append(name)
    return paths
