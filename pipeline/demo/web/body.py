"""Reads a request's body within bounds, into memory and never onto the disk: raw bytes, or a form with files."""

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from pipeline.demo.web.bounds import Bounds
from pipeline.demo.web.picture import Refused

if TYPE_CHECKING:
    from fastapi import Request


# A body that is too large is read and dropped up to this many times the bound: a client that is cut off while it sends
# does not get to see the answer
DROPPED = 4


async def files(request: "Request", bounds: Bounds, most: int) -> list[tuple[str, bytes]]:
    """The names and bytes of the pictures in a request: a form with at most ``most`` files, or one raw picture.

    Raises Refused when it is too large, too slow, or has too many files or none.
    """
    from starlette.requests import ClientDisconnect

    limit = bounds.upload_bytes if most == 1 else bounds.batch_bytes
    try:
        async with asyncio.timeout(bounds.patience):
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data":
                # A form is a little larger than its files
                pictures = await _form(request, limit + 10_000, most)
            else:
                pictures = [("", b"".join([chunk async for chunk in _stream(request, limit)]))]
    except ClientDisconnect:
        raise Refused(400, "the client left before the picture had arrived") from None
    except TimeoutError:
        raise Refused(408, f"the picture did not arrive within {bounds.patience:g} seconds") from None
    if not pictures or not any(data for _, data in pictures):
        raise Refused(422, "no picture in the request; send one as its body, or in a form with its file")
    return pictures


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


async def _form(request: "Request", limit: int, most: int) -> list[tuple[str, bytes]]:
    from starlette.datastructures import UploadFile
    from starlette.formparsers import MultiPartException, MultiPartParser

    class InMemory(MultiPartParser):
        spool_max_size = limit

    try:
        form = await InMemory(request.headers, _stream(request, limit), max_files=most, max_fields=8).parse()
    except MultiPartException as error:
        raise Refused(422, f"the form cannot be read: {error.message.rstrip('.').lower()}") from None
    try:
        return [(value.filename or "", await value.read())
                for _, value in form.multi_items() if isinstance(value, UploadFile)]
    finally:
        await form.close()
