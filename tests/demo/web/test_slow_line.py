"""The page over a slow line: the boxes belong to the picture, frames become smaller, the page says so."""

import json
import time

import cv2
import numpy as np
import pytest
from chromium import needed
from throttling import Line

from pipeline.download.drawn.sample import draw_portrait

pytestmark = [needed, pytest.mark.slow]
RATE = "document.getElementById('rate').textContent"
# What is seen at one moment: the colour of the picture's lower edge, and the JSON that is saved
SEEN = """(async () => {
  let blob;
  const make = URL.createObjectURL;
  URL.createObjectURL = (given) => { blob = given; return "#"; };
  const canvas = document.getElementById("canvas"), context = canvas.getContext("2d");
  await new Promise(requestAnimationFrame);
  document.getElementById("json").click();
  URL.createObjectURL = make;
  const [red, , blue] = context.getImageData(canvas.width / 2, canvas.height - 4, 1, 1).data;
  return [red > blue ? "left" : "right", JSON.parse(await blob.text()).faces];
})()"""


def on_a_side(side: str) -> np.ndarray:
    """A frame, 640 by 480, with a face on this side; its lower edge is red when that is the left, else blue."""
    frame = np.full((480, 640, 3), 200, "uint8")
    face = draw_portrait("happy", 300, 6)
    start = 10 if side == "left" else 330
    frame[90:390, start : start + 300] = face
    frame[400:] = (0, 0, 255) if side == "left" else (255, 0, 0)
    return frame


def test_boxes_are_drawn_on_the_frame_that_was_answered(page, address, film_camera):
    port = int(address.rstrip("/").rpartition(":")[2])
    with Line(port, latency=0.4, rate=25_000) as line:
        page.open(f"http://127.0.0.1:{line.port}/")
        film_camera([on_a_side("left"), on_a_side("right")], 0.9)
        page.press("c")
        page.until(f"parseInt({RATE}) > 0")
        page.until("document.getElementById('status').textContent === ''")
        line.slow = True
        said = page.until("document.getElementById('status').textContent")
        assert "Slow connection" in said
        time.sleep(2)
        before, begun, sides = line.sent, time.monotonic(), set()
        for _ in range(40):
            # An answer may have come and not been drawn yet: what two pictures in a row agree on
            seen, again = page.js(SEEN), page.js(SEEN)
            while seen != again:
                seen, again = again, page.js(SEEN)
            side, (face,) = seen
            # The page mirrors its camera: what the frame has on its left is seen on the right
            seen = "left" if face["box"]["x"] + face["box"]["width"] / 2 > 320 else "right"
            assert seen == side, "the box lies on the face of the picture that is shown"
            sides.add(side)
            time.sleep(0.11)
        assert sides == {"left", "right"}
        seconds = time.monotonic() - begun
        assert float(page.js(RATE).split()[0]) > 0.6, "frames of the usual size would be .45 a second"
        assert (line.sent - before) / seconds < 15_000
        line.slow = False
        page.until("document.getElementById('status').textContent === ''")
    page.press("Escape")
    page.asked.clear()


SPY = """(() => {
  const Socket = WebSocket;
  window.messages = [];
  window.WebSocket = class extends Socket {
    send(data) { window.messages.push(data.size); super.send(data); }
  };
})()"""


def test_what_does_not_change_is_not_sent_again(page, film_camera, frames):
    page.js(SPY)
    film_camera([frames[0]], 1)
    page.press("c")
    page.until("window.messages.length > 3")
    time.sleep(2.5)  # smoothing has settled after a second
    sent = page.js("window.messages.length")
    time.sleep(0.7)
    assert page.js("window.messages.length") == sent, "a still picture"
    page.press("Escape")
    film_camera(frames[:3], 0.05)
    page.press("c")
    page.until(f"window.messages.length > {sent + 5}")
    page.press(" ")
    time.sleep(0.3)
    sent = page.js("window.messages.length")
    time.sleep(0.6)
    assert page.js("window.messages.length") == sent, "a pause"
    page.press(" ")
    page.until(f"window.messages.length > {sent}")
    page.press("Escape")


def test_a_stopped_answer_leaves_no_old_box_on_the_live_picture(page, film_camera, frames):
    """The connection is lost: the live picture goes on without boxes."""
    film_camera(frames[:3], 0.3)
    page.js("""(() => {
      const Socket = WebSocket;
      window.sockets = [];
      window.WebSocket = class extends Socket {
        constructor(path) { super(window.down ? new URL("/nothing", path) : path); window.sockets.push(this); }
      };
    })()""")
    page.press("c")
    page.until("document.querySelectorAll('#faces button').length === 2")
    page.js("window.down = true; window.sockets.at(-1).close()")
    page.until("document.getElementById('message').innerText.includes('connection is lost')")
    _, faces = page.js(SEEN)
    assert faces == []
    page.press("Escape")


@pytest.mark.parametrize("latency, rate, sides", [
    (5, 1e9, {640}), (400, 1e9, {640}), (400, 25, {240, 280}), (60, 120, {360, 480}), (30, 1000, {640})])
def test_frames_are_as_large_as_the_line_carries(page, latency, rate, sides):
    """``latency`` in milliseconds, ``rate`` in bytes a millisecond; a far but fast server gets the largest frames."""
    program = """import("/pace.js").then(({ Pace }) => {
      const pace = new Pace(%d), bytes = { 640: 43000, 480: 20800, 360: 12800, 280: 7700, 240: 5000 };
      const seen = [];
      for (let step = 0; step < 60; step++) {
        const { side } = pace.kind, size = bytes[side] * (1 + 0.1 * Math.sin(step));
        pace.record(size, %f + size / %f);
        seen.push(side);
      }
      return [seen.slice(-15), pace.slow];
    })"""
    seen, slow = page.js(program % (latency, latency, rate))
    assert max(set(seen), key=seen.count) in sides and len(set(seen)) <= 3, seen
    assert slow == (latency == 400)


def test_a_large_picture_that_does_not_arrive_in_time_is_sent_smaller(page, tmp_path):
    picture = np.random.default_rng(1).integers(0, 256, (1500, 2000, 3), "uint8")
    picture[200:1200, 500:1500] = draw_portrait("happy", 1000, 6)
    path = tmp_path / "large.jpg"
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
    page.js("""(() => {
      const ask = fetch;
      window.bodies = [];
      window.fetch = async (path, options) => {
        if (options?.body) window.bodies.push(options.body.size);
        if (options?.body && window.bodies.length === 1) return new Response('{"error": "too late"}', { status: 408 });
        return ask(path, options);
      };
    })()""")
    page.choose("#file", path)
    page.until(RATE + " === '1 face'")
    first, second = page.js("window.bodies")
    assert first == path.stat().st_size and second < first / 2
    page.js("document.getElementById('json').click()")
    data = json.loads(page.downloaded("large-emotions.json").read_text())
    assert (data["width"], data["height"]) == (2000, 1500), "in pixels of the person's picture"
    assert data["faces"][0]["box"]["width"] == pytest.approx(600, rel=0.25)
