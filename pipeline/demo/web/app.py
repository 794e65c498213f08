"""The web application: the page, the API and the live connection."""

import asyncio
import contextlib
import json
import math
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles

from pipeline.demo.show.view import EMOJI
from pipeline.demo.web import answers, body
from pipeline.demo.web.bounds import Bounds
from pipeline.demo.web.facts import facts
from pipeline.demo.web.guard import Guard
from pipeline.demo.web.picture import Refused, unpack
from pipeline.demo.web.service import Service

See = Callable[[np.ndarray, float], dict]
CLOCK = struct.Struct("<d")
PAGE = Path(__file__).parent / "page"
PROBLEMS: dict[int | str, dict[str, Any]] = {status: {"model": answers.Problem, "description": why} for status, why in {
    408: "The picture did not arrive in time.", 413: "Too many bytes or pixels.", 415: "Not a JPEG, PNG or WebP.",
    422: "No picture in the request.", 503: "Too many pictures at one time; try again."}.items()}
BINARY = {"type": "string", "format": "binary"}
ONE = {kind: {"schema": BINARY} for kind in ("image/jpeg", "image/png", "image/webp")}
FORM = {"type": "object", "required": ["file"], "properties": {"file": BINARY}}
FORMS = {"type": "object", "required": ["files"], "properties": {"files": {"type": "array", "items": BINARY}}}


class Turns:
    """So many at one time, and no queue behind them."""

    def __init__(self, most: int):
        self.most, self.taken = most, 0

    @contextlib.contextmanager
    def take(self, sentence: str) -> Iterator[None]:
        if self.taken >= self.most:
            raise Refused(503, sentence)
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


def create(service: Service, bounds: Bounds | None = None, hosts: tuple[str, ...] = ("*",)) -> FastAPI:
    """The application for one model.

    Args:
        hosts: names that a request may call this server by, so that no other site's name can point here.
    """
    from anyio import CapacityLimiter, to_thread

    limits = bounds or Bounds()
    about = facts(service.bundle, limits)
    app = FastAPI(title="ferpipe", version=service.bundle.id, docs_url=None, redoc_url=None,
                  description="Emotions in faces: a picture in, every face with its box and probabilities out. "
                              "Nothing is stored.")
    requests, cameras = Turns(limits.requests), Turns(limits.cameras)
    # As many pictures at work as there are threads for; OpenCV uses every core for each
    work = CapacityLimiter(2)

    @app.exception_handler(Refused)
    async def refuse(request: Request, error: Refused) -> JSONResponse:
        # What is left of the body is not read: the connection cannot go on
        return JSONResponse({"error": str(error)}, error.status, {"Connection": "close"})

    @app.post("/predict", response_model=answers.Picture, responses=PROBLEMS, summary="The faces of one picture",
              openapi_extra={"requestBody": {"required": True, "content": {
                  **ONE, "multipart/form-data": {"schema": FORM}}}})
    async def predict(request: Request) -> JSONResponse:
        """JPEG, PNG or WebP, as the body or as a form's file; EXIF rotation is respected."""
        with requests.take("too many pictures at one time; try again in a second"):
            ((_, data),) = await body.files(request, limits, most=1)
            return JSONResponse(await to_thread.run_sync(_one, service, limits, data, limiter=work))

    @app.post("/predict/batch", response_model=answers.Batch, responses=PROBLEMS, summary="The faces of several",
              openapi_extra={"requestBody": {"required": True, "content": {
                  "multipart/form-data": {"schema": FORMS}}}})
    async def predict_batch(request: Request) -> JSONResponse:
        """A form with several files. One that cannot be read gets a sentence, the others their faces."""
        with requests.take("too many pictures at one time; try again in a second"):
            sent = await body.files(request, limits, most=limits.batch)
            return JSONResponse({"pictures": await to_thread.run_sync(_batch, service, limits, sent, limiter=work)})

    @app.get("/about.json", include_in_schema=False)
    async def told() -> JSONResponse:
        return JSONResponse(about)

    @app.get("/api", include_in_schema=False)
    async def api() -> FileResponse:
        return FileResponse(PAGE / "api.html")

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        origin = socket.headers.get("origin")
        if origin and urlsplit(origin).netloc != socket.headers.get("host"):
            return await socket.close(1008)  # another site's page
        with contextlib.suppress(WebSocketDisconnect):  # left, no matter where we were
            await socket.accept()
            try:
                with cameras.take(f"{limits.cameras} cameras are connected already; close one, or try again later"):
                    await _live(socket)
            except Refused as error:
                await socket.send_json({"error": str(error)})
                await socket.close(1013)
        return None

    async def _live(socket: WebSocket) -> None:
        see = await to_thread.run_sync(service.watch, limiter=work)
        while True:
            try:
                async with asyncio.timeout(limits.idle):
                    message = await socket.receive()
            except TimeoutError:
                return await socket.close(1000, "no frame for a while")
            if message["type"] == "websocket.disconnect":
                return None
            answer = await to_thread.run_sync(_frame, see, limits, message.get("bytes"), limiter=work)
            try:
                async with asyncio.timeout(limits.patience):
                    await socket.send_text(json.dumps(answer))
            except TimeoutError:
                return await socket.close(1008, "the answers are not read")

    app.mount("/emoji", StaticFiles(directory=EMOJI))
    app.mount("/", StaticFiles(directory=PAGE, html=True))
    app.add_middleware(Guard, hosts=hosts)
    return app


def _one(service: Service, limits: Bounds, data: bytes) -> dict:
    return service.look(unpack(data, limits.pixels))


def _batch(service: Service, limits: Bounds, sent: list[tuple[str, bytes]]) -> list[dict]:
    """Every picture's answer by its name; those that are broken have an error instead."""
    pictures = []
    for name, data in sent:
        try:
            if len(data) > limits.upload_bytes:
                raise Refused(413, f"more than {limits.upload_bytes // 1_000_000} MB; send a smaller picture")
            pictures.append({"name": name, "picture": _one(service, limits, data)})
        except Refused as error:
            pictures.append({"name": name, "error": str(error)})
    return pictures


def _frame(see: See, limits: Bounds, message: bytes | None) -> dict:
    """A live frame's answer: eight bytes with its time in seconds (float64, little endian), then the picture."""
    try:
        if message is None or len(message) <= CLOCK.size:
            raise Refused(415, "a frame is a binary message: eight bytes of time, then a JPEG, PNG or WebP picture")
        (seconds,) = CLOCK.unpack_from(message)
        if not math.isfinite(seconds):
            raise Refused(415, "a frame's time is a finite number of seconds")
        return see(unpack(message[CLOCK.size :], limits.frame_pixels), seconds)
    except Refused as error:
        return {"error": str(error)}
