"""What the API answers, for its OpenAPI description."""

from pydantic import BaseModel, Field


class Box(BaseModel):
    """A rectangle in pixels of the picture, after its EXIF rotation."""

    x: int
    y: int
    width: int
    height: int


class Face(BaseModel):
    id: int = Field(description="from 1 on; in a stream the same face keeps its number")
    box: Box
    emotion: str = Field(description="the class with the highest probability")
    sure: bool = Field(description="whether that probability is high enough to call it an answer")
    says: str = Field(description="the answer in words: `happy`, or `unsure: sad or fear`")
    probabilities: dict[str, float] = Field(description="calibrated, one for each class, together 1")


class Picture(BaseModel):
    model: str = Field(description="the model bundle's id")
    width: int
    height: int
    milliseconds: float = Field(description="to find and classify the faces, decoding and network left out")
    faces: list[Face] = Field(description="the largest first; empty when none is found")


class Problem(BaseModel):
    error: str = Field(description="one sentence")


class Named(BaseModel):
    """One of several pictures: its answer, or why there is none."""

    name: str
    picture: Picture | None = None
    error: str | None = None


class Batch(BaseModel):
    pictures: list[Named]
