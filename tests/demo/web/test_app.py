"""The web server: the API, the live connection, and what it does with broken pictures and rude clients."""

import base64
import contextlib
import http.client
import json
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from dataclasses import replace
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest
import toy_models

from pipeline.bundle.bundle import Bundle, sha256
from pipeline.demo.notice import NOTICE
from pipeline.demo.see.classifier import classify
from pipeline.demo.see.detector import BlazeFace
from pipeline.demo.see.watcher import look
from pipeline.demo.web import main as web
from pipeline.demo.web.app import DOCS
from pipeline.demo.web.bounds import Bounds
from pipeline.demo.web.facts import facts
from pipeline.demo.web.guard import host_of
from pipeline.demo.web.service import Service
from pipeline.download.drawn import clip
from pipeline.faces.faces import EMOTIONS
from pipeline.system.failure import Failure

ROOT = Path(__file__).parents[3]
# Small, so that a test can reach them
BOUNDS = replace(Bounds(), upload_bytes=1_000_000, pixels=1_000_000, batch=3, batch_bytes=2_000_000, requests=3,
                 queue=0.5, frame_bytes=500_000, frame_pixels=700_000, cameras=2, patience=3.0, idle=2.0)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    return toy_models.bundle(tmp_path_factory.mktemp("web") / "model")


@contextlib.contextmanager
def running(service: Service, origins: tuple[str, ...] = ()):
    """The port of a running server."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = web.server(service, BOUNDS, web.LOOPBACK, origins)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive(), "the server ends when it is told to"


@pytest.fixture(scope="module")
def served(bundle):
    """The port of a running server."""
    with running(Service(bundle)) as port:
        yield port


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    """Two drawn people, 640 by 480."""
    return next(clip.frames(1, 1))


def encoded(picture: np.ndarray, ending: str = ".png") -> bytes:
    return cv2.imencode(ending, picture)[1].tobytes()


def post(port: int, body, path: str = "/predict", **headers: str) -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    return answer.status, json.load(answer)


def form(*files: tuple[str, bytes]) -> tuple[bytes, str]:
    head = '--line\r\nContent-Disposition: form-data; name="files"; filename="{}"\r\n\r\n'
    body = b"".join(head.format(name).encode() + data + b"\r\n" for name, data in files) + b"--line--\r\n"
    return body, "multipart/form-data; boundary=line"


def live(port: int, **options):
    from websockets.sync.client import connect

    return connect(f"ws://127.0.0.1:{port}/live", max_size=None, **options)


def ask(connection, picture: bytes, seconds: float = 0.0) -> dict:
    connection.send(struct.pack("<d", seconds) + picture)
    return json.loads(connection.recv(timeout=30))


def assert_well(port: int, frame: np.ndarray) -> None:
    status, answer = post(port, encoded(frame))
    assert status == 200 and len(answer["faces"]) == 2, "the service goes on"


# what it answers


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
def test_a_picture_gets_every_face_with_its_box_and_seven_probabilities(served, frame, bundle, ending):
    status, answer = post(served, encoded(frame, ending))
    assert status == 200 and (answer["width"], answer["height"], answer["model"]) == (640, 480, bundle.id)
    left, right = sorted(answer["faces"], key=lambda face: face["box"]["x"])
    assert left["box"]["x"] < 200 < 300 < right["box"]["x"] and left["box"]["width"] > 100
    for face in answer["faces"]:
        assert list(face["probabilities"]) == list(EMOTIONS)
        assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-3)
        assert face["emotion"] == max(face["probabilities"], key=face["probabilities"].get)


def test_the_api_says_what_the_demo_says(served, frame, bundle):
    expected = [face.as_json(bundle.classes) for face in look(frame, BlazeFace(), bundle)]
    assert post(served, encoded(frame))[1]["faces"] == expected


def test_a_form_with_a_file_is_taken_too(served, frame):
    body, kind = form(("two.png", encoded(frame)))
    assert post(served, body, **{"Content-Type": kind})[1]["faces"] == post(served, encoded(frame))[1]["faces"]


def test_a_photograph_is_turned_as_its_exif_data_says(served, frame):
    import io

    from PIL import Image

    exif, data = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    Image.fromarray(np.rot90(frame[:, :, ::-1])).save(data, "JPEG", exif=exif, quality=95)
    status, answer = post(served, data.getvalue())
    assert (status, answer["width"], answer["height"], len(answer["faces"])) == (200, 640, 480, 2)


def test_a_batch_answers_each_picture_by_its_name_and_a_broken_one_with_a_sentence(served, frame):
    broken = b"\x89PNG\r\n\x1a\nno"
    body, kind = form(("a.png", encoded(frame)), ("none.png", encoded(frame[:100])), ("broken.png", broken))
    status, answer = post(served, body, "/predict/batch", **{"Content-Type": kind})
    first, second, third = answer["pictures"]
    assert status == 200 and [len(item["picture"]["faces"]) for item in (first, second)] == [2, 0]
    assert (first["name"], third["name"], "picture" in third) == ("a.png", "broken.png", False)
    assert "not a picture" in third["error"]


def assert_described(description: dict, path: str, status: int, body, method: str = "post") -> None:
    """The answer is one that openapi.json describes."""
    responses = description["paths"][path][method]["responses"]
    assert str(status) in responses, f"{path} answers {status}"
    schema = responses[str(status)]["content"]["application/json"]["schema"]
    jsonschema.validate(body, {**schema, "components": description["components"]})


@pytest.fixture(scope="module")
def description(served) -> dict:
    with urllib.request.urlopen(f"http://127.0.0.1:{served}/openapi.json") as answer:
        return json.load(answer)


def test_openapi_describes_every_endpoint_and_what_it_really_answers(served, frame, description):
    assert {path: set(methods) for path, methods in description["paths"].items()} == {
        "/predict": {"post"}, "/predict/batch": {"post"}, "/explain": {"post"}, "/about.json": {"get"}}
    small, broken = encoded(frame[:50, :50]), b"\x89PNG\r\n\x1a\nno"
    for data, expected in ((encoded(frame), 200), (small, 200), (b"", 422), (b"words", 415), (broken, 415),
                           (bytes(BOUNDS.upload_bytes + 1), 413), (encoded(np.zeros((2000, 2000), "uint8")), 413)):
        status, answer = post(served, data)
        assert status == expected
        assert_described(description, "/predict", status, answer)
    for files, expected in (([("a.png", encoded(frame)), ("b.png", broken)], 200), ([], 422),
                            ([("a.png", small)] * 4, 422), ([("a.png", bytes(BOUNDS.batch_bytes + 20_000))], 413)):
        body, kind = form(*files)
        status, answer = post(served, body, "/predict/batch", **{"Content-Type": kind})
        assert status == expected
        assert_described(description, "/predict/batch", status, answer)
    with urllib.request.urlopen(f"http://127.0.0.1:{served}/about.json") as answer:
        assert_described(description, "/about.json", answer.status, json.load(answer), "get")


def test_a_face_of_an_answer_is_explained(served, frame, bundle, description):
    picture = encoded(frame)
    face = post(served, picture)[1]["faces"][0]
    query = {**face["box"], "roll": face["roll"], "emotion": face["emotion"]}

    def asked(body=picture, **changes):
        status, answer = post(served, body, f"/explain?{urllib.parse.urlencode({**query, **changes})}")
        assert_described(description, "/explain", status, answer)
        return status, answer

    status, answer = asked()
    assert status == 200 and answer["model"] == bundle.id and answer["emotion"] == face["emotion"]
    assert answer["probability"] == pytest.approx(face["probabilities"][face["emotion"]], abs=1e-4)
    assert asked(emotion="sad")[1]["emotion"] == "sad"
    assert asked(face="true")[0] == 200
    for changes, word in (({"emotion": "joy"}, "emotion is one of"), ({"width": 0}, "width is a number from 1"),
                          ({"height": 1e9}, "height is a number"), ({"x": "nan"}, "x is a number"),
                          ({"y": ""}, "y is a number"), ({"roll": "inf"}, "roll is a number"),
                          ({"face": "maybe"}, "face is true or false")):
        status, answer = asked(**changes)
        assert status == 422 and word in answer["error"]
    assert asked(b"words")[0] == 415
    assert asked(x=-4000, y=-4000)[0] == 200, "a box outside the picture has its edge in it"


def test_openapi_says_what_each_endpoint_takes_and_its_examples_are_valid(description):
    bodies = {path: methods["post"]["requestBody"]["content"]
              for path, methods in description["paths"].items() if "post" in methods}
    assert set(bodies["/predict"]) == {"image/jpeg", "image/png", "image/webp", "multipart/form-data",
                                       "application/json"}
    files = bodies["/predict/batch"]["multipart/form-data"]["schema"]["properties"]["files"]
    assert files["maxItems"] == BOUNDS.batch and files["items"]["format"] == "binary"
    schemas, count = description["components"]["schemas"], 0
    for name, schema in schemas.items():
        assert schema["additionalProperties"] is False, f"{name}: a field that is not described is no answer"
        for example in schema.get("examples", []):
            jsonschema.validate(example, {**schema, "components": description["components"]})
            count += 1
    assert count >= 6
    for path in bodies:
        responses = description["paths"][path]["post"]["responses"]
        assert {"200", "408", "413", "421", "422", "503"} <= set(responses)
        for status in ("408", "413", "422", "503"):
            schema = responses[status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}


def test_no_page_loads_anything_from_elsewhere(served):
    for path in ("/", "/docs/", "/docs/start.js", "/page.js", "/style.css"):
        with urllib.request.urlopen(f"http://127.0.0.1:{served}{path}") as answer:
            page = answer.read().decode()
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "https://" not in page and "http://" not in page, f"{path} names another place"
    for path in ("/api", "/docs"):
        with urllib.request.urlopen(f"http://127.0.0.1:{served}{path}") as answer:
            assert answer.url == f"http://127.0.0.1:{served}/docs/"


def test_swagger_ui_is_the_version_that_its_readme_names():
    readme = (DOCS / "README.md").read_text(encoding="utf-8")
    hashes = dict(re.findall(r"^\| `([^`]+)` \| `([0-9a-f]{64})` \|$", readme, re.M))
    assert set(hashes) == {"swagger-ui-bundle.js", "swagger-ui.css"}
    assert {name: sha256(DOCS / name) for name in hashes} == hashes


def test_a_visitor_is_told_about_the_model_in_plain_words(bundle, tmp_path):
    import shutil

    assert facts(bundle, BOUNDS)["about"] == [f"Model: {bundle.id}"] and facts(bundle, BOUNDS)["accuracy"] is None
    folder = shutil.copytree(bundle.folder, tmp_path / "champion")
    (folder / "promotion.json").write_text(
        '{"name": "fer2013-7", "version": 3, "PublicTest": 0.6654, "protocol": "published"}')
    told = facts(Bundle.load(folder), BOUNDS)
    assert told["accuracy"] == 0.6654 and told["about"][0] == f"Model: fer2013-7, version 3 ({bundle.id})"
    assert "right for 66.5% of" in told["about"][1] and "protocol" not in " ".join(told["about"])


def json_with(content) -> tuple[bytes, dict[str, str]]:
    return json.dumps(content).encode(), {"Content-Type": "application/json"}


@pytest.mark.parametrize("write", [
    lambda data: base64.b64encode(data).decode(),
    lambda data: base64.encodebytes(data).decode(),
    lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
    lambda data: "data:image/png;base64," + base64.b64encode(data).decode(),
], ids=["plain", "in lines", "for addresses", "data URL"])
def test_a_picture_in_json_gets_what_it_gets_as_a_body(served, frame, description, write):
    body, headers = json_with({"image": write(encoded(frame))})
    status, answer = post(served, body, **headers)
    assert_described(description, "/predict", status, answer)
    assert answer["faces"] == post(served, encoded(frame))[1]["faces"] != []


def test_several_pictures_in_json(served, frame):
    body, headers = json_with({"images": [base64.b64encode(data).decode() for data in (encoded(frame), b"words")]})
    first, second = post(served, body, "/predict/batch", **headers)[1]["pictures"]
    assert len(first["picture"]["faces"]) == 2 and "not a JPEG" in second["error"]


@pytest.mark.parametrize("path, content, expected, words", [
    ("/predict", {}, 422, "no picture"), ("/predict", {"image": 5}, 422, "no picture"),
    ("/predict", {"image": "!!"}, 422, "not in base64"), ("/predict", ["a"], 422, 'expected {"image"'),
    ("/predict", {"image": "AAAA", "face": "perhaps"}, 422, "true or false"),
    ("/predict", {"image": ""}, 422, "no picture"),
    ("/predict", {"image": "A" * 1_400_000}, 413, "more than 1 MB"),
    ("/predict/batch", {"images": ["AAAA"] * 4}, 422, "at most 3"),
    ("/predict/batch", {"image": "AAAA"}, 422, 'expected {"images"'),
])
def test_json_that_makes_no_sense_is_refused_in_one_sentence(served, path, content, expected, words):
    body, headers = json_with(content)
    status, answer = post(served, body, path, **headers)
    assert status == expected and words in answer["error"] and "\n" not in answer["error"], answer


def test_json_that_is_none_is_refused(served):
    for body in (b"{", b"\xff\xfe", b"[" * 100_000, b""):
        status, answer = post(served, body, **{"Content-Type": "application/json"})
        assert status == 422 and answer["error"], body[:20]


def test_a_picture_that_is_one_face_already_is_classified_whole(served, bundle):
    crop = np.random.default_rng(0).integers(0, 256, (48, 48), "uint8")
    assert post(served, encoded(crop))[1]["faces"] == []
    body, kind = form(("a.png", encoded(crop)))
    marked = body.replace(b"--line--", b'--line\r\nContent-Disposition: form-data; name="face"\r\n\r\ntrue\r\n--line--')
    plain, headers = json_with({"image": base64.b64encode(encoded(crop)).decode(), "face": True})
    answers = [post(served, encoded(crop), "/predict?face=true")[1], post(served, plain, **headers)[1],
               post(served, marked, **{"Content-Type": kind})[1],
               post(served, body, "/predict/batch?face=1", **{"Content-Type": kind})[1]["pictures"][0]["picture"]]
    expected = classify(bundle, crop[None])[0]
    for answer in answers:
        (face,) = answer["faces"]
        assert list(face["probabilities"].values()) == pytest.approx(expected, abs=1e-4)
        assert face["box"] == {"x": 0, "y": 0, "width": 48, "height": 48}
    assert post(served, encoded(crop), "/predict?face=maybe")[0] == 422


# the live connection


def test_a_stream_keeps_a_face_its_number_and_each_stream_has_its_own(served, frame):
    with live(served) as one, live(served) as two:
        first, second = (ask(one, encoded(frame, ".jpg"), seconds) for seconds in (0.0, 0.1))
        assert {face["id"] for face in first["faces"]} == {face["id"] for face in second["faces"]} == {1, 2}
        assert ask(two, encoded(frame[:, :320], ".jpg"))["faces"][0]["id"] == 1


def test_a_face_keeps_its_number_when_a_slow_line_lets_the_frames_become_smaller(served, frame):
    with live(served) as connection:
        numbers, edges = [], []
        for step, side in enumerate((640, 480, 240, 360, 640)):
            smaller = cv2.resize(frame, None, fx=side / 640, fy=side / 640, interpolation=cv2.INTER_AREA)
            answer = ask(connection, encoded(smaller, ".jpg"), step / 4)
            assert (answer["width"], answer["height"]) == (side, side * 3 // 4)
            faces = sorted(answer["faces"], key=lambda face: face["box"]["x"])
            numbers.append([face["id"] for face in faces])
            edges.append([face["box"]["x"] / side for face in faces])
        assert numbers == [numbers[0]] * 5 and len(numbers[0]) == 2
        assert np.ptp(edges, axis=0).max() < 0.02, "boxes are in pixels of the frame that was sent"


def test_a_broken_frame_gets_a_sentence_and_the_next_one_its_faces(served, frame):
    picture = encoded(frame, ".jpg")
    with live(served) as connection:
        assert "not a JPEG" in ask(connection, b"no picture")["error"]
        assert "finite" in ask(connection, picture, float("nan"))["error"]
        assert "million pixels" in ask(connection, encoded(np.zeros((1000, 1000), "uint8"), ".jpg"))["error"]
        connection.send("text")
        assert "binary message" in json.loads(connection.recv(timeout=30))["error"]
        assert len(ask(connection, picture, 5.0)["faces"]) == 2
        assert "faces" in ask(connection, picture, 1.0), "a clock that goes back does no harm"


def test_one_camera_too_many_is_told_so_and_a_place_that_is_left_is_free(served, frame):
    from websockets.exceptions import ConnectionClosed

    with live(served) as one, live(served) as two:
        assert "faces" in ask(one, encoded(frame)) and "faces" in ask(two, encoded(frame))
        with live(served) as three:
            assert "2 cameras are connected" in json.loads(three.recv(timeout=30))["error"]
            with pytest.raises(ConnectionClosed):
                three.recv(timeout=30)
    until(lambda: _sees(served, frame))


def _sees(port, frame) -> bool:
    from websockets.exceptions import ConnectionClosed

    try:
        with live(port) as connection:
            return "faces" in ask(connection, encoded(frame))
    except ConnectionClosed:
        return False


def until(check, seconds: float = 20) -> None:
    """Something becomes true."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_a_frame_too_large_or_none_for_long_ends_that_connection_alone(served, frame):
    from websockets.exceptions import ConnectionClosed

    with live(served) as connection, pytest.raises(ConnectionClosed):
        ask(connection, bytes(BOUNDS.frame_bytes + 1))
    with live(served) as connection, pytest.raises(ConnectionClosed):
        connection.recv(timeout=30)  # sends nothing
    until(lambda: _sees(served, frame))


def test_another_sites_page_gets_no_live_connection(served):
    from websockets.exceptions import InvalidStatus

    with pytest.raises(InvalidStatus, match="403"), live(served, origin="http://elsewhere.example"):
        pass
    for malformed in ("http://[", "null", "://"):
        with pytest.raises(InvalidStatus, match="403"), live(served, origin=malformed):
            pass
    with live(served, origin=f"http://127.0.0.1:{served}"):
        pass


def asks_from(port: int, origin: str, method: str = "POST", body: bytes = b"", **headers: str):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, "/predict", body, {"Origin": origin, **headers})
    answer = connection.getresponse()
    answer.read()
    return answer


def test_another_sites_page_may_read_no_answer_unless_its_origin_is_allowed(served, frame, bundle):
    allowed = "Access-Control-Allow-Origin"
    assert asks_from(served, "https://example.org", body=encoded(frame)).getheader(allowed) is None
    with running(Service(bundle), ("https://example.org",)) as port:
        answer = asks_from(port, "https://example.org", body=encoded(frame))
        assert (answer.status, answer.getheader(allowed)) == (200, "https://example.org")
        asked = asks_from(port, "https://example.org", "OPTIONS", **{
            "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"})
        assert asked.status == 200 and "POST" in asked.getheader("Access-Control-Allow-Methods")
        for other in ("https://example.org.evil.net", "http://example.org", "null"):
            assert asks_from(port, other, body=encoded(frame)).getheader(allowed) is None
        with live(port, origin="https://example.org"):
            pass


@pytest.mark.parametrize("origin", ["example.org", "https://example.org/page", "ftp://example.org", "https://a b"])
def test_what_is_no_origin_is_refused_at_the_start(origin, capsys):
    with pytest.raises(SystemExit):
        web.main(["--allow-origin", origin])
    assert "is no origin" in capsys.readouterr().err


# bounds


def test_what_is_too_large_or_no_picture_gets_its_status_and_one_sentence(served, frame):
    noise = np.random.default_rng(0).integers(0, 256, (900, 1100, 3), "uint8")
    bomb = encoded(np.zeros((4000, 4000), "uint8"))
    assert len(bomb) < 100_000
    cases = [
        (b"", 422, "no picture"), (b"words", 415, "not a JPEG"), (encoded(frame)[:60], 415, "complete"),
        (encoded(noise), 413, "more than 1 MB"), (bomb, 413, "million pixels"),
        (b"GIF89a" + bytes(99), 415, "not a JPEG"),
    ]
    for body, expected, words in cases:
        status, answer = post(served, body)
        assert status == expected and words in answer["error"], answer
        assert list(answer) == ["error"] and "\n" not in answer["error"]
    assert_well(served, frame)


def test_a_form_with_too_much_or_without_sense_is_refused(served, frame):
    small = encoded(frame[:50, :50])
    for body, kind in (form(*[(f"{at}.png", small) for at in range(4)]), form(("a.png", b"")), form(),
                       (b"no form", "multipart/form-data; boundary=line"), (b"--line", "multipart/form-data")):
        status, answer = post(served, body, "/predict/batch", **{"Content-Type": kind})
        assert status == 422 and answer["error"], (body[:60], answer)
    body, kind = form(("large.png", bytes(BOUNDS.upload_bytes + 1)), ("a.png", small))
    pictures = post(served, body, "/predict/batch", **{"Content-Type": kind})[1]["pictures"]
    assert "more than 1 MB" in pictures[0]["error"] and "picture" in pictures[1]


@pytest.mark.parametrize("charset", ["base64", "rot13", "utf-16", "nonsense", "undefined", "idna", "utf-7", "zip"])
def test_a_form_of_any_charset_gets_an_answer_and_never_an_error_of_the_server(served, charset):
    body, kind = form(("a.png", encoded(np.zeros((50, 50), "uint8"))))
    field = b'--line\r\nContent-Disposition: form-data; name="n\xff"\r\n\r\n\xff\r\n'
    marked = body.replace(b"--line--", field + b"--line--")
    for content in (body, marked):
        status, answer = post(served, content, **{"Content-Type": f"{kind}; charset={charset}"})
        assert status in (200, 422) and ("faces" in answer) != ("error" in answer), answer


def test_a_jpeg_of_too_many_pixels_is_read_at_half_its_size_and_answered_in_its_own_pixels(served, frame):
    large = cv2.resize(frame, (1600, 1200))
    assert large.shape[0] * large.shape[1] > BOUNDS.pixels
    status, answer = post(served, encoded(large, ".jpg"))
    assert status == 200 and (answer["width"], answer["height"]) == (1600, 1200)
    small = post(served, encoded(frame, ".jpg"))[1]
    for face, other in zip(answer["faces"], small["faces"], strict=True):
        assert face["box"]["x"] == pytest.approx(2.5 * other["box"]["x"], abs=25)
    assert post(served, encoded(cv2.resize(frame, (2400, 1800)), ".jpg"))[0] == 413
    assert post(served, encoded(large, ".png"))[0] == 413


def test_an_upload_without_a_length_is_cut_off_at_the_bound(served, frame):
    def endless():
        for _ in range(80):
            yield bytes(100_000)

    try:
        status, answer = post(served, endless())
    except (BrokenPipeError, ConnectionResetError):  # cut off before it had sent all
        pass
    else:
        assert status == 413 and "more than 1 MB" in answer["error"]
    assert_well(served, frame)


@pytest.mark.slow
def test_clients_that_send_too_slowly_are_let_go_and_take_no_ones_place(served, frame, description):
    slow = []
    for _ in range(BOUNDS.requests):
        connection = socket.create_connection(("127.0.0.1", served))
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500000\r\n\r\n\xff\xd8\xff")
        slow.append(connection)
    until(lambda: post(served, encoded(frame))[0] == 503, seconds=BOUNDS.patience)
    assert_described(description, "/predict", *post(served, encoded(frame)))
    for connection in slow:
        connection.settimeout(20)
        received = b"".join(iter(lambda connection=connection: connection.recv(1000), b""))
        head, _, answer = received.partition(b"\r\n\r\n")
        assert b" 408 " in head.splitlines()[0]
        assert_described(description, "/predict", 408, json.loads(answer))
        connection.close()
    assert_well(served, frame)


@pytest.mark.slow
def test_a_client_that_does_not_read_its_answers_harms_no_other(served, frame):
    picture = encoded(frame, ".jpg")
    with live(served, close_timeout=1) as deaf, live(served) as other:
        deaf.socket.setblocking(True)
        for step in range(20):
            deaf.send(struct.pack("<d", step / 30) + picture)
        assert len(ask(other, picture)["faces"]) == 2
    assert_well(served, frame)


def test_clients_that_leave_in_the_middle_leave_nothing_behind(served, frame, caplog):
    from websockets.exceptions import ConnectionClosed

    picture = encoded(frame)
    for cut in (0, 10, len(picture) // 2):
        with socket.create_connection(("127.0.0.1", served)) as connection:
            head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(picture)}\r\n\r\n"
            connection.sendall(head.encode() + picture[:cut])
    for _ in range(BOUNDS.cameras + 1):
        connection = live(served)
        with contextlib.suppress(ConnectionClosed):  # the last one may be one too many
            connection.send(struct.pack("<d", 0) + picture)
        connection.socket.close()
    until(lambda: post(served, picture)[0] == 200)
    until(lambda: _sees(served, frame))
    assert "Traceback" not in caplog.text, "that is an everyday thing, nothing to log"


@pytest.mark.slow
def test_pictures_broken_in_every_way_never_break_the_server(served, frame):
    """Fuzzing: cut, flipped, filled and spliced files of every format, as uploads and as frames."""
    rng, small = np.random.default_rng(7), cv2.resize(frame, (160, 120))
    wholes = [encoded(small, ending) for ending in (".jpg", ".png", ".webp")]
    seen = set()
    with live(served) as connection:
        for step in range(150):
            data = bytearray(wholes[step % 3])
            kind = step // 3 % 5
            if kind == 0:
                del data[int(rng.integers(4, len(data))):]
            elif kind == 1:
                for at in rng.integers(0, len(data), 20):
                    data[at] ^= 1 << int(rng.integers(8))
            elif kind == 2:
                at = int(rng.integers(12, len(data)))
                data[at : at + 200] = rng.bytes(200)
            elif kind == 3:
                # Sizes and lengths lie in the first bytes
                for at in rng.integers(8, 60, 3):
                    data[at] = int(rng.choice((0, 1, 127, 128, 255)))
            else:
                data[len(data) // 2 :] = wholes[(step + 1) % 3][50:]
            if step % 2:
                answer = ask(connection, bytes(data), step / 10)
                seen.add("error" in answer)
            else:
                status, answer = post(served, bytes(data))
                assert status in (200, 413, 415), answer
                seen.add(status != 200)
            assert ("faces" in answer) != ("error" in answer)
    assert seen == {True, False}, "some were repaired, some refused"
    assert_well(served, frame)


# who may ask


def test_a_name_that_is_not_this_machines_is_refused(served, frame):
    assert post(served, encoded(frame), Host=f"localhost:{served}")[0] == 200
    connection = http.client.HTTPConnection("127.0.0.1", served)
    connection.request("GET", "/", headers={"Host": f"elsewhere.example:{served}"})
    assert connection.getresponse().status == 421
    assert [host_of(name) for name in ("[::1]:80", "LocalHost:80", "a")] == ["::1", "localhost", "a"]


def test_files_beside_the_page_are_not_served(served):
    for path in ("/../app.py", "/..%2fapp.py", "/emoji/../../app.py", "/%2e%2e/app.py", "/app.py"):
        connection = http.client.HTTPConnection("127.0.0.1", served)
        connection.request("GET", path)
        assert connection.getresponse().status == 404, path


# the command


def test_a_taken_port_and_a_missing_model_get_one_line(bundle, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Failure, match=r"port \d+: .*in use.*--port"):
        web.main(["--port", str(taken.getsockname()[1]), "--model", str(bundle.folder)])
    with pytest.raises(Failure, match="no model bundle"):
        web.main(["--port", "0", "--model", str(tmp_path / "nowhere")])
    with pytest.raises(Failure, match="no such port"):
        web.main(["--port", "99999", "--model", str(bundle.folder)])


def test_the_server_starts_fast_loads_nothing_heavy_and_ends_at_ctrl_c(bundle, frame):
    script = (
        "import sys, threading, time\n"
        "from pipeline.demo.web import main\n"
        "heavy = {'tensorflow', 'keras', 'mlflow', 'pandas', 'sklearn', 'matplotlib', 'scipy', 'optuna'}\n"
        "try: main.main(sys.argv[1:])\n"
        "finally: print(sorted(heavy & set(sys.modules)), time.process_time(), flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, "--port", "0", "--model", str(bundle.folder)], cwd=ROOT,
                               text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        printed = process.stdout.readline()
        port = int(printed.split("http://127.0.0.1:")[1].split()[0])
        with live(port) as connection:
            assert len(ask(connection, encoded(frame, ".jpg"))["faces"]) == 2
        process.send_signal(subprocess.signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    heavy, seconds = out.rsplit(" ", 1)
    assert (heavy, err, process.returncode) == ("[]", f"{NOTICE}\n", 0)
    assert float(seconds) < 2
