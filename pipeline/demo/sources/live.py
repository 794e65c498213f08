"""Cameras and streams: always the newest frame, read in a thread; reconnects when the connection is lost."""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from pipeline.demo.sources import devices, recordings
from pipeline.demo.sources.source import Colours, Files, Source, frame_count, frame_rate
from pipeline.system.address import shown
from pipeline.system.failure import Failure

CAMERA_FPS = 30.0
# Asked for in turn until the camera's rate is at least this; it may well deliver another size, which is taken as it is.
# More pixels than these add nothing: a face becomes 48x48 pixels
CAMERA_SIZES, ENOUGH_FPS = ((1280, 720), (640, 480)), 24.0
OPEN_MILLISECONDS = 10_000
# A source counts as lost after this many failed reads in a row
PATIENCE = 10
# Seconds before the first attempt to reconnect, doubled for each later one up to the second number
FIRST_WAIT, LONGEST_WAIT = 1.0, 15.0
# Seconds after which iteration yields None when there is no new frame
TICK = 0.1


class Live:
    """A ``Source`` whose frames arrive in real time; those that are not fetched in time are dropped.

    Args:
        reopen: opens the device or stream again after it was lost.
        reconnect: seconds for which to try that.
    """

    live = True
    length: int | None = None

    def __init__(self, name: str, kind: str, capture: cv2.VideoCapture, reopen: Callable[[], cv2.VideoCapture],
                 reconnect: float):
        self.name, self.kind, self.fps = name, kind, frame_rate(capture, CAMERA_FPS)
        self.note: str | None = None
        self.skipped: list[str] = []
        self._capture, self._reopen, self._reconnect = capture, reopen, reconnect
        self._newest: deque[tuple[np.ndarray, float]] = deque(maxlen=2)
        self._arrived, self._closed, self._ended = threading.Condition(), threading.Event(), False
        self._thread: threading.Thread | None = None
        self._failure: Failure | None = None

    def __enter__(self) -> "Live":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the camera; iteration then ends."""
        self._closed.set()
        if self._thread is None:
            self._capture.release()
        else:
            # A thread that hangs in a read releases the capture when the read ends
            self._thread.join(timeout=2)

    def __iter__(self) -> Iterator[tuple[np.ndarray | None, float]]:
        self._thread = threading.Thread(target=self._read, name=self.name, daemon=True)
        start, empty = time.monotonic(), True
        self._thread.start()
        while True:
            with self._arrived:
                if not self._newest and not self._ended:
                    self._arrived.wait(TICK)
                item = self._newest.popleft() if self._newest else None
                if item is None and self._ended:
                    break
            if item is None:
                yield None, time.monotonic() - start
            else:
                empty = False
                yield item[0], item[1] - start
        if self._failure is not None:
            raise self._failure
        if empty and not self._closed.is_set():
            raise Failure(f"{self.name}: it opens but sends no picture; is another program using it?")

    def _read(self) -> None:
        try:
            failed, wait, lost, any_yet, colours = 0, FIRST_WAIT, 0.0, False, Colours()
            while not self._closed.is_set():
                ok, frame = self._capture.read() if self._capture.isOpened() else (False, None)
                if ok and frame is not None:
                    failed, wait, any_yet, self.note = 0, FIRST_WAIT, True, None
                    picture = colours.bgr(frame)
                    with self._arrived:
                        self._newest.append((picture, time.monotonic()))
                        self._arrived.notify()
                    continue
                failed += 1
                if failed == 1 and wait == FIRST_WAIT:
                    lost = time.monotonic()
                if failed < PATIENCE and self._capture.isOpened():
                    self._closed.wait(0.02)
                    continue
                if not any_yet or time.monotonic() + wait - lost > self._reconnect:
                    self.note = f"{self.name}: gone for good" if any_yet else None
                    return
                self.note = f"{self.name}: gone, trying again in {wait:.0f} s"
                self._capture.release()
                if self._closed.wait(wait):
                    return
                wait, failed = min(2 * wait, LONGEST_WAIT), 0
                self._capture = self._reopen()
        except Failure as failure:
            self._failure = Failure(f"{self.name}: {failure}")
        finally:
            self._capture.release()
            with self._arrived:
                self._ended = True
                self._arrived.notify()


def open_camera(camera: int | Path, reconnect: float) -> Source:
    """The webcam with this index, or at this path. Raises Failure when there is none.

    A camera that is plugged in again and gets another number is found by its id (Linux).
    """
    name = f"camera {camera}"
    device = devices.Device(camera)

    def start() -> cv2.VideoCapture:
        where = device.locate()
        if where is None:
            return cv2.VideoCapture()
        # By its backend, since OpenCV would take a path for that of a file
        capture = cv2.VideoCapture(where) if isinstance(where, int) else cv2.VideoCapture(where, cv2.CAP_V4L2)
        if sys.platform.startswith("linux"):
            # Uncompressed, most USB cameras send no more than ten frames a second of 1280x720; other systems choose
            # the format by themselves
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        for width, height in CAMERA_SIZES:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
            if frame_rate(capture, CAMERA_FPS) >= ENOUGH_FPS:
                break
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # so that reads return the newest frame
        return capture

    capture = start()
    if not capture.isOpened():
        raise Failure(f"{name}: not found, or in use by another program; give a picture, a video or a folder instead: "
                      "ferpipe demo FILE")
    return Live(name, "camera", capture, start, reconnect)


def open_stream(url: str, reconnect: float) -> Source:
    """The stream or video at this address. Raises Failure when there is neither."""
    patience = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_MILLISECONDS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, OPEN_MILLISECONDS]
    # FFmpeg knows schemes in small letters alone
    scheme, slashes, rest = url.partition("://")
    address = f"{scheme.lower()}{slashes}{rest}"

    def start() -> cv2.VideoCapture:
        return cv2.VideoCapture(address, cv2.CAP_FFMPEG, patience)

    capture, name = start(), shown(url)
    if not capture.isOpened():
        raise Failure(f"{name}: no video stream there; does the address open in a video player?")
    length = frame_count(capture)
    if length is not None or recordings.is_file(address, OPEN_MILLISECONDS / 1000):
        return Files(name, "video", frame_rate(capture, CAMERA_FPS), length, _capture=capture)
    return Live(name, "stream", capture, start, reconnect)
