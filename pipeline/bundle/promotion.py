"""promotion.json, which promote leaves beside a champion: what the demo says about it, and which bundle it is."""

from pathlib import Path
from typing import Any

from pydantic import Field

from pipeline.bundle.manifest import Share
from pipeline.bundle.record import Name, Record
from pipeline.system.failure import Failure

FILE = "promotion.json"


class Caption(Record):
    """promotion.json.

    Attributes:
        name: of the registered model, and its ``version``.
        public: accuracy on PublicTest.
        corrupted: the same on corrupted faces where it was measured.
        challengers: how many models were compared with a champion on this PublicTest.
        bundle: the id of the bundle that was promoted; the first files lack it.
    """

    name: Name | None = None
    version: int | None = Field(None, ge=0)
    public: Share | None = Field(None, validation_alias="PublicTest", serialization_alias="PublicTest")
    corrupted: Share | None = None
    challengers: int | None = Field(None, ge=1)
    protocol: Name | None = None
    edition: str | None = Field(None, max_length=200)
    bundle: Name | None = None


def caption(folder: Path) -> dict[str, Any]:
    """The caption of the bundle in a folder, under the file's names; empty where it was not promoted.

    Raises Failure where the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        text = path.read_bytes()
    except OSError as error:
        raise Failure(f"{path}: cannot be read ({error.strerror}); restore it") from error
    fields = Caption.read(text, path, "a promotion", "restore it").as_json()
    return {name: value for name, value in fields.items() if value is not None}


def check_promoted(folder: Path, bundle_id: str) -> None:
    """Raise Failure where another bundle than this one was promoted into the folder."""
    promoted = caption(folder).get("bundle", bundle_id)
    if promoted != bundle_id:
        raise Failure(f"{folder}: {bundle_id} is not the model that was promoted, {promoted}; restore the folder, or "
                      f"install the package again")
