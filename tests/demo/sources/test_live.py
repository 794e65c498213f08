"""Cameras and streams: newest frames, and what happens when they are gone."""

import http.server
import threading
import time
from functools import partial

import cv2
import numpy as np
import pytest
from toy_faces import FakeCamera, face_frame, write_clip

from pipeline.demo.main import main
from pipeline.demo.show.view import draw
from pipeline.demo.sources import live
from pipeline.demo.sources.open import open_source
from pipeline.faces.faces import EMOTIONS
from pipeline.system.failure import Failure


@pytest.fixture
def serve():
    """Starts a server with a handler at a free port; gives its address."""
    servers = []

    def start(handler) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class WebcamOnTheNet(Quiet):
    """Sends a few JPEGs as network cameras do, and then hangs up."""

    calls = 0

    def do_GET(self):
        type(self).calls += 1
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        _, data = cv2.imencode(".jpg", face_frame())
        part = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
        for _ in range(3):
            self.wfile.write(part.encode() + data.tobytes() + b"\r\n")


def test_a_camera_that_is_not_there_gets_one_line(capfd):
    with pytest.raises(Failure, match="camera 97: not found"):
        open_source("97")
    assert capfd.readouterr() == ("", "")


def test_a_camera_that_vanishes_for_good_ends_the_demo_and_is_freed(monkeypatch, tmp_path, model, capsys):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    main(["0", "--headless", "--out", str(tmp_path / "out.png"), "--model", str(model), "--reconnect", "0"])
    printed = capsys.readouterr()
    assert "3 frames" in printed.out and printed.err == "camera 0: gone for good\n"
    assert FakeCamera.opened[-1].freed


class SizedCamera(FakeCamera):
    """Delivers the largest of its sizes that is not larger than the one it was asked for, at that size's rate."""

    def __init__(self, index, *_, sizes):
        super().__init__(index, frames=2)
        self.sizes, self.asked = sizes, {cv2.CAP_PROP_FRAME_WIDTH: 640, cv2.CAP_PROP_FRAME_HEIGHT: 480}

    def set(self, name, value):
        self.asked[name] = value
        return True

    @property
    def size(self):
        fitting = [size for size in self.sizes if size[0] <= self.asked[cv2.CAP_PROP_FRAME_WIDTH]]
        return max(fitting or self.sizes[:1])

    def get(self, name):
        return self.sizes[self.size] if name == cv2.CAP_PROP_FPS else 0.0

    def read(self):
        self.frames -= 1
        return (True, np.zeros((*self.size[::-1], 3), "uint8")) if self.frames >= 0 else (False, None)


class OneSize(SizedCamera):
    """Whatever it is asked for, it delivers its first size."""

    @property
    def size(self):
        return next(iter(self.sizes))


@pytest.mark.parametrize("camera, sizes, delivered", [
    (SizedCamera, {(640, 480): 30.0, (1280, 720): 30.0, (1920, 1080): 30.0}, (1280, 720)),
    (SizedCamera, {(640, 480): 30.0, (1280, 720): 10.0}, (640, 480)),
    (SizedCamera, {(640, 480): 0.0, (1280, 720): 0.0}, (1280, 720)),
    (OneSize, {(1920, 1080): 30.0}, (1920, 1080)),
    (OneSize, {(352, 288): 15.0}, (352, 288)),
], ids=["fast", "slow when large", "rate not told", "large alone", "small alone"])
def test_a_camera_gives_720_rows_where_it_keeps_its_rate_and_what_it_delivers_is_shown(
        monkeypatch, tmp_path, model, camera, sizes, delivered):
    monkeypatch.setattr(cv2, "VideoCapture", partial(camera, sizes=sizes))
    main(["0", "--headless", "--out", str(tmp_path / "out.png"), "--model", str(model), "--frames", "1",
          "--reconnect", "0"])
    width, height = delivered
    drawn = draw(np.zeros((height, width, 3), "uint8"), [], EMOTIONS)
    assert cv2.imread(str(tmp_path / "out.png")).shape == drawn.shape
    assert drawn.shape[0] >= height


@pytest.mark.slow
def test_a_camera_that_is_gone_is_tried_again_and_again_and_that_is_said(monkeypatch, tmp_path, model, capsys):
    tries = []

    def plugged_in_again_at_the_third_try(index, *_):
        tries.append(time.monotonic())
        camera = FakeCamera(index)
        camera.freed = len(tries) in (2, 3)
        return camera

    monkeypatch.setattr(cv2, "VideoCapture", plugged_in_again_at_the_third_try)
    monkeypatch.setattr(live, "FIRST_WAIT", 0.1)
    main(["0", "--headless", "--out", str(tmp_path / "out.webm"), "--model", str(model), "--frames", "4"])
    printed = capsys.readouterr()
    assert "4 frames" in printed.out and "camera 0: gone, trying again in" in printed.err
    assert len(tries) >= 4
    assert tries[3] - tries[2] > 1.5 * (tries[2] - tries[1]), "it waits longer each time"
    assert all(camera.freed for camera in FakeCamera.opened)


def test_a_camera_that_sends_nothing_gets_one_line_and_is_freed(monkeypatch, tmp_path, model):
    monkeypatch.setattr(cv2, "VideoCapture", partial(FakeCamera, frames=0))
    with pytest.raises(Failure, match="sends no picture"):
        main(["0", "--headless", "--out", str(tmp_path / "out.avi"), "--model", str(model)])
    assert FakeCamera.opened[-1].freed
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_who_is_slow_gets_the_newest_frame_and_a_window_is_never_kept_waiting(monkeypatch):
    class Counting(FakeCamera):
        def read(self):
            time.sleep(0.01 if self.frames > 0 else 0.3)
            self.frames -= 1
            return True, np.full((4, 4), max(0, 100 - self.frames), "uint8")

    monkeypatch.setattr(cv2, "VideoCapture", partial(Counting, frames=100))
    with open_source("0") as source:
        frames = iter(source)
        assert next(frames)[0].shape == (4, 4, 3), "gray becomes BGR"
        time.sleep(0.3)
        assert next(frames)[0][0, 0, 0] > 10, "old frames are dropped"
        time.sleep(1)
        start, waits = time.monotonic(), []
        while time.monotonic() - start < 0.8:
            before = time.monotonic()
            waits.append((next(frames)[0] is None, time.monotonic() - before))
        assert any(nothing for nothing, _ in waits) and max(wait for _, wait in waits) < 0.3


def test_a_video_at_an_address_is_a_video_and_a_dead_address_gets_one_line(tmp_path, serve):
    clip = write_clip(tmp_path / "clip.mp4")
    address = serve(partial(Quiet, directory=tmp_path))
    with open_source(f"{address}/{clip.name}") as source:
        assert source.kind == "video" and len(list(source)) == 12
    with pytest.raises(Failure, match="no video stream there"):
        open_source(f"{address}/nothing.mp4")


def test_a_stream_that_breaks_off_is_joined_again(monkeypatch, serve, capsys, tmp_path, model):
    monkeypatch.setattr(live, "FIRST_WAIT", 0.2)
    address = serve(WebcamOnTheNet)
    main([address, "--headless", "--out", str(tmp_path / "out.webm"), "--model", str(model), "--frames", "4"])
    printed = capsys.readouterr()
    assert WebcamOnTheNet.calls >= 2
    assert "4 frames" in printed.out and f"{address}: gone, trying again in" in printed.err


def test_a_password_in_an_address_is_not_repeated():
    with pytest.raises(Failure) as caught:
        open_source("rtsp://me:secret@127.0.0.1:9/door")
    assert "secret" not in str(caught.value) and "127.0.0.1:9/door" in str(caught.value)
