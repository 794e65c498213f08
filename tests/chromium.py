"""Headless Chromium with a webcam made of a file, driven over its DevTools protocol."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import cv2
import pytest

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needed = pytest.mark.skipif(PROGRAM is None, reason="no Chromium here: install `chromium` to test the page in it")


def webcam(path: Path, frames) -> Path:
    """Write a Motion JPEG file, which Chromium plays as a webcam in a loop at 30 frames a second."""
    path.write_bytes(b"".join(cv2.imencode(".jpg", frame)[1].tobytes() for frame in frames))
    return path


class Chromium:
    """A browser with one page. Use it in a ``with``.

    Args:
        folder: an empty folder for the profile and downloads.
        camera: a file of ``webcam``; None: Chromium's test picture.

    Attributes:
        asked: the URLs that were requested so far.
        complaints: the uncaught exceptions of the page so far.
    """

    def __init__(self, folder: Path, camera: Path | None = None, size: tuple[int, int] = (1280, 860)):
        self.downloads = folder / "downloads"
        self.downloads.mkdir(parents=True)
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0",
                 "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", "--mute-audio",
                 # No host but this machine can be reached, and Chromium itself calls home to none
                 "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--disable-background-networking",
                 "--disable-component-update", f"--user-data-dir={folder / 'profile'}",
                 f"--window-size={size[0]},{size[1]}"]
        if camera is not None:
            flags.append(f"--use-file-for-fake-video-capture={camera}")
        self._process = subprocess.Popen([str(PROGRAM), *flags, "about:blank"], stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL, env={**os.environ, "HOME": str(folder)})
        self._count, self.asked, self.complaints = 0, [], []
        try:
            self._connect(folder / "profile/DevToolsActivePort")
        except BaseException:
            self.close()
            raise

    def _connect(self, port_file: Path) -> None:
        from websockets.sync.client import connect

        for _ in range(600):
            with contextlib.suppress(OSError, IndexError):
                port = port_file.read_text().splitlines()[0]
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
                    page = next(target for target in json.load(answer) if target["type"] == "page")
                break
            assert self._process.poll() is None, "Chromium ended at its start"
            time.sleep(0.05)
        self._socket = connect(page["webSocketDebuggerUrl"], max_size=None)
        for domain in ("Page", "Network", "Runtime", "DOM"):
            self.call(f"{domain}.enable")
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()

    def call(self, method: str, **parameters) -> dict:
        """Send a command and return its result; events that arrive meanwhile fill ``asked`` and ``complaints``."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=60))
            if message.get("id") == self._count:
                assert "error" not in message, f"{method}: {message}"
                return message["result"]
            event = message.get("params", {})
            if message.get("method") == "Network.requestWillBeSent":
                self.asked.append(event["request"]["url"])
            elif message.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(event["exceptionDetails"].get("exception", {}).get("description", str(event)))

    def js(self, expression: str):
        """The value of an expression in the page; a promise is awaited."""
        evaluated = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True,
                              userGesture=True)
        assert "exceptionDetails" not in evaluated, evaluated["exceptionDetails"]
        return evaluated["result"].get("value")

    def until(self, expression: str, seconds: float = 30):
        """The expression's value once it is true; fails after this many seconds."""
        end = time.monotonic() + seconds
        while not (value := self.js(expression)):
            assert time.monotonic() < end, f"after {seconds} s not yet: {expression}; {self.text()} {self.complaints}"
            time.sleep(0.05)
        return value

    def text(self) -> str:
        return self.js("document.body.innerText")

    def open(self, address: str) -> None:
        """Load the page and wait until it is ready."""
        self.call("Page.navigate", url=address)
        self.until("document.documentElement?.dataset.ready")

    def choose(self, selector: str, *files: Path) -> None:
        """Choose files in a file input, as the person would."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def press(self, key: str) -> None:
        text = {"text": key} if len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **(text if kind == "keyDown" else {}))

    def enter(self) -> None:
        """Press the focused button with the keyboard."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, **text)

    def look(self, width: int, height: int, dark: bool = False, phone: bool = False, forced: bool = False) -> None:
        """Set the screen's size and the colour scheme; ``forced``: a theme of high contrast."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, mobile=phone,
                  deviceScaleFactor=2 if phone else 1)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "forced-colors", "value": "active" if forced else "none"}])

    def screenshot(self, path: Path) -> Path:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
        return path

    def downloaded(self, name: str) -> Path:
        """The path of a file that the page saved, once it is there."""
        end = time.monotonic() + 20
        # Chromium reserves the name with an empty file
        while not ((self.downloads / name).exists() and (self.downloads / name).stat().st_size):
            assert time.monotonic() < end, f"{name} was not saved; there are {list(self.downloads.iterdir())}"
            time.sleep(0.05)
        return self.downloads / name
