"""Which parts of one face an answer rests on, for a client that knows the face's box from an earlier answer."""

import math
from collections.abc import Mapping
from typing import Any

from pipeline.bundle.bundle import Bundle
from pipeline.demo.see.boxes import Box
from pipeline.demo.see.crop import crops
from pipeline.demo.see.occlusion import occlusion
from pipeline.demo.web.bounds import Bounds
from pipeline.demo.web.picture import Refused, unpack

# Of a box's sides and of its distance from the picture, in pixels: a larger square would take too much memory
FARTHEST = 4096
# The query, as OpenAPI describes it
PARAMETERS: list[dict[str, Any]] = [
    *({"name": name, "in": "query", "required": True, "description": what,
       "schema": {"type": "number", "minimum": least, "maximum": FARTHEST}}
      for name, least, what in (("x", -FARTHEST, "the left edge of the face's box in the picture"),
                                ("y", -FARTHEST, "its upper edge"), ("width", 1, "its width"),
                                ("height", 1, "its height"))),
    {"name": "emotion", "in": "query", "required": True, "description": "the class to explain",
     "schema": {"type": "string"}},
    {"name": "roll", "in": "query", "required": False, "description": "the face's roll in degrees",
     "schema": {"type": "number", "default": 0}},
    {"name": "face", "in": "query", "required": False, "description": "the picture is one face already: the box is the "
     "classifier's crop itself", "schema": {"type": "boolean", "default": False}},
]


def asked(query: Mapping[str, str], classes: tuple[str, ...]) -> tuple[Box, int]:
    """The face's box, in pixels of the picture, and the index of the class to explain, from a request's query.

    Raises Refused (422) where something is missing or out of bounds.
    """
    x, y = (_number(query, name, -FARTHEST, FARTHEST) for name in ("x", "y"))
    width, height = (_number(query, name, 1, FARTHEST) for name in ("width", "height"))
    roll = _number(query, "roll", -360, 360) if "roll" in query else 0.0
    if (emotion := query.get("emotion", "")) not in classes:
        raise Refused(422, f"emotion is one of {', '.join(classes)}")
    return Box(round(x), round(y), round(width), round(height), roll), classes.index(emotion)


def _number(query: Mapping[str, str], name: str, least: float, most: float) -> float:
    try:
        value = float(query.get(name, ""))
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise Refused(422, f"{name} is a number from {least:g} to {most:g}")
    return value


def explain(bundle: Bundle, limits: Bounds, data: bytes, box: Box, label: int, whole: bool) -> dict[str, Any]:
    """An ``answers.Explanation`` for a face of the picture in these bytes. Raises Refused where they are none.

    Args:
        whole: the box is the crop itself, as in pictures that are one face already.
    """
    frame, _ = unpack(data, limits.pixels)
    crop = crops(frame, [box], 1.0 if whole else bundle.crop_margin)[0]
    result = occlusion(bundle, crop, label)
    return {"model": bundle.id, "emotion": bundle.classes[label], "probability": round(result.probability, 4),
            "hidden": round(result.hidden, 4), "part": result.part, "says": result.says(bundle.classes),
            "log_odds": [[round(float(value), 3) for value in row] for row in result.grid]}
