"""The resolved config: everything that decides a training but the faces, as plain JSON.

``ferpipe resolve`` prints one, the ledger and run.json hold the one that a network was trained with. The types
describe it; ``read`` checks a file against them, so that a machine with keras and numpy alone needs no pydantic.
Keys that are ``NotRequired`` came later than the first ledger entries: ``complete`` fills them in.
"""

import types
from pathlib import Path
from typing import (
    Any,
    Literal,
    NewType,
    NotRequired,
    TypedDict,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from pipeline.system import plain_json
from pipeline.system.failure import Failure

# sha256 of the labels beside the seven emotions, by face: says *which* votes or answers a network learned from
Digest = NewType("Digest", str)
# How much a term counts in the loss, 0 for not at all: says *how strongly* a network learned from them
LossWeight = float


class BalanceConfig(TypedDict, total=False):
    """How the Training split was balanced; training itself does not read it. See pipeline.balance."""

    strategy: str
    target: int
    share: float
    drop_leaks: bool
    drop_near: NotRequired[bool]  # near copies too
    without: str
    rotation: float
    shear: float
    zoom: float
    flip: bool


class AugmentConfig(TypedDict, total=False):
    """The arguments of pipeline.training.augment.Augment; what is left out is as there."""

    flip: bool
    rotation: float
    translation: float
    zoom: float
    shear: float
    brightness: float
    contrast: float
    erasing: float
    strength: float
    fill: Literal["nearest", "constant"]
    blur: float
    jpeg: float
    noise: float
    gamma: float
    misplaced: float
    mouth_hidden: float
    glasses: float
    severity: float


class ModelConfig(TypedDict):
    """The network's family, one of pipeline.training.models.FAMILIES. The other keys are the arguments of that
    family's ``build``, which no type can name; ``build`` refuses those that it does not know."""

    name: str


class StageConfig(TypedDict):
    """One stage of unfreezing, see pipeline.training.unfreezing: ``epochs`` in which the head learns, and with it the
    last ``trainable`` (a share above 0) of the backbone's layers, at this rate."""

    epochs: int
    trainable: Literal["head"] | float
    learning_rate: float


class TrainConfig(TypedDict):
    """The schedule. ``votes`` and ``teacher`` are weights here; the digests of the same names are ResolvedConfig's."""

    epochs: int
    batch_size: int
    optimizer: Literal["adam", "adamw", "sgd", "muon"]
    learning_rate: float
    schedule: Literal["constant", "one_cycle", "plateau"]
    warmup: float  # one_cycle: share of all steps
    momentum: float  # sgd
    weight_decay: float
    label_smoothing: float
    keep: Literal["best", "last"]
    early_stopping: int  # epochs without a better PublicTest accuracy; 0: never
    plateau_factor: float
    plateau_patience: int  # epochs
    precision: Literal["auto", "float32", "bfloat16"]
    ema: NotRequired[float]  # a step's share of the old average; 0: no average
    start_share: NotRequired[float]  # of the weights that the network began with in those that are kept
    augment_until: NotRequired[float]  # share of the epochs, then images are only mirrored and degraded
    degrade_from: NotRequired[float]  # share of the epochs, before it images are not degraded
    mixup: NotRequired[float]  # see pipeline.training.mixing.Mix
    cutmix: NotRequired[float]
    mix_share: NotRequired[float]
    mix_until: NotRequired[float]  # share of the epochs, then images are no longer mixed
    votes: NotRequired[LossWeight]  # of a second head that learns the FER+ votes
    action_units: NotRequired[LossWeight]  # of another that learns those of the label's emotion
    teacher: NotRequired[LossWeight]  # share of the loss that is the divergence from the teachers' answers, 0 to 1
    teachers: NotRequired[str]  # the folder in data/teacher/ that they were taken from
    temperature: NotRequired[float]  # of the teachers' and the network's answers in that divergence
    stages: NotRequired[list[StageConfig]]


class NetConfig(TypedDict):
    """What decides a fresh network: the seed of its weights, its outputs' names, its architecture."""

    seed: int
    classes: list[str]
    model: ModelConfig


class ResolvedConfig(NetConfig):
    """What ``fit`` trains by.

    ``votes`` and ``teacher`` are digests here, present where the network's labels depend on the FER+ votes or on the
    teachers' answers. How much these count in the loss is in ``train`` under the same two names, which ledger
    entries and runs on other machines keep; the types Digest and LossWeight keep the two apart.
    """

    recipe: str
    augment: AugmentConfig
    train: TrainConfig
    balance: NotRequired[BalanceConfig]
    class_weights: NotRequired[list[float] | None]
    votes: NotRequired[Digest]
    teacher: NotRequired[Digest]


# What a config from before a key existed was trained with
TRAIN_DEFAULTS: dict[str, Any] = {
    "ema": 0.0, "start_share": 0.0, "augment_until": 1.0, "degrade_from": 0.0, "mixup": 0.0, "cutmix": 0.0,
    "mix_share": 1.0, "mix_until": 0.85, "votes": 0.0, "action_units": 0.0, "teacher": 0.0, "teachers": "hour",
    "temperature": 2.0, "stages": [],
}
# In these an unknown key is an error: it would be ignored silently
STRICT = (AugmentConfig, TrainConfig, StageConfig)


def complete(config: ResolvedConfig) -> ResolvedConfig:
    """The config with every key of ``train``: an older one may lack those that came later."""
    return {**config, "train": cast(TrainConfig, {**TRAIN_DEFAULTS, **config["train"]})}


def read(path: Path) -> ResolvedConfig:
    """The resolved config in a JSON file. Raises Failure that names everything that is missing or wrong in it."""
    advice = "make one with `ferpipe resolve`"
    try:
        config = plain_json.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Failure(f"{path}: not a resolved config ({error}); {advice}") from error
    if wrong := problems(config):
        raise Failure(f"{path}: not a resolved config ({'; '.join(wrong)}); {advice}")
    return config


def problems(value: Any, kind: Any = ResolvedConfig, path: str = "") -> list[str]:
    """Why a value that came from JSON is not of this type: every reason with its path, as in ``train.epochs is
    missing``; an empty list where it is."""
    origin = get_origin(kind)
    if is_typeddict(kind):
        return _problems_of_block(value, kind, path)
    if origin in (Union, types.UnionType):
        by_option = [problems(value, option, path) for option in get_args(kind)]
        return [] if [] in by_option else _unexpected(value, kind, path)
    if origin is list:
        if not isinstance(value, list):
            return _unexpected(value, kind, path)
        return [problem for index, item in enumerate(value)
                for problem in problems(item, get_args(kind)[0], f"{path}[{index}]")]
    if origin is Literal:
        return [] if value in get_args(kind) else _unexpected(value, kind, path)
    kind = getattr(kind, "__supertype__", kind)  # what a NewType stands for
    # JSON writes 1.0 as 1 as well; true is an int to Python alone
    fits = (isinstance(value, int | float) if kind is float else isinstance(value, kind))
    return [] if fits and isinstance(value, bool) is (kind is bool) else _unexpected(value, kind, path)


def _problems_of_block(value: Any, kind: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return _unexpected(value, dict, path)
    prefix = f"{path}." if path else ""
    hints = get_type_hints(kind)
    wrong = [f"{prefix}{name} is missing" for name in hints if name in kind.__required_keys__ and name not in value]
    if kind in STRICT:
        wrong += [f"{prefix}{name} is not known" for name in value if name not in hints]
    for name, hint in hints.items():
        if name in value:
            wrong += problems(value[name], hint, f"{prefix}{name}")
    return wrong


def _unexpected(value: Any, kind: Any, path: str) -> list[str]:
    return [f"{path or 'the file'} is {value!r:.60}, expected {_in_words(kind)}"]


def _in_words(kind: Any) -> str:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(_in_words(option) for option in get_args(kind))
    if origin is Literal:
        return ", ".join(map(str, get_args(kind)))
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", dict: "a block",
             type(None): "null"}
    return "a list" if origin is list else names[kind]
