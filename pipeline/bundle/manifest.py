"""bundle.json: what a model is, which files belong to it, and how it came about."""

import re
import reprlib
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from pipeline.bundle.record import Name, Record
from pipeline.faces.faces import SIZE, is_class_name

FORMAT: Literal[1] = 1
# FER-2013's crop in terms of a Haar detector's box: one side is the box's side divided by this
CROP_MARGIN = 0.97
# Of the resolved config, what is read from it as a block of parameters
BLOCKS = {"balance", "train", "model", "augment", "members"}
SHA256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Int8Accuracies(Record):
    """Shares of PublicTest: right in float32, right in int8, answered alike by both."""

    float32: Share
    int8: Share
    agreement: Share


class Sizes(Record):
    """Bytes of model.onnx before and after."""

    float32: int
    int8: int


class Quantised(Record):
    """How an int8 bundle was made.

    Attributes:
        bundle: the id of the float32 bundle.
        settings: the recipe's ``quantise`` block.
        faces: how many Training images calibrated it, fewer than the settings' where there are not as many.
    """

    bundle: Name
    settings: dict[str, Any]
    faces: int
    public: Int8Accuracies = Field(validation_alias="PublicTest", serialization_alias="PublicTest")
    bytes: Sizes

    @property
    def gates(self) -> dict[str, Any]:
        """The settings that decide the result; the first files name the switch ``int8`` among them."""
        return {name: value for name, value in self.settings.items() if name != "int8"}


class Trained(Record):
    """The record of a training, in run.json and in a bundle's provenance.

    Attributes:
        data_digest: of the faces as they were trained on.
        source_digest: of the faces as they came.
        config: the resolved config (of an ensemble: members and weights).
        finished: ISO 8601.
        weights: what the backbone started from, where there is a pretrained one.
        tuned: the values that the search found, by path.
    """

    dataset: Name
    edition: str
    protocol: Name
    class_set: Name
    data_digest: str
    source_digest: str
    recipe: Name
    config: dict[str, Any]
    seed: Count
    epochs_run: Count
    epochs_asked: Count
    best_epoch: Count
    seconds: float = Field(ge=0, allow_inf_nan=False)
    finished: str
    hardware: str
    backend: str
    precision: str
    weights: str | None = None
    tuned: dict[str, Any] = Field(default_factory=dict)

    @field_validator("config")
    @classmethod
    def _has_blocks(cls, config: dict[str, Any]) -> dict[str, Any]:
        for name in BLOCKS & config.keys():
            if not isinstance(config[name], dict):
                raise ValueError(f"expected {name} to be a block of parameters, found {reprlib.repr(config[name])}")
        if not isinstance(without := config.get("balance", {}).get("without", ""), str):
            raise ValueError(f"expected balance.without to be a fold, found {reprlib.repr(without)}")
        return config


class Provenance(Trained):
    """How a bundle came about.

    Attributes:
        run_id: the MLflow run that made it.
        parity: by how much ONNX Runtime's probabilities differ from those of what it was made of, at most.
        net: of an imported network, the SHA-256 of its file.
    """

    parameters: Count
    run_id: Name | None = None
    parity: float | None = Field(None, allow_inf_nan=False)
    net: Name | None = None
    quantised: Quantised | None = None

    @property
    def held_out_fold(self) -> str:
        """The fold of Training that it was trained without, as ``balance.without`` names it; empty without one."""
        return self.config.get("balance", {}).get("without", "")


class BundleManifest(Record):
    """bundle.json.

    Attributes:
        size: of the images, in pixels.
        crop_margin: one side of the training images' crop is a Haar detector's box divided by this.
        temperature: softmax(log p / temperature) is calibrated.
        files: the SHA-256 of every other file of the bundle by its name.
    """

    format: Literal[1] = FORMAT
    classes: tuple[str, ...] = Field(min_length=2)
    class_set: Name
    size: int = Field(ge=SIZE, le=SIZE)
    crop_margin: float = Field(ge=0.1, le=10, allow_inf_nan=False)
    # fit_temperature looks from .25 to 4
    temperature: float = Field(ge=0.1, le=10, allow_inf_nan=False)
    files: dict[str, SHA256]
    provenance: Provenance

    @field_validator("classes")
    @classmethod
    def _classes_have_names_that_differ(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if not all(map(is_class_name, classes)) or len(set(classes)) != len(classes):
            raise ValueError(f"expected names that differ, found {reprlib.repr(classes)}")
        return classes

    @field_validator("files")
    @classmethod
    def _files_lie_in_the_folder(cls, files: dict[str, str]) -> dict[str, str]:
        for name in files:
            # neither a path, nor hidden, nor a drive or a stream of Windows
            if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{,99}", name) or name == "bundle.json":
                raise ValueError(f"expected names of files in the bundle's folder, found {name!r}")
        if "model.onnx" not in files:
            raise ValueError(f"expected model.onnx among the files, found {', '.join(files) or 'none'}")
        return files
