"""What the project keeps for good, each kind a frozen model with a format number: bundle.json, a ledger entry, a
promotion. A file is read whole or refused in one line, and never rewritten: ids are hashes of its bytes.
"""

import json
import reprlib
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.system.failure import Failure

# What becomes a part of a file's name or of a path must not lead out of its folder
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]


class Record(BaseModel):
    """A record or a part of one; further keys of a file are kept."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    @classmethod
    def read(cls, text: bytes | str, source: object, kind: str, remedy: str) -> Self:
        """The record that a file's JSON holds.

        Args:
            source: the file, for the message.
            kind: what the file should be, for the message: ``a ledger entry``.
            remedy: what to do about it, for the message.

        Raises Failure, which names the file, the field and what was expected there.
        """
        try:
            # strict: "3" is not taken for a number, nor 1 for a text
            return cls.model_validate_json(text, strict=True)
        except ValidationError as error:
            field, problem = _first_problem(error)
            if field == "format":
                remedy = "it is another version's; update this project"
            raise Failure(f"{source}: not {kind} ({field + ': ' if field else ''}{problem}); {remedy}") from error

    def as_json(self) -> dict[str, Any]:
        """What the file says: the fields under the file's names, without those that neither it nor the code set."""
        return self.model_dump(by_alias=True, exclude_unset=True)

    def to_line(self) -> str:
        """The record as a line of JSON."""
        return json.dumps(self.as_json()) + "\n"


def _first_problem(error: ValidationError) -> tuple[str, str]:
    """Where a record is wrong first, and what was expected there."""
    first = error.errors(include_url=False)[0]
    field, message = ".".join(map(str, first["loc"])), first["msg"]
    if first["type"] == "missing":
        return field, "missing"
    if first["type"] in ("json_invalid", "value_error"):
        return field, message.removeprefix("Value error, ")
    if first["type"] in ("model_type", "model_attributes_type"):
        message = "an object"
    return field, f"expected {message.removeprefix('Input should be ')}, found {reprlib.repr(first['input'])}"
