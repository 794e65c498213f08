"""The types and examples of the API's answers, for its OpenAPI description."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_BOX = {"x": 216, "y": 132, "width": 178, "height": 178}
_PROBABILITIES = {"angry": 0.0101, "disgust": 0.0007, "fear": 0.0102, "happy": 0.9311, "sad": 0.0114,
                  "surprise": 0.0143, "neutral": 0.0222}
_FACE = {"id": 1, "box": _BOX, "roll": 0.0, "emotion": "happy", "sure": True, "says": "happy",
         "probabilities": _PROBABILITIES}
_PICTURE = {"model": "0123456789abcdef", "width": 640, "height": 480, "milliseconds": 17.3, "faces": [_FACE]}
_PROBLEM = {"error": "not a JPEG, PNG or WebP picture"}


def _described(example: Any) -> ConfigDict:
    """No field beyond the described ones, and an example."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [example]})


class Box(BaseModel):
    """A rectangle in pixels of the picture, after its EXIF rotation; it may reach beyond the picture's edge."""

    model_config = _described(_BOX)

    x: int = Field(description="the left edge")
    y: int = Field(description="the upper edge")
    width: int
    height: int


class Face(BaseModel):
    """One face and its emotion."""

    model_config = _described(_FACE)

    id: int = Field(description="from 1 on; in a stream the same face keeps its number")
    box: Box
    roll: float = Field(description="how far the head is tilted, in degrees clockwise; 0 for one that is about "
                                    "upright. The box is not rotated")
    emotion: str = Field(description="the class that is shown: the one with the highest probability; in a stream it "
                                     "changes only when another class leads by `follow.lead` of `/about.json`, so that "
                                     "it does not flicker. While `sure` is true both are the same")
    sure: bool = Field(description="whether the probability of `emotion` is at least `unsure_below` of `/about.json`")
    says: str = Field(description="the result in words: `happy`, or `unsure: sad or fear`")
    probabilities: dict[str, float] = Field(description="calibrated, one for each class; together 1, but for "
                                                        "rounding to four decimals")


class Picture(BaseModel):
    """The faces of one picture."""

    model_config = _described(_PICTURE)

    model: str = Field(description="the model bundle's id")
    width: int = Field(description="of the picture in pixels, after its EXIF rotation")
    height: int
    milliseconds: float = Field(description="to detect and classify the faces, without decoding and network")
    faces: list[Face] = Field(description="the largest first; empty when none is detected")


class Explanation(BaseModel):
    """Which parts of a face speak for an emotion: how its probability changes while each is hidden."""

    model_config = _described({"model": "0123456789abcdef", "emotion": "happy", "probability": 0.9311, "hidden": 0.4076,
                               "part": "mouth", "says": "happy 41% with the mouth hidden",
                               "log_odds": [[0.0] * 12] * 12})

    model: str = Field(description="the model bundle's id")
    emotion: str
    probability: float = Field(description="of the emotion, calibrated, with nothing hidden")
    hidden: float = Field(description="the same with that part hidden which it depends on most")
    part: str = Field(description="what this part is in an upright face: forehead, eyes, nose, mouth, ...")
    says: str = Field(description="the result in words")
    log_odds: list[list[float]] = Field(description="a map of the face's square, twelve rows of twelve cells: by how "
                                                    "much the emotion's log-odds fall while a cell is hidden; negative "
                                                    "where they rise")


class Problem(BaseModel):
    """Why a request was refused."""

    model_config = _described(_PROBLEM)

    error: str = Field(description="one sentence for a person")


class BatchItem(BaseModel):
    """One of several pictures: either its faces or an error."""

    model_config = _described({"name": "face.jpg", "picture": _PICTURE})

    name: str = Field(description="the file's name in the form")
    picture: Picture | None = None
    error: str | None = Field(None, description="one sentence, when this picture could not be read")


class Batch(BaseModel):
    """The faces of several pictures, in the order in which they were sent."""

    model_config = _described({"pictures": [{"name": "a.jpg", "picture": _PICTURE}, {"name": "b.txt", **_PROBLEM}]})

    pictures: list[BatchItem]


class About(BaseModel):
    """The model and the server's settings, as the page needs them."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(description="the model bundle's id")
    about: list[str] = Field(description="lines about the model for a visitor: name, version and id; accuracy")
    dataset: str = Field(description="the data set that the model was trained on")
    accuracy: float | None = Field(description="the share of the data set's PublicTest for which the highest "
                                               "probability is right; null for a model that was never promoted")
    classes: list[str] = Field(description="in the order of the network's outputs")
    temperature: float = Field(description="of the calibration (temperature scaling)")
    crop_margin: float = Field(description="the detector's box as a share of the classifier's crop")
    unsure_below: float = Field(description="below this probability an answer is called unsure")
    colours: dict[str, str] = Field(description="a CSS colour for each class")
    emoji: list[str] = Field(description="the classes with a picture at `/emoji/CLASS.png`")
    follow: dict[str, float] = Field(description="constants of tracking and smoothing, in seconds or shares")
    bounds: dict[str, float] = Field(description="the server's limits: bytes, pixels, seconds, counts")
