"""What is particular to a recipe: its header, augmentation, stages of unfreezing, int8, and how its file is read."""

import stat
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.params.bounds import MAX_EPOCHS
from pipeline.system.failure import Failure

RECIPES = Path(__file__).parent.parent / "recipes"
# A file of parameters has a few thousand; YAML is read slowly
MOST_BYTES = 200_000


class Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Published(Block):
    """The figure that a recipe's authors published, as a share, and the split it was measured on.

    Without ``accuracy`` they describe the recipe and give no figure. ``parameters`` is their count. In a
    recipe that is not theirs, ``by`` names the recipe of theirs that the figure belongs to. Where they do not name the
    split, ``split`` is the one that we measure on.
    """

    accuracy: float | None = Field(ge=0, le=1)
    split: Literal["PublicTest", "PrivateTest", "test"]
    split_named: bool = True
    parameters: int | None = Field(None, ge=0)
    by: str | None = None
    note: str = ""


class Stage(Block):
    """``epochs`` in which the head is trained with the last ``trainable`` (a share) of the backbone's layers."""

    epochs: int = Field(ge=1, le=MAX_EPOCHS)
    trainable: Literal["head"] | Annotated[float, Field(gt=0, le=1)]
    learning_rate: float = Field(gt=0, le=100)


class Augment(Block):
    """The arguments of pipeline.training.augment.Augment, and from ``blur`` on of pipeline.training.degrade.Degrade."""

    flip: bool = False
    rotation: float = Field(0.0, ge=0, le=360)
    translation: float = Field(0.0, ge=0, lt=1)
    zoom: float = Field(0.0, ge=0, lt=1)
    shear: float = Field(0.0, ge=0, le=10)
    brightness: float = Field(0.0, ge=0, le=1)
    contrast: float = Field(0.0, ge=0, le=1)
    erasing: float = Field(0.0, ge=0, le=1)
    strength: float = Field(1.0, ge=0, le=10)
    fill: Literal["nearest", "constant"] = "nearest"
    # probabilities of a degradation, and how far their ranges are used
    blur: float = Field(0.0, ge=0, le=1)
    jpeg: float = Field(0.0, ge=0, le=1)
    noise: float = Field(0.0, ge=0, le=1)
    gamma: float = Field(0.0, ge=0, le=1)
    misplaced: float = Field(0.0, ge=0, le=1)
    mouth_hidden: float = Field(0.0, ge=0, le=1)
    glasses: float = Field(0.0, ge=0, le=1)
    severity: float = Field(1.0, ge=0, le=1)


class Quantise(Block):
    """The bundle's ONNX file in int8; see pipeline.bundle.int8."""

    int8: bool = False
    faces: int = Field(512, ge=1, le=100_000)
    max_loss: float = Field(0.003, ge=0, le=1)
    max_bytes: int | None = Field(None, ge=1, le=10**10)


def names() -> list[str]:
    """All recipes."""
    return sorted(file.stem for file in RECIPES.glob("*.yaml"))


def read(path: Path) -> dict:
    """The parameters in a YAML file. Raises Failure where it cannot be read or holds none."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            raise Failure(f"{path}: expected a file of parameters of at most {MOST_BYTES:,} bytes, found "
                          f"{status.st_size:,} bytes" + ("" if stat.S_ISREG(status.st_mode) else " and no file"))
        tree = YAML(typ="safe", pure=True).load(path)
    except OSError as error:
        raise Failure(f"{path}: cannot be read ({error.strerror}); run inside the project's folder") from error
    # the last two: numbers and dates that cannot be, and brackets in brackets without end
    except (YAMLError, ValueError, RecursionError) as error:
        raise Failure(f"{path}: not YAML: {' '.join(str(error).split())[:500]}") from error
    if not isinstance(tree, dict):
        raise Failure(f"{path}: expected parameters, found {type(tree).__name__}")
    return tree


def named(name: str) -> dict:
    """The recipe of this name as its file has it."""
    return read(RECIPES / f"{name}.yaml")
