"""The search: its budget and the values that it may try."""

from typing import Any

from pydantic import Field, FiniteFloat, model_validator

from pipeline.params.bounds import MAX_EPOCHS
from pipeline.params.recipe import Block


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
    trials: int = Field(ge=0, le=100_000)
    epochs: int = Field(ge=1, le=MAX_EPOCHS)
    standard_errors: float = Field(ge=0, le=100)
    max_parameters: int = Field(ge=1, le=10**9)
    space: dict[str, Range]
