"""A data set's name in params.yaml."""

from typing import Annotated, Any

from pydantic import BeforeValidator

from pipeline.faces.datasets import problem


def _checked(name: Any) -> str:
    if not isinstance(name, int | str):
        raise ValueError("expected a name")
    if reason := problem(str(name)):
        raise ValueError(reason)
    return str(name)  # -S dataset=2024 writes a number


DatasetName = Annotated[str, BeforeValidator(_checked)]
