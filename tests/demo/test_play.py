"""The window: its keys, on a pretended and on a virtual screen, OpenCV's and Tk's."""

import ctypes
import ctypes.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import ImageGrab
from toy_faces import ROOT, FakeCamera, python, write_clip

from pipeline.demo.play import Player
from pipeline.demo.see.boxes import Box, Face
from pipeline.demo.see.occlusion import occlusion
from pipeline.demo.show import view, window
from pipeline.demo.show.annotate import Annotator, Tally
from pipeline.demo.show.explainer import EVERY, Explainer
from pipeline.demo.sources.open import open_source
from pipeline.demo.sources.source import Files
from pipeline.faces.faces import EMOTIONS
from pipeline.system.failure import Failure


class Keyboard:
    """A window that nobody sees: from the given picture on it hears the given keys, one at a time."""

    def __init__(self, keys):
        self.keys, self.shown, self.closed, self.full = dict(keys), [], False, False

    def show(self, picture):
        self.shown.append(picture)

    def key(self, seconds):
        waiting = [at for at in self.keys if at <= len(self.shown)]
        if waiting:
            return self.keys.pop(min(waiting))
        time.sleep(min(seconds, 0.01))
        return ""

    def toggle_full_screen(self):
        self.full = not self.full

    def close(self):
        self.closed = True


def drawn(count: int, fps: float = 1000.0) -> Files:
    """A video of ``count`` frames, each brighter than the one before, with a white corner at the bottom left."""
    def frames():
        for index in range(count):
            frame = np.full((480, 640, 3), index, "uint8")
            frame[400:, :50] = 255
            yield frame, index / fps

    source = Files("drawn", "video", fps, count)
    source._captured = frames
    source._capture = type("Nothing", (), {"release": lambda self: None})()
    return source


def bottom(picture):
    """Where notes are drawn."""
    return picture[430:470, 10:300]


def played(source, keys, tmp_path, open_camera=None):
    keyboard = Keyboard(keys)
    scores = np.eye(7, dtype="float32")[3]
    annotator = Annotator(lambda *_: [Face(Box(9, 9, 99, 99), scores, 1)], EMOTIONS, Tally())
    player = Player(source, annotator, None, keyboard, open_camera=open_camera, snapshots=tmp_path)
    player.play()
    assert keyboard.closed
    return keyboard, player


def test_q_ends_it_and_s_saves_what_is_seen(tmp_path):
    with open_source(str(write_clip(tmp_path / "clip.mp4"))) as source:
        source.fps = 1000
        keyboard, player = played(source, {3: "s", 5: "q"}, tmp_path)
    assert len(keyboard.shown) == 5 == player.annotator.tally.frames
    saved = list(tmp_path.glob("ferpipe-*.png"))
    assert len(saved) == 1 and (cv2.imread(str(saved[0])) == keyboard.shown[2]).all()
    assert (keyboard.shown[3][430:470, 10:200] != keyboard.shown[2][430:470, 10:200]).any(), "and says so"


def test_space_pauses_until_the_next_one(tmp_path):
    with open_source(str(write_clip(tmp_path / "clip.mp4"))) as source:
        source.fps = 1000
        keyboard, player = played(source, {3: " ", 4: " ", 14: "q"}, tmp_path)
    assert player.annotator.tally.frames == 12 and len(keyboard.shown) == 14
    with open_source(str(tmp_path / "clip.mp4")) as source:
        source.fps = 1000
        assert played(source, {3: " ", 4: "q"}, tmp_path)[1].annotator.tally.frames == 3, "q ends it then, too"


def test_m_mirrors_from_the_next_picture_on(tmp_path):
    keyboard, _ = played(drawn(4), {2: "m", 5: "q"}, tmp_path)
    assert [bool(shown[410, 5, 0] == 255) for shown in keyboard.shown[:4]] == [True, True, False, False]


def test_f_fills_the_screen_playing_and_paused(tmp_path):
    assert played(drawn(4), {2: "f", 5: "q"}, tmp_path)[0].full
    assert played(drawn(4), {2: " ", 2.5: "f", 3: "q"}, tmp_path)[0].full
    assert not played(drawn(4), {2: "f", 3: "f", 5: "q"}, tmp_path)[0].full


class Contrast:
    """A model whose class ``happy`` is the more probable the more contrast the upper half has."""

    classes, crop_margin = EMOTIONS, 1.0

    def predict(self, images):
        logits = np.zeros((len(images), 7))
        logits[:, 3] = images[:, :24].std(axis=(1, 2)) / 8
        powers = np.exp(logits)
        return (powers / powers.sum(axis=1, keepdims=True)).astype("float32")

    def calibrated(self, probabilities):
        return probabilities


def test_e_shows_what_the_answer_rests_on_playing_and_paused(tmp_path):
    frame = np.zeros((480, 640, 3), "uint8")
    frame[100:140, 100:200] = np.where(np.arange(100) // 9 % 2, 250, 60)[None, :, None]
    face = Face(Box(100, 100, 96, 96), np.eye(7, dtype="float32")[3], 1)

    def shown(keys):
        keyboard, source = Keyboard(keys), drawn(4)
        source._captured = lambda: ((frame, index / 1000) for index in range(4))
        annotator = Annotator(lambda *_: [face], EMOTIONS, Tally(), explainer=Explainer(Contrast()))
        Player(source, annotator, None, keyboard, open_camera=None, snapshots=tmp_path).play()
        return [bool((picture[108:190, 108:190, 2].astype(int) - picture[108:190, 108:190, 0] > 40).any())
                for picture in keyboard.shown], keyboard.shown

    assert shown({2: "e", 4: "e", 5: "q"})[0] == [False, False, True, True, False]
    yellow, pictures = shown({2: " ", 3: "e", 4: "e", 5: "q"})
    assert yellow == [False, False, False, True, False], "while it is paused, too"
    explained, paused = pictures[3], pictures[2]
    assert (explained[440:470] == paused[440:470]).all(), "it still says that it is paused"
    assert (explained[370:436, 10:300] != paused[370:436, 10:300]).any(), "and above that what the map says"


def test_in_a_stream_a_map_holds_for_a_while_and_each_picture_has_its_own(monkeypatch):
    model, made = Contrast(), []
    monkeypatch.setattr("pipeline.demo.show.explainer.occlusion",
                        lambda *given, **options: made.append(options) or occlusion(*given, **options))
    clock = [10.0]
    monkeypatch.setattr("pipeline.demo.show.explainer.time.monotonic", lambda: clock[0])
    frames = [np.full((200, 200, 3), gray, "uint8") for gray in (10, 20, 30)]
    face = Face(Box(50, 50, 90, 90), np.eye(7, dtype="float32")[3], 1)
    live = Explainer(model)
    for frame in frames:
        live.explain(frame, face)
    assert made == [{"flip": False}]
    live.explain(frames[0], replace(face, id=2))
    assert len(made) == 2, "another face"
    live.explain(frames[0], replace(face, id=2, label=4))
    assert len(made) == 3, "another answer"
    clock[0] += EVERY + 0.01
    live.explain(frames[1], replace(face, id=2, label=4))
    assert len(made) == 4
    made.clear()
    live.pictures = True
    for frame in (frames[0], frames[0], frames[2]):
        live.explain(frame, face)
    assert made == [{"flip": True}] * 2, "one for each picture"


def test_what_is_saved_and_mirrored_in_a_pause_is_seen_in_it(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.demo.play.NOTE_SECONDS", 0.3)
    keyboard, player = played(drawn(3), {2: " ", 3: "s", 4: "m", 6: "q"}, tmp_path)
    playing, paused, saved, mirrored, paused_again = keyboard.shown[1:]
    assert player.annotator.tally.frames == 2, "it stands still"
    notes = [bottom(picture).tobytes() for picture in (playing, paused, saved)]
    assert len(set(notes)) == 3, "the name of the file takes the place of 'paused' for a while"
    assert saved[410, 5, 0] == 255 and mirrored[410, 635, 0] == 255 > mirrored[410, 5, 0]
    assert (bottom(paused_again) != bottom(mirrored)).any(), "and gives it back"
    (file,) = tmp_path.glob("ferpipe-*.png")
    assert (cv2.imread(str(file)) == playing).all(), "the picture itself carries no note"


@pytest.mark.parametrize("key", ["q", " ", "\r"])
def test_a_clip_that_ends_shows_its_last_frame_until_a_key_and_others_still_work(tmp_path, key):
    keyboard, player = played(drawn(3), {4: "s", 5: key}, tmp_path)
    assert player.annotator.tally.frames == 3 and len(keyboard.shown) == 5
    assert (keyboard.shown[3][:380] == keyboard.shown[2][:380]).all()
    assert (bottom(keyboard.shown[3]) != bottom(keyboard.shown[2])).any(), "it says that this is the end"
    assert len(list(tmp_path.glob("ferpipe-*.png"))) == 1


def test_a_clip_that_is_cut_short_by_frames_does_not_wait(tmp_path):
    keyboard = Keyboard({})
    annotator = Annotator(lambda *_: [], EMOTIONS, Tally())
    Player(drawn(9), annotator, None, keyboard, open_camera=None, limit=3, snapshots=tmp_path).play()
    assert len(keyboard.shown) == 3 and keyboard.closed


def test_a_number_takes_another_camera_and_one_that_is_not_there_changes_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    first = open_source("0", reconnect=0)
    first._capture.frames = 10**6
    asked = []

    def open_camera(index):
        asked.append(index)
        if index == 2:
            raise Failure("none there")
        source = open_source(str(index), reconnect=0)
        return source, lambda *_: []

    _, player = played(first, {2: "3", 4: "1", 6: "2"}, tmp_path, open_camera)
    assert asked == [2, 1], "camera 0, key 1, is the one that is shown"
    assert player.source.name == "camera 1" and player.annotator.tally.frames > 6
    assert first._capture.freed, "the old one is free for others"


@pytest.mark.parametrize("keys", [{2: " ", 3: "1", 6: "q"}, {4: "1", 6: "q"}], ids=["paused", "over"])
def test_a_camera_can_be_chosen_while_a_clip_stands_still(monkeypatch, tmp_path, keys):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)

    def open_camera(index):
        return open_source(str(index), reconnect=0), lambda *_: []

    _, player = played(drawn(3), keys, tmp_path, open_camera)
    assert player.source.name == "camera 0" and player.annotator.tally.frames > len(keys)


# On a virtual screen


@pytest.fixture(scope="module")
def screen():
    """A virtual screen's DISPLAY."""
    missing = [tool for tool in ("Xvfb", "xdotool") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed (Debian: apt-get install xvfb xdotool)")
    read, write = os.pipe()
    server = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", "-nolisten", "tcp",
                               "-noreset"], pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as file:
        number = file.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait()


@pytest.fixture(params=["opencv", "tk"])
def kind(request):
    if request.param == "tk":
        pytest.importorskip("tkinter", reason="this Python has no Tk (Debian: apt-get install python3-tk)")
    return request.param


def started(display, source, model, *arguments, **options):
    environment = os.environ | {"DISPLAY": display, "PYTHONPATH": str(ROOT)}
    return python("-m", "pipeline.demo", source, "--model", model, *arguments, env=environment, **options)


def window_id(display: str, process: subprocess.Popen) -> str:
    """The window's id once it is there."""
    for _ in range(200):
        search = subprocess.run(["xdotool", "search", "--onlyvisible", "--name", f"^{window.TITLE}$"], text=True,
                                env=os.environ | {"DISPLAY": display}, capture_output=True, check=False)
        if search.returncode == 0 and search.stdout.strip():
            return search.stdout.split()[-1]
        if process.poll() is not None:
            pytest.fail(f"the demo ended by itself: {process.communicate()}")
        time.sleep(0.05)
    pytest.fail("no window within 10 s")


def press(display: str, number: str, *keys: str) -> None:
    # There is no window manager that would give the window the keyboard
    for key in keys:
        subprocess.run(["xdotool", "windowfocus", "--sync", number, "key", key], check=True,
                       env=os.environ | {"DISPLAY": display}, timeout=20)
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.screen
def test_keys_work_in_both_windows(screen, picture, model, kind, tmp_path):
    process = started(screen, picture, model, "--window", kind, cwd=tmp_path)
    try:
        shown = window_id(screen, process)
        time.sleep(0.3)
        assert process.poll() is None, "a single picture stays on the screen"
        press(screen, shown, "s", "m", "e", "space", "space", "e", "q")
        printed, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0 and err == "", err
    assert "a face in 1" in printed
    assert [tmp_path / name for name in re.findall("saved: (.+)", printed)] == list(tmp_path.glob("ferpipe-*.png"))
    assert len(list(tmp_path.glob("ferpipe-*.png"))) == 1


@pytest.mark.screen
@pytest.mark.slow
def test_escape_ends_it(screen, picture, model, kind):
    process = started(screen, picture, model, "--window", kind)
    try:
        press(screen, window_id(screen, process), "Escape")
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0 and err == "", err


@pytest.mark.screen
@pytest.mark.slow
def test_the_picture_fills_a_resized_window(screen, picture, model, kind):
    process = started(screen, picture, model, "--window", kind)
    try:
        shown = window_id(screen, process)
        # 900x480 becomes 450x240, with 200 rows of black above and below
        for attempt in range(100):
            # Again, in case the program was still giving the window its first size
            if attempt % 20 == 0:
                subprocess.run(["xdotool", "windowmove", shown, "0", "0", "windowsize", shown, "450", "640"],
                               check=True, env=os.environ | {"DISPLAY": screen}, timeout=20)
            grabbed = np.asarray(ImageGrab.grab(xdisplay=screen))[:640, :450, ::-1]
            if not grabbed[:199].any() and not grabbed[441:].any() and grabbed[201:439].any(axis=(1, 2)).all():
                break
            time.sleep(0.1)
        else:
            pytest.fail("the picture does not fill the window's width")
        assert abs(grabbed[320, 445].astype(int) - view.BACKGROUND).max() <= 3, "the panel is at the right edge"
        press(screen, shown, "q")
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0 and err == "", err


@pytest.mark.screen
@pytest.mark.slow
def test_f_asks_the_desktop_for_the_whole_screen(screen, picture, model):
    """Tk's; Qt asks only where a desktop runs, so test_window has OpenCV's."""
    pytest.importorskip("tkinter", reason="this Python has no Tk (Debian: apt-get install python3-tk)")
    process = started(screen, picture, model, "--window", "tk")
    try:
        shown = window_id(screen, process)
        assert full_screen_requests(screen, lambda: press(screen, shown, "f")) == 1
        press(screen, shown, "q")
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0 and err == "", err


def full_screen_requests(display: str, action) -> int:
    """How often a window manager is asked for full screen during an action."""
    name = ctypes.util.find_library("X11")
    if not name:
        pytest.skip("libX11 not installed (Debian: apt-get install libx11-6)")
    x = ctypes.CDLL(name)
    x.XOpenDisplay.restype = ctypes.c_void_p
    x.XDefaultRootWindow.restype = x.XInternAtom.restype = ctypes.c_ulong
    server = ctypes.c_void_p(x.XOpenDisplay(display.encode()))
    substructure_notify, client_message = 1 << 19, 33
    x.XSelectInput(server, ctypes.c_ulong(x.XDefaultRootWindow(server)), ctypes.c_long(substructure_notify))
    x.XSync(server, 0)
    action()
    state, full = (x.XInternAtom(server, atom, 0) for atom in (b"_NET_WM_STATE", b"_NET_WM_STATE_FULLSCREEN"))
    # XClientMessageEvent in an XEvent: type, serial, send_event, display, window, message_type, format, data
    event, count = (ctypes.c_long * 24)(), 0
    while x.XCheckTypedEvent(server, client_message, ctypes.byref(event)):
        count += event[5] == state and event[7] == 1 and full in event[8:10]
    x.XCloseDisplay(server)
    return count


def close_window(display: str, number: int) -> None:
    """What a window manager sends when somebody clicks the window's cross."""
    x = ctypes.CDLL(ctypes.util.find_library("X11"))
    x.XOpenDisplay.restype, x.XInternAtom.restype = ctypes.c_void_p, ctypes.c_ulong
    server = ctypes.c_void_p(x.XOpenDisplay(display.encode()))
    # XClientMessageEvent in an XEvent: type, serial, send_event, display, window, message_type, format, data
    event = (ctypes.c_long * 24)(33, 0, 1, 0, number, x.XInternAtom(server, b"WM_PROTOCOLS", 0), 32,
                                 x.XInternAtom(server, b"WM_DELETE_WINDOW", 0), 0)
    x.XSendEvent(server, ctypes.c_ulong(number), 0, ctypes.c_long(0), ctypes.byref(event))
    x.XCloseDisplay(server)


@pytest.mark.screen
@pytest.mark.slow
def test_closing_the_window_ends_the_demo(screen, picture, model, kind):
    if not ctypes.util.find_library("X11"):
        pytest.skip("libX11 not installed (Debian: apt-get install libx11-6)")
    process = started(screen, picture, model, "--window", kind)
    try:
        close_window(screen, int(window_id(screen, process)))
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0 and err == "", err


@pytest.mark.screen
@pytest.mark.slow
def test_a_clip_plays_in_its_time_and_its_last_frame_stays_until_a_key(screen, tmp_path, model, kind):
    process = started(screen, write_clip(tmp_path / "clip.mp4"), model, "--window", kind)
    try:
        shown = window_id(screen, process)
        time.sleep(2)
        assert process.poll() is None
        press(screen, shown, "space")
        printed, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, err
    fps = float(re.search(r"12 frames, ([\d.]+) a second", printed)[1])
    assert fps < 12, "not faster than the ten frames a second that it was filmed at"


@pytest.mark.screen
@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_the_window_too(screen, picture, model, kind):
    process = started(screen, picture, model, "--window", kind)
    window_id(screen, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0 and "Traceback" not in err, err
