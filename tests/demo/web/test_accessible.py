"""The page for everybody: axe's findings, the keyboard, small screens, zoom, high contrast."""

import shutil
import subprocess
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from chromium import needed

from pipeline.download.drawn.sample import draw_portrait

ROOT = Path(__file__).parents[3]
pytestmark = [needed, pytest.mark.slow]
RATE = "document.getElementById('rate').textContent"
FOCUS = "document.activeElement.id || document.activeElement.tagName"
# Width and height of a window in CSS pixels: two phones upright and on their side, and a window at 200 % zoom
SCREENS = {"small": (320, 568), "phone": (390, 844), "side": (844, 390), "small side": (568, 320), "zoomed": (640, 430)}


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core's script, which npm fetches once into build/."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm here: install Node.js to check the page with axe")
    folder = ROOT / "build/axe"
    script = folder / "node_modules/axe-core/axe.min.js"
    folder.mkdir(parents=True, exist_ok=True)
    for path in (Path(__file__).parent / "axe").iterdir():
        shutil.copyfile(path, folder / path.name)
    if not script.exists():
        done = subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                              cwd=folder, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"npm cannot fetch axe-core: {done.stderr[:200]}")
    return script.read_text(encoding="utf-8")


def state(page, name: str, frames, tmp_path) -> None:
    """Bring the page into a state: start, live, picture, several, video, error."""
    if name == "live":
        page.press("c")
        page.until("document.querySelectorAll('#faces button').length === 2")
        # Long enough for the transitions of the bars and a few columns of the chart
        time.sleep(0.6)
    elif name in ("picture", "several"):
        cv2.imwrite(str(tmp_path / "two.png"), frames[0])
        cv2.imwrite(str(tmp_path / "upright.png"), draw_portrait("happy", 600, 6)[:, 100:500])
        files = ("two.png",) if name == "picture" else ("two.png", "upright.png")
        page.choose("#file", *(tmp_path / file for file in files))
        page.until(f"{RATE} === '2 faces' && document.querySelectorAll('#strip button').length === {len(files)}")
    elif name == "video":
        writer = cv2.VideoWriter(str(tmp_path / "clip.webm"), cv2.VideoWriter.fourcc(*"VP80"), 10, (640, 480))
        for frame in frames[:5]:
            writer.write(frame)
        writer.release()
        page.choose("#file", tmp_path / "clip.webm")
        page.until(RATE + ".includes('face')")
    elif name == "error":
        (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
        page.choose("#file", tmp_path / "broken.png")
        page.until("document.getElementById('message').innerText.includes('not a picture')")


@pytest.mark.parametrize("name", ["start", "live", "picture", "several", "video", "error"])
def test_axe_finds_nothing(page, axe, frames, tmp_path, name):
    state(page, name, frames, tmp_path)
    page.js("document.getElementById('meaning').open = true")
    page.js(axe)
    for dark, width in ((False, 1280), (True, 390)):
        page.look(width, 844, dark, phone=dark)
        time.sleep(0.3)
        checked, violations = page.js(
            "axe.run(document).then(({ passes, violations }) => [passes.length, violations.map("
            "(one) => [one.impact, one.id, one.nodes.map((node) => node.html.slice(0, 90))])])")
        assert violations == [] and checked > 20
    assert page.js("[...document.querySelectorAll('h1')].filter((one) => one.checkVisibility()).length") == 1


# the keyboard


def test_the_focus_never_falls_to_the_body(page, frames, tmp_path):
    page.js("document.getElementById('start').focus()")
    page.enter()
    page.until("!document.getElementById('tools').hidden")
    assert page.js(FOCUS) == "pause", "Start is gone; the first tool is there"
    for expected in ("mirror", "explain", "picture", "clip", "json", "again", "stop"):
        page.press("Tab")
        assert page.js(FOCUS) == expected
    # A face's button is pressed, and then all faces leave
    page.until("document.querySelectorAll('#faces button').length === 2")
    page.js("document.querySelector('#faces button').focus()")
    page.js("""(() => {
      const own = JSON.parse;
      JSON.parse = (text) => ({ ...own(text), faces: [] });
    })()""")
    page.until("document.getElementById('faces').hidden")
    assert page.js(FOCUS) == "pause"
    page.press("Escape")
    assert page.js(FOCUS) == "start"


def test_the_focus_survives_errors_and_several_pictures(page, frames, tmp_path):
    page.js("document.getElementById('choose').focus()")
    state(page, "error", frames, tmp_path)
    assert page.js(FOCUS) in ("choose", "start")
    page.js("document.querySelector('#message button').focus()")
    page.enter()
    assert page.js(FOCUS) in ("choose", "start"), "the message is dismissed"
    state(page, "several", frames, tmp_path)
    assert page.js(FOCUS) == "again"
    page.js("document.querySelectorAll('#strip button')[1].focus()")
    page.enter()
    page.until(RATE + " === '1 face'")
    assert page.js("document.activeElement.closest('#strip') !== null")
    page.press("Escape")
    page.until("!document.getElementById('welcome').hidden")
    assert page.js(FOCUS) == "start"
    page.js("navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError'); }")
    page.enter()
    page.until("document.getElementById('message').innerText.includes('not allowed')")
    assert page.js(FOCUS) == "start"


# screens


@pytest.mark.parametrize("name", ["start", "live", "several"])
def test_every_control_can_be_reached_on_every_screen(page, frames, tmp_path, name):
    state(page, name, frames, tmp_path)
    for width, height in SCREENS.values():
        page.look(width, height, phone=True)
        assert page.js("document.documentElement.scrollWidth") <= width
        hidden = page.js("""[...document.querySelectorAll("button, a, summary, #seek input")]
          .filter((one) => one.checkVisibility()).filter((one) => {
            one.scrollIntoView({ block: "center" });
            const { left, right, top, bottom } = one.getBoundingClientRect();
            const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
            return left < 0 || right > innerWidth || top < 0 || bottom > innerHeight || !one.contains(hit);
          }).map((one) => one.id || one.textContent)""")
        assert hidden == [], f"{width} x {height}"
        shown = page.js("[...document.querySelectorAll('#tools button')].filter((one) => one.checkVisibility())"
                        ".map((one) => one.id)")
        tools = {"pause", "mirror", "explain", "picture", "clip", "json", "again", "stop"}
        assert name != "live" or tools <= set(shown)


def test_picture_and_bars_are_seen_together(page, frames, tmp_path):
    state(page, "live", frames, tmp_path)
    for screen in ("phone", "side", "small side", "zoomed"):
        width, height = SCREENS[screen]
        page.look(width, height, phone=screen != "zoomed")
        page.js("scrollTo(0, 0)")
        time.sleep(0.2)
        edges = page.js("[...document.querySelectorAll('.bar, #canvas')].map((one) => one.getBoundingClientRect())"
                        ".map(({ left, right, top, bottom }) => [left, right, top, bottom])")
        assert len(edges) == 8
        tools = page.js("getComputedStyle(document.getElementById('tools')).position === 'sticky'"
                        " ? document.getElementById('tools').getBoundingClientRect().top : innerHeight")
        for left, right, top, bottom in edges:
            assert left >= 0 and right <= width and top >= 0 and bottom <= tools, screen


def shot(page, tmp_path) -> np.ndarray:
    return cv2.imread(str(page.screenshot(tmp_path / "shot.png")))


@pytest.mark.parametrize("width, height", [(390, 844), (1280, 860)])
def test_an_upright_picture_leaves_no_gap(page, tmp_path, width, height):
    page.look(width, height)
    cv2.imwrite(str(tmp_path / "upright.png"), draw_portrait("happy", 600, 6)[:, 150:450])
    page.choose("#file", tmp_path / "upright.png")
    page.until(RATE + " === '1 face'")
    time.sleep(0.3)
    stage, canvas, panel = (page.js("(({ left, right, top }) => [left, right, top])"
                                    f"(document.getElementById('{name}').getBoundingClientRect())")
                            for name in ("stage", "canvas", "panel"))
    if width > 900:
        assert canvas[:2] == pytest.approx(stage[:2], abs=1), "the stage is as wide as the picture"
        assert panel[0] - stage[1] == pytest.approx(16, abs=1) and panel[1] > width - 80, "the panel takes the rest"
    else:
        assert canvas[0] > stage[0] + 10
        # To its left the picture goes on, blurred
        strip = shot(page, tmp_path)[int(stage[2]) + 60 : int(stage[2]) + 300, int(stage[0]) + 2 : int(canvas[0]) - 2]
        ground = page.js("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")[::-1]
        assert np.abs(strip.astype(int) - ground).max(axis=2).mean() > 25


@pytest.mark.parametrize("dark", [False, True])
def test_high_contrast_keeps_bars_boxes_and_pressed_buttons(page, tmp_path, dark):
    page.look(1280, 860, dark, forced=True)
    cv2.imwrite(str(tmp_path / "happy.png"), draw_portrait("happy", 480, 6))
    page.choose("#file", tmp_path / "happy.png")
    page.until(RATE + " === '1 face'")
    time.sleep(0.4)
    assert page.js("matchMedia('(forced-colors: active)').matches")
    picture = shot(page, tmp_path)
    yellow = np.abs(picture.astype(int) - (70, 205, 250)).max(axis=2) < 12
    x, y, width, height = page.js("(({ x, y, width, height }) => [x, y, width, height])"
                                  "(document.querySelector('.bar.named i').getBoundingClientRect())")
    row = yellow[int(y + height / 2), int(x) : int(x + width)]
    share = page.js("parseFloat(getComputedStyle(document.querySelector('.bar.named')).getPropertyValue('--score'))")
    assert row.mean() == pytest.approx(share, abs=0.06), "the bar is as long as the probability"
    x, y, width, height = page.js("(({ x, y, width, height }) => [x, y, width, height])"
                                  "(document.getElementById('canvas').getBoundingClientRect())")
    assert yellow[int(y) : int(y + height), int(x) : int(x + width)].sum() > 1000, "the box"
