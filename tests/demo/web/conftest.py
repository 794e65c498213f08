"""Shared by the page's tests: a running server, and the page in the one Chromium."""

import base64
import json
import socket
import threading
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
import toy_models

from pipeline.bundle.bundle import Bundle
from pipeline.demo.web import main as web
from pipeline.demo.web.bounds import Bounds
from pipeline.demo.web.service import Service

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    """A running server's, with the champion where there is one: the pictures show what it says."""
    champion = ROOT / "data/champion"
    bundle = Bundle.load(champion) if champion.exists() else toy_models.bundle(tmp_path_factory.mktemp("web") / "model")
    listening = socket.create_server(("127.0.0.1", 0))
    server = web.server(Service(bundle), replace(Bounds(), video_seconds=1.0), web.LOOPBACK)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    server.should_exit = True
    thread.join(20)


@pytest.fixture
def page(chromium, address):
    chromium.look(1280, 860)
    chromium.open(address)
    chromium.asked.clear()
    chromium.complaints.clear()
    yield chromium
    assert not chromium.complaints
    assert all(url.startswith((address, f"blob:{address}", "data:")) for url in chromium.asked), "asks no other place"


@pytest.fixture
def film_camera(page):
    """A function that lets the page's camera alternate between these BGR frames, so many seconds each."""
    def film(frames, seconds: float) -> None:
        urls = ["data:image/jpeg;base64," + base64.b64encode(cv2.imencode(".jpg", frame)[1]).decode()
                for frame in frames]
        page.js(CAMERA % {"urls": json.dumps(urls), "milliseconds": 1000 * seconds})

    return film


CAMERA = """(async () => {
  const pictures = await Promise.all(%(urls)s.map(async (url) => {
    const picture = new Image();
    picture.src = url;
    await picture.decode();
    return picture;
  }));
  const { width, height } = pictures[0];
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const picture = () => pictures[Math.floor(performance.now() / %(milliseconds)s) %% pictures.length];
  const show = () => canvas.getContext("2d").drawImage(picture(), 0, 0);
  setInterval(show, 33);
  show();
  navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(30);
})()"""
