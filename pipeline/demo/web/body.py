"""Reads a request's body within bounds, into memory and never onto the disk: raw bytes, a form with files, or JSON."""

import asyncio
import base64
import binascii
import contextlib
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.demo.web.bounds import Bounds
from pipeline.demo.web.picture import Refused
from pipeline.system import plain_json

if TYPE_CHECKING:
    from fastapi import Request
    from fastapi.responses import JSONResponse


# A body that is too large is read and dropped up to this many times the bound: a client that is cut off while it sends
# does not get to see the answer
DROPPED = 4


class Upload(NamedTuple):
    """What a request holds.

    Attributes:
        pictures: names and bytes.
        face: whether each is one face already.
    """

    pictures: list[tuple[str, bytes]]
    face: bool


async def upload(request: "Request", bounds: Bounds, in_time: AbstractAsyncContextManager[None], most: int) -> Upload:
    """A request's pictures: a form with at most ``most`` files, JSON with as many in base64, or one raw picture.

    Args:
        in_time: raises TimeoutError in its block when the request takes too long to arrive.

    Raises Refused when it is too large, too slow, cannot be read, or has too many pictures or none.
    """
    from starlette.requests import ClientDisconnect

    limit = bounds.upload_bytes if most == 1 else bounds.batch_bytes
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    face = _flag(request.query_params.get("face", "false"))
    try:
        async with in_time:
            if kind == "multipart/form-data":
                # A form is a little larger than its files
                pictures, marked = await _form(request, limit + 10_000, most)
            elif kind == "application/json":
                # Base64 takes four bytes for three
                parts = [chunk async for chunk in _stream(request, limit * 4 // 3 + 10_000)]
                pictures, marked = _json(b"".join(parts), most)
            else:
                pictures, marked = [("", b"".join([chunk async for chunk in _stream(request, limit)]))], False
    except ClientDisconnect:
        raise Refused(400, "the client left before the picture had arrived") from None
    except TimeoutError:
        raise Refused(408, f"the picture did not arrive in time, at most {bounds.patience:g} seconds and less "
                           "while others wait") from None
    if not pictures or not any(data for _, data in pictures):
        raise Refused(422, "no picture in the request; send one as its body, in a form with its file, or in JSON")
    return Upload(pictures, face or marked)


async def refuse(request: "Request", error: Refused, bounds: Bounds) -> "JSONResponse":
    """The answer to a request that is refused."""
    from starlette.responses import JSONResponse

    # The rest of the body is not read, so the connection cannot be used for another request
    headers = {"Connection": "close"}
    if error.status == 503:
        await _drop(request, bounds)
        headers["Retry-After"] = "1"
    return JSONResponse({"error": str(error)}, error.status, headers)


async def _drop(request: "Request", bounds: Bounds) -> None:
    """Read a request's body, as far as it comes in ``bounds.grace`` seconds, and drop it.

    An answer to a client that is still sending is lost when the connection is closed after it.
    """
    from starlette.requests import ClientDisconnect

    if "expect" in request.headers:  # it sends nothing before it is told to
        return
    with contextlib.suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(bounds.grace):
            async for _ in request.stream():
                pass


def _flag(value: Any) -> bool:
    flags = {"true": True, "1": True, "": True, "false": False, "0": False}
    if (text := str(value).lower()) not in flags:
        raise Refused(422, "face is true or false")
    return flags[text]


def _json(data: bytes, most: int) -> tuple[list[tuple[str, bytes]], bool]:
    """The pictures of ``{"image": BASE64}`` or ``{"images": [BASE64, ...]}``, and its ``face``."""
    expected = '{"image": "..."}' if most == 1 else '{"images": ["...", ...]}'
    try:
        content = plain_json.parse(data) if data else {}
    except ValueError:
        raise Refused(422, f"not JSON; send {expected}") from None
    if not isinstance(content, dict):
        raise Refused(422, f"expected {expected}")
    images = content.get("images", []) if most > 1 else [content["image"]] if "image" in content else []
    if not isinstance(images, list) or not images or not all(isinstance(image, str) for image in images):
        raise Refused(422, f"no picture in the request; expected {expected}, with a picture in base64")
    if len(images) > most:
        raise Refused(422, f"too many pictures; at most {most}")
    return [("", _decoded(image)) for image in images], _flag(content.get("face", False))


def _decoded(text: str) -> bytes:
    """A picture in base64, also as a data URL and in the alphabet for addresses, with line breaks or without."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    plain = "".join(text.split()).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Refused(422, "a picture is not in base64") from None


async def _stream(request: "Request", limit: int) -> AsyncGenerator[bytes, None]:
    refused = Refused(413, f"more than {limit // 1_000_000} MB; send a smaller picture")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > DROPPED * limit:
        raise refused
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            yield chunk
        elif size > DROPPED * limit:
            break
    if size > limit:
        raise refused


async def _form(request: "Request", limit: int, most: int) -> tuple[list[tuple[str, bytes]], bool]:
    from starlette.datastructures import UploadFile
    from starlette.formparsers import MultiPartException, MultiPartParser

    class InMemory(MultiPartParser):
        spool_max_size = limit

    try:
        form = await InMemory(request.headers, _stream(request, limit), max_files=most, max_fields=8).parse()
    except MultiPartException as error:
        raise Refused(422, f"the form cannot be read: {error.message.rstrip('.').lower()}") from None
    except (LookupError, ValueError):  # of a charset that is none for text, or not the text's
        raise Refused(422, "the form cannot be read: its charset is unknown or not that of its names") from None
    try:
        pictures = [(value.filename or "", await value.read())
                    for _, value in form.multi_items() if isinstance(value, UploadFile)]
        return pictures, _flag(form.get("face", "false"))
    finally:
        await form.close()
