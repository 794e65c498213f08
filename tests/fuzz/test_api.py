"""The web API against its own description: whatever is asked, the answer is one that openapi.json names."""

import base64
import json
import urllib.parse
from dataclasses import replace
from types import SimpleNamespace

import anyio.from_thread
import cv2
import numpy as np
import pytest
import schemathesis
import toy_models
from hypothesis import given
from hypothesis import strategies as st
from schemathesis.specs.openapi import checks

from pipeline.demo.web import app
from pipeline.demo.web.bounds import Bounds

BOUNDS = replace(Bounds(), upload_bytes=20_000, pixels=10_000, batch=3, batch_bytes=40_000)
PICTURES = [cv2.imencode(ending, np.zeros((height, width), "uint8"))[1].tobytes()
            for ending in (".png", ".jpg", ".webp") for height, width in ((20, 30), (200, 300))]
DATA = st.sampled_from([*PICTURES, b"", PICTURES[0][:50], b"\x89PNG\r\n\x1a\n", b"RIFF0000WEBP",
                        bytes(25_000)]) | st.binary()
FACE = {"id": 1, "box": {"x": -3, "y": 4, "width": 5, "height": 5}, "roll": 0.5, "emotion": "happy", "sure": False,
        "says": "unsure: happy or sad", "probabilities": {"happy": 0.5, "sad": 0.5}}

for kind in ("image/png", "image/jpeg", "image/webp"):
    schemathesis.openapi.media_type(kind, DATA)
schemathesis.openapi.format("binary", DATA)
schemathesis.openapi.format("byte", DATA.map(lambda data: base64.b64encode(data).decode()) | st.text())


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """A function that makes the application, which looks at no picture."""
    bundle = toy_models.bundle(tmp_path_factory.mktemp("web") / "model")

    def look(frame, face, times):
        height, width = frame.shape[:2]
        return {"model": "toy", "width": width * times, "height": height * times, "milliseconds": 0.1, "faces": [FACE]}

    return lambda: app.create(SimpleNamespace(bundle=bundle, look=look, watch=None), BOUNDS)


@pytest.fixture(scope="module")
def operations(make):
    """What the API can do, by its own description."""
    described = schemathesis.openapi.from_asgi("/openapi.json", make())
    return [result.ok() for result in described.get_all_operations()]


@given(st.data())
def test_every_answer_is_described(operations, data):
    case = data.draw(st.sampled_from(operations).flatmap(lambda operation: operation.as_strategy()))
    response = case.call()
    assert response.status_code < 500 or response.status_code == 503
    case.validate_response(response, checks=[checks.status_code_conformance, checks.content_type_conformance,
                                             checks.response_headers_conformance, checks.response_schema_conformance])


@pytest.fixture(scope="module")
def ask(make):
    """A function that calls the application with exactly these bytes; what it does not catch is the test's error."""
    application = make()

    async def call(method: str, path: str, content: bytes, kind: bytes) -> SimpleNamespace:
        sent, waiting = [], [{"type": "http.request", "body": content, "more_body": False}]

        async def receive():
            return waiting.pop() if waiting else {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        headers = [(b"host", b"127.0.0.1"), (b"content-type", kind), (b"content-length", b"%d" % len(content))]
        await application({
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
            "scheme": "http", "path": urllib.parse.unquote(path), "raw_path": path.encode(), "query_string": b"",
            "root_path": "", "headers": headers, "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 9), "state": {},
        }, receive, send)
        start, *bodies = sent
        return SimpleNamespace(status=start["status"], content=b"".join(part.get("body", b"") for part in bodies),
                               headers={name.lower(): value.decode("latin-1") for name, value in start["headers"]})

    with anyio.from_thread.start_blocking_portal() as portal:
        yield lambda method, path, content=b"", kind=b"": portal.call(call, method, path, content, kind)


@given(st.sampled_from(["/predict", "/predict/batch"]),
       st.sampled_from(["multipart/form-data; boundary=x", "multipart/form-data", "application/json", "image/png", "",
                        "multipart/form-data; boundary=" + "x" * 300, "multipart/form-data; boundary=x; charset=rot13",
                        "application/json; charset=utf-16", "text/plain", "\xff"]),
       st.binary(max_size=300) | DATA | st.lists(st.sampled_from([
           b"--x\r\n", b"--x--\r\n", b"\r\n\r\n", b"\r\n", b'Content-Disposition: form-data; name="file"; filename="a"',
           b'Content-Disposition: form-data; name="face"', b"true", b"Content-Type: image/png", b"\xff", b'"', b"\x00",
           PICTURES[0]]), max_size=12).map(b"".join))
def test_whatever_is_posted_gets_a_picture_or_a_sentence(ask, path, kind, content):
    response = ask("POST", path, content, kind.encode("latin-1"))
    assert response.status in (200, 413, 415, 422)
    answer = json.loads(response.content)
    assert ("error" in answer) == (response.status != 200)
    if "error" in answer:
        assert "\n" not in answer["error"] and len(answer["error"]) < 300


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=9) | st.just("images"),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["image", "images", "face", "x"]), inner, max_size=3), max_leaves=8))
def test_whatever_json_is_posted_gets_a_sentence(ask, content):
    for path in ("/predict", "/predict/batch"):
        response = ask("POST", path, json.dumps(content).encode(), b"application/json")
        assert response.status in (200, 422), response.content


PIECES = st.sampled_from(["%00", "%2e%2e", "..", "/", "%2f", "\\", "%5c", "a", "x" * 300, "emoji", "docs", "page",
                          "%ff", "%", "happy.png", "index.html", ";", "~", "C:", "%0d%0a", "nul", "%c0%ae"])


@given(st.lists(PIECES, max_size=8), st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "DELETE", "TRACE", "PUT"]))
def test_no_address_leads_out_or_breaks_the_server(ask, pieces, method):
    response = ask(method, "/" + "/".join(pieces))
    assert response.status in (200, 307, 404, 405, 415, 422)
    assert b"root:" not in response.content and b"import numpy" not in response.content
    location = response.headers.get(b"location", "docs/")
    assert location == "docs/" or location.startswith("http://127.0.0.1/"), location
