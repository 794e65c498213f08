"""bundle.json: what a model is, which files belong to it, and how it came about."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from pipeline.bundle.record import Name, Record

FORMAT: Literal[1] = 1
# FER-2013's crop in terms of a Haar detector's box: one side is the box's side divided by this
CROP_MARGIN = 0.97
SHA256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Int8Accuracies(Record):
    """Shares of PublicTest: right in float32, right in int8, answered alike by both."""

    float32: float
    int8: float
    agreement: float


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
    seed: int
    epochs_run: int
    epochs_asked: int
    best_epoch: int
    seconds: float
    finished: str
    hardware: str
    backend: str
    precision: str
    weights: str | None = None
    tuned: dict[str, Any] = Field(default_factory=dict)


class Provenance(Trained):
    """How a bundle came about.

    Attributes:
        run_id: the MLflow run that made it.
        parity: by how much ONNX Runtime's probabilities differ from those of what it was made of, at most.
        net: of an imported network, the SHA-256 of its file.
    """

    parameters: int
    run_id: str | None = None
    parity: float | None = None
    net: str | None = None
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
    classes: tuple[str, ...] = Field(min_length=1)
    class_set: Name
    size: int = Field(ge=1)
    crop_margin: float = Field(gt=0, allow_inf_nan=False)
    temperature: float = Field(gt=0, allow_inf_nan=False)
    files: dict[str, SHA256]
    provenance: Provenance

    @field_validator("files")
    @classmethod
    def _files_lie_in_the_folder(cls, files: dict[str, str]) -> dict[str, str]:
        for name in files:
            # neither a path, nor hidden, nor a drive or a stream of Windows
            if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
                raise ValueError(f"expected names of files in the bundle's folder, found {name!r}")
        if "model.onnx" not in files:
            raise ValueError(f"expected model.onnx among the files, found {', '.join(files) or 'none'}")
        return files
