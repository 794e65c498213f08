"""What the OpenAPI description says beyond the handlers' types: request bodies, errors, how to call."""

from typing import Any

from pipeline.demo.web import answers, explaining
from pipeline.demo.web.bounds import Bounds

TYPES = ("image/jpeg", "image/png", "image/webp")
_BINARY = {"type": "string", "format": "binary"}
_BASE64 = {"type": "string", "contentEncoding": "base64", "description": "a picture in base64, or as a data URL"}
_FACE = {"type": "boolean", "default": False, "description": "every picture is one face already: its largest square in "
                                                             "the middle is classified, no face is looked for"}
_TEXT = {"text/plain": {"schema": {"type": "string"}}}


def description(bounds: Bounds) -> str:
    """The text above the operations, in Markdown."""
    return f"""A picture in, every face with its box and calibrated probabilities out. Nothing is stored.

A picture is JPEG, PNG or WebP, at most {bounds.upload_bytes // 1_000_000} MB and {bounds.pixels // 1_000_000} million
pixels, a JPEG four times as many. Every refused request is answered with `{{"error": "one sentence"}}`.

For a video or camera there is a WebSocket at `/live` (OpenAPI cannot describe it): send a binary message with the
frame's time in seconds (float64, little endian), then its JPEG, PNG or WebP bytes (together at most
{bounds.frame_bytes // 1_000_000} MB); wait for the answer before you send the next frame. The answer is JSON as for
`POST /predict`, or `{{"error": "one sentence"}}`. Faces keep their `id`, also when the frames' size changes, as over a
line that has become slow; probabilities are smoothed over time."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors with these statuses, for a handler's ``responses``."""
    why = {408: "The picture did not arrive in time.", 413: "Too many bytes or pixels.",
           415: "Not a JPEG, PNG or WebP picture, or an incomplete one.", 422: "No picture in the request, or a form "
           "that cannot be read.", 503: "Too many pictures or connections at a time; try again in a second."}
    responses: dict[int | str, dict[str, Any]] = {
        status: {"model": answers.Problem, "description": why[status]} for status in statuses}
    responses[421] = {"description": "The Host header names another server.", "content": _TEXT}
    return responses


def picture_body() -> dict[str, Any]:
    """The body of a request with one picture: its bytes, a form with one file, or JSON."""
    form = {"type": "object", "required": ["file"],
            "properties": {"file": {**_BINARY, "description": "one picture"}, "face": _FACE}}
    plain = {"type": "object", "required": ["image"], "properties": {"image": _BASE64, "face": _FACE}}
    return _body({"multipart/form-data": {"schema": form}, "application/json": {"schema": plain},
                  **{kind: {"schema": _BINARY} for kind in TYPES}})


def explained_body() -> dict[str, Any]:
    """A picture as for ``picture_body``, and which of its faces, in the query."""
    return {**picture_body(), "parameters": explaining.PARAMETERS}


def batch_body(bounds: Bounds) -> dict[str, Any]:
    """The body of a request with several pictures: a form with several files, or JSON."""
    files = {"type": "array", "items": _BINARY, "minItems": 1, "maxItems": bounds.batch,
             "description": f"pictures, together at most {bounds.batch_bytes // 1_000_000} MB"}
    form = {"type": "object", "required": ["files"], "properties": {"files": files, "face": _FACE}}
    images = {**files, "items": _BASE64}
    plain = {"type": "object", "required": ["images"], "properties": {"images": images, "face": _FACE}}
    return _body({"multipart/form-data": {"schema": form}, "application/json": {"schema": plain}})


def _body(content: dict[str, Any]) -> dict[str, Any]:
    face = {"name": "face", "in": "query", "required": False, "schema": _FACE}
    return {"requestBody": {"required": True, "content": content}, "parameters": [face]}
