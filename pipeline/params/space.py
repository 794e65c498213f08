"""The search: its budgets, its evidence and the values that it may try."""

from typing import Any, Literal

from pydantic import Field, FiniteFloat, field_validator, model_validator

from pipeline.params.bounds import MAX_EPOCHS
from pipeline.params.recipe import Block

# What a study may weigh: accuracy alone, or accuracy against the time that a face takes
Objective = Literal["accuracy", "accuracy_and_speed"]
# Between a parameter's path and the label that tells two dimensions of the same parameter apart
LABEL = "@"


class Range(Block):
    """One dimension of the search: choices, or low and high.

    ``when`` makes it conditional: other dimensions by name, and the choices of theirs with which this one is searched.
    """

    choices: list[Any] | None = Field(None, min_length=1)
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    log: bool = False
    when: dict[str, list[Any]] = Field(default_factory=dict)

    @field_validator("when", mode="before")
    @classmethod
    def _one_choice_is_a_list_of_one(cls, when: Any) -> Any:
        if not isinstance(when, dict):
            return when
        return {name: list(choices) if isinstance(choices, list | tuple) else [choices]
                for name, choices in when.items()}

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
    """The budgets end the search where the first of them is reached; 0 is no budget but for ``trials``, where it is no
    search."""

    trials: int = Field(ge=0, le=100_000)
    hours: float = Field(0.0, ge=0, le=100_000)  # of finished trials, added up over all workers
    flat: int = Field(0, ge=0, le=100_000)  # see pipeline.tune.budget
    epochs: int = Field(ge=1, le=MAX_EPOCHS)
    finalists: int = Field(1, ge=0, le=100)  # 0: nothing is taken
    confidence: float = Field(0.9, gt=0, lt=1)  # see pipeline.tune.evidence
    objective: Objective = "accuracy"
    warm_start: int = Field(0, ge=0, le=10_000)
    max_parameters: int = Field(ge=1, le=10**9)
    space: dict[str, Range]
