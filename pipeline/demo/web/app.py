"""The web application: the page, the API and the live connection."""

import asyncio
import contextlib
import json
import math
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from pipeline.demo.show.view import EMOJI
from pipeline.demo.web import answers, api, body, explaining
from pipeline.demo.web.bounds import Bounds
from pipeline.demo.web.facts import facts
from pipeline.demo.web.guard import Guard, may_connect
from pipeline.demo.web.picture import Refused, unpack
from pipeline.demo.web.service import Service
from pipeline.demo.web.slots import Slots

See = Callable[[np.ndarray, float], dict]
CLOCK = struct.Struct("<d")
PAGE = Path(__file__).parent / "page"
# Swagger UI, see its README
DOCS = Path(__file__).parent / "docs"


def create(service: Service, bounds: Bounds | None = None, hosts: tuple[str, ...] = ("*",),
           origins: tuple[str, ...] = ()) -> FastAPI:
    """The application for one model.

    Args:
        hosts: the Host names that are answered, so that another site cannot let its own name point here.
        origins: of other sites whose pages may call the API (CORS), as ``https://example.org``; ``*``: all.
    """
    from anyio import CapacityLimiter, to_thread

    limits = bounds or Bounds()
    about_model = facts(service.bundle, limits)
    app = FastAPI(title="ferpipe", version=service.bundle.id, docs_url=None, redoc_url=None,
                  description=api.description(limits))
    requests = Slots(limits.requests, limits.patience, limits.grace, limits.queue)
    cameras = Slots(limits.cameras)
    # Two pictures are processed at a time, since OpenCV uses every core for each
    work = CapacityLimiter(2)

    @app.exception_handler(Refused)
    async def refuse(request: Request, error: Refused) -> JSONResponse:
        return await body.refuse(request, error, limits)

    @app.post("/predict", tags=["Pictures"], summary="The faces of one picture", response_model=answers.Picture,
              responses=api.problems(408, 413, 415, 422, 503), openapi_extra=api.picture_body())
    async def predict(request: Request) -> JSONResponse:
        """JPEG, PNG or WebP, as the body, as the file of a form, or as JSON with base64; its EXIF rotation is applied.

        `curl --data-binary @face.jpg http://127.0.0.1:8000/predict`
        """
        async with requests.take("too many pictures at one time; try again in a second"):
            ((_, data),), face = await body.upload(request, limits, requests.arriving(), most=1)
            return JSONResponse(await to_thread.run_sync(_one, service, limits, data, face, limiter=work))

    @app.post("/predict/batch", tags=["Pictures"], summary="The faces of several pictures",
              response_model=answers.Batch, responses=api.problems(408, 413, 422, 503),
              openapi_extra=api.batch_body(limits))
    async def predict_batch(request: Request) -> JSONResponse:
        """A form with several files, or JSON. A picture that cannot be read gets an `error`, the others their faces.

        `curl -F files=@one.jpg -F files=@two.png http://127.0.0.1:8000/predict/batch`
        """
        async with requests.take("too many pictures at one time; try again in a second"):
            uploads, face = await body.upload(request, limits, requests.arriving(), most=limits.batch)
            pictures = await to_thread.run_sync(_batch, service, limits, uploads, face, limiter=work)
            return JSONResponse({"pictures": pictures})

    @app.post("/explain", tags=["Pictures"], summary="Which parts of a face an answer rests on",
              response_model=answers.Explanation, responses=api.problems(408, 413, 415, 422, 503),
              openapi_extra=api.explained_body())
    async def explain(request: Request) -> JSONResponse:
        """A picture with the box, roll and emotion of a face in an answer to it. Each part of the face is hidden in
        turn, and the model is asked again.

        `curl --data-binary @face.jpg 'http://127.0.0.1:8000/explain?x=216&y=132&width=178&height=178&emotion=happy'`
        """
        box, label = explaining.asked(request.query_params, service.bundle.classes)
        async with requests.take("too many pictures at one time; try again in a second"):
            ((_, data),), face = await body.upload(request, limits, requests.arriving(), most=1)
            return JSONResponse(await to_thread.run_sync(explaining.explain, service.bundle, limits, data, box, label,
                                                         face, limiter=work))

    @app.get("/about.json", tags=["Server"], summary="The model and the server's limits", response_model=answers.About,
             responses=api.problems())
    async def about() -> JSONResponse:
        """The model, its classes, and how much this server accepts.

        `curl http://127.0.0.1:8000/about.json`
        """
        return JSONResponse(about_model)

    # Relative, so that it also holds behind a proxy that serves this under a path
    @app.get("/api", include_in_schema=False)
    @app.get("/docs", include_in_schema=False)
    async def docs() -> RedirectResponse:
        return RedirectResponse("docs/")

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        if not may_connect(socket.headers.get("origin"), socket.headers.get("host"), origins):
            return await socket.close(1008)  # a page of another site
        with contextlib.suppress(WebSocketDisconnect):  # the client may leave at any point
            await socket.accept()
            try:
                async with cameras.take(f"{limits.cameras} cameras are connected already; close one, or try again "
                                        "later"):
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
    app.mount("/docs", StaticFiles(directory=DOCS, html=True))
    app.mount("/", StaticFiles(directory=PAGE, html=True))
    if origins:
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=("GET", "POST"),
                           allow_headers=("Content-Type",))
    app.add_middleware(Guard, hosts=hosts)
    return app


def _one(service: Service, limits: Bounds, data: bytes, face: bool) -> dict:
    frame, times = unpack(data, limits.pixels, halving=True)
    return service.look(frame, face, times)


def _batch(service: Service, limits: Bounds, uploads: list[tuple[str, bytes]], face: bool) -> list[dict]:
    """An ``answers.BatchItem`` for each ``(name, bytes)``; one that cannot be read has an error instead of faces."""
    pictures = []
    for name, data in uploads:
        try:
            if len(data) > limits.upload_bytes:
                raise Refused(413, f"more than {limits.upload_bytes // 1_000_000} MB; send a smaller picture")
            pictures.append({"name": name, "picture": _one(service, limits, data, face)})
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
        return see(unpack(message[CLOCK.size :], limits.frame_pixels)[0], seconds)
    except Refused as error:
        return {"error": str(error)}
