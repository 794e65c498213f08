"""Cameras and streams: newest frames, and what happens when they are gone."""

import base64
import http.server
import shutil
import threading
import time
from functools import partial
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
from toy_faces import FakeCamera, face_frame, retimed, write_clip

from pipeline.demo.main import main
from pipeline.demo.predict.files import expand
from pipeline.demo.show.view import draw
from pipeline.demo.sources import devices, live, recordings
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


def test_a_recording_without_a_duration_behind_http_ends(tmp_path, serve):
    clip = retimed(write_clip(tmp_path / "clip.webm", frames=3, empty=0), [0, 100, 900], duration=False)
    address = serve(partial(Quiet, directory=tmp_path))
    with open_source(f"{address}/{clip.name}") as source:
        assert (source.kind, source.length) == ("video", None)
        assert [seconds for _, seconds in source] == pytest.approx([0, 0.1, 0.9])


class WithPassword(Quiet):
    """Serves a file to those who know the password."""

    asked: ClassVar[list] = []

    def do_GET(self):
        self.asked.append(self.headers.get("Authorization"))
        if self.headers.get("Authorization"):
            super().do_GET()
        else:
            self.send_error(401)


def test_a_recording_behind_a_password_ends_too(tmp_path, serve):
    retimed(write_clip(tmp_path / "clip.webm", frames=3, empty=0), [0, 100, 900], duration=False)
    address = serve(partial(WithPassword, directory=tmp_path)).replace("://", "://me:p%40ss@")
    assert recordings.is_file(f"{address}/clip.webm", 5)
    assert WithPassword.asked[-1] == "Basic " + base64.b64encode(b"me:p@ss").decode()


def test_a_stream_that_breaks_off_is_joined_again(monkeypatch, serve, capsys, tmp_path, model):
    monkeypatch.setattr(live, "FIRST_WAIT", 0.2)
    address = serve(WebcamOnTheNet)
    main([address, "--headless", "--out", str(tmp_path / "out.webm"), "--model", str(model), "--frames", "4"])
    printed = capsys.readouterr()
    assert WebcamOnTheNet.calls >= 2
    assert "4 frames" in printed.out and f"{address}: gone, trying again in" in printed.err


@pytest.mark.parametrize("address", [
    "rtsp://me:secret@127.0.0.1:9/door", "RTSP://me:sec/ret@127.0.0.1:9/door", "http://me:P@secret@@127.0.0.1:9/door",
    "http://127.0.0.1:9/door?user=me&pwd=secret", " rtsp://me:secret@127.0.0.1:9/door",
    "rtsp:/me:secret@127.0.0.1:9/door"])
def test_a_password_in_an_address_is_not_repeated(address):
    for read in (open_source, lambda address: expand([address])):
        with pytest.raises(Failure) as caught:
            read(address)
        assert "127.0.0.1:9/door" in str(caught.value)
        for part in ("secret", "sec", "ret", "P@", "me:"):
            assert part not in str(caught.value)


def test_a_scheme_in_capitals_is_a_stream(monkeypatch):
    opened = []
    monkeypatch.setattr(cv2, "VideoCapture", lambda *arguments: opened.append(arguments) or FakeCamera())
    with open_source("RTSP://Camera/Door") as source:
        assert (source.kind, source.name) == ("stream", "RTSP://Camera/Door")
    assert opened[0][0] == "rtsp://Camera/Door"


@pytest.fixture
def cameras(monkeypatch, tmp_path):
    """A stand-in for Linux's devices: ``plug(number, name, id)``; those without an id have no link."""
    (tmp_path / "dev/v4l/by-id").mkdir(parents=True)
    monkeypatch.setattr(devices, "DEVICES", tmp_path / "dev")
    monkeypatch.setattr(devices, "CLASS", tmp_path / "class")
    monkeypatch.setattr(devices.sys, "platform", "linux")

    def unplug():
        for path in (*(tmp_path / "dev").glob("video*"), *(tmp_path / "dev/v4l/by-id").iterdir()):
            path.unlink()
        shutil.rmtree(tmp_path / "class", ignore_errors=True)

    def plug(number, name, link=None):
        (tmp_path / f"dev/video{number}").touch()
        folder = tmp_path / f"class/video{number}"
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "index").write_text("0\n")
        if link:
            (tmp_path / "dev/v4l/by-id" / link).symlink_to(tmp_path / f"dev/video{number}")

    plug.unplug, plug.folder = unplug, tmp_path / "dev"
    return plug


@pytest.mark.parametrize("link", ["usb-Maker_Model_123-video-index0", None], ids=["with an id", "by its name"])
def test_a_camera_is_found_again_under_another_number(cameras, link):
    cameras(0, "Desk camera", link)
    cameras(1, "Built-in")
    by_number, by_path = devices.Device(0), devices.Device(cameras.folder / "video0")
    assert (by_number.locate(), Path(by_path.locate()).resolve()) == (0, cameras.folder / "video0")
    cameras.unplug()
    cameras(0, "Built-in")
    assert by_number.locate() is by_path.locate() is None, "another camera is never opened in its place"
    cameras(3, "Desk camera", link)
    assert (by_number.locate(), Path(by_path.locate()).resolve()) == (3, cameras.folder / "video3")


def test_a_camera_that_was_plugged_in_elsewhere_goes_on(cameras, monkeypatch, tmp_path, model, capsys):
    opened = []

    def camera(*arguments):
        opened.append(arguments)
        if len(opened) == 2:  # it is plugged in again after the first attempt
            cameras(4, "Desk camera", "usb-desk")
        capture = FakeCamera()
        capture.freed = not arguments
        return capture

    cameras(0, "Desk camera", "usb-desk")
    read = FakeCamera.read

    def unplugged(self):
        answer = read(self)
        if not answer[0] and len(opened) == 1:
            cameras.unplug()
        return answer

    monkeypatch.setattr(FakeCamera, "read", unplugged)
    monkeypatch.setattr(cv2, "VideoCapture", camera)
    monkeypatch.setattr(live, "FIRST_WAIT", 0.05)
    main(["0", "--headless", "--out", str(tmp_path / "out.png"), "--model", str(model), "--frames", "5"])
    assert "5 frames" in capsys.readouterr().out
    assert opened[:3] == [(0,), (), (4,)]


def test_a_device_is_opened_by_its_path(monkeypatch):
    opened = []
    monkeypatch.setattr(cv2, "VideoCapture", lambda *arguments: opened.append(arguments) or FakeCamera())
    for path in ("/dev/video2", "/dev/v4l/by-id/usb-Maker_Model_123-video-index0"):
        with open_source(path) as source:
            assert (source.kind, source.name) == ("camera", f"camera {path}")
        assert opened[-1] == (path, cv2.CAP_V4L2)


def test_a_camera_that_sends_another_form_gets_one_line(monkeypatch):
    monkeypatch.setattr(FakeCamera, "read", lambda self: (True, np.zeros((4, 4), "float32")))
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    with pytest.raises(Failure, match="camera 0: expected frames in gray"), open_source("0") as source:
        list(source)
