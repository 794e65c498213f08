"""The page end to end: headless Chromium, a webcam fed from a file of drawn people, uploads, downloads."""

import json
import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from chromium import needed

pytestmark = [needed, pytest.mark.slow]
RATE = "document.getElementById('rate').textContent"


def test_the_page_says_what_is_done_with_the_picture_before_the_camera_starts(page, address):
    spy = "navigator.mediaDevices.getUserMedia = async () => { window.asked = true; throw new Error(); }"
    made = page.call("Page.addScriptToEvaluateOnNewDocument", source=spy)
    page.open(address)
    page.call("Page.removeScriptToEvaluateOnNewDocument", **made)
    text = page.text()
    assert "goes to the program on this computer" in text and "Nothing is stored" in text
    assert "Start the camera" in text and "JPG, PNG, WebP" in text
    assert page.js("window.asked") is None, "no camera was asked for yet"
    page.press("c")
    page.until("window.asked")


def test_the_camera_is_read_live_and_saved(page):
    page.press("c")
    page.until(f"parseInt({RATE}) > 0")
    page.until("document.querySelectorAll('#faces button:not([hidden])').length === 2")
    first = page.until("document.getElementById('word').textContent")
    assert first.lower() in {"angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "unsure"}
    bars = page.js("[...document.querySelectorAll('#bars b')].map((one) => parseInt(one.textContent))")
    assert len(bars) == 7 and 96 <= sum(bars) <= 104, "seven bars, together all of it"
    # WEB_PICTURE=reports/web.png makes README's picture
    if path := os.environ.get("WEB_PICTURE"):
        time.sleep(5)
        page.screenshot(Path(path))
    page.press(" ")
    page.until("document.getElementById('pause').textContent === 'Play'")
    page.press("j")
    data = json.loads(page.downloaded("camera-emotions.json").read_text())
    assert (data["kind"], data["width"], data["height"], data["mirrored"]) == ("camera", 640, 480, True)
    assert len(data["faces"]) == 2
    for face in data["faces"]:
        assert 50 < face["box"]["width"] < 300 and sum(face["probabilities"].values()) == pytest.approx(1, abs=0.01)
    page.press("s")
    saved = cv2.imread(str(page.downloaded("camera-emotions.png")))
    assert saved.shape == (480, 640, 3)
    page.press("Escape")
    page.until("!document.getElementById('welcome').hidden")
    assert page.js("document.activeElement.id") == "start"


def test_a_lost_connection_comes_back_and_a_lost_camera_is_said(page):
    page.js("""(() => {
      const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices), Socket = WebSocket;
      navigator.mediaDevices.getUserMedia = async (wished) => window.stream = await ask(wished);
      window.sockets = [];
      window.WebSocket = class extends Socket {
        constructor(place) { super(window.down ? new URL("/nothing", place) : place); window.sockets.push(this); }
      };
    })()""")
    page.press("c")
    page.until(f"parseInt({RATE}) > 0")
    page.js("window.down = true; window.sockets[0].close()")
    page.until("document.getElementById('message').innerText.includes('connection is lost')")
    page.js("window.down = false")
    page.until("document.getElementById('message').hidden")
    page.js("window.stream.getTracks()[0].dispatchEvent(new Event('ended'))")
    page.until("document.getElementById('message').innerText.includes('camera is gone')")
    assert page.js("!document.getElementById('welcome').hidden")


def test_an_uploaded_picture_gets_its_boxes_and_can_be_saved(page, frames, tmp_path):
    path = tmp_path / "two people.png"
    cv2.imwrite(str(path), frames[0])
    page.choose("#file", path)
    page.until(RATE + " === '2 faces'")
    page.js("document.getElementById('json').click()")
    data = json.loads(page.downloaded("two people-emotions.json").read_text())
    assert (data["source"], data["kind"], data["width"]) == ("two people.png", "picture", 640)
    page.js("document.getElementById('picture').click()")
    saved = cv2.imread(str(page.downloaded("two people-emotions.png")))
    changed = np.abs(saved.astype(int) - frames[0]).max(axis=2) > 60
    for face in data["faces"]:
        box = face["box"]
        middle = box["y"] + box["height"] // 2
        side = changed[box["y"] : box["y"] + box["height"], box["x"] - 2 : box["x"] + 3]
        assert side.any(axis=1).mean() > 0.4, "a line on the box's left side, dashed where the answer is unsure"
        inside = changed[middle - 9 : middle + 9, box["x"] + 20 : box["x"] + box["width"] - 20]
        assert not inside.any(), "the face is free"
    right = max(data["faces"], key=lambda face: face["box"]["x"])
    page.js(f"document.querySelector('#faces [data-id=\"{right['id']}\"]').click()")
    expected = right["emotion"] if right["sure"] else "unsure"
    assert page.until("document.getElementById('word').textContent") == expected


def test_a_picture_that_is_one_face_already_is_read_whole(page, tmp_path):
    crop = np.random.default_rng(0).integers(0, 256, (48, 48), "uint8")
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), crop)
    page.choose("#file", tmp_path / "a.png", tmp_path / "b.png")
    page.until(RATE + " === 'no faces' && document.querySelectorAll('#strip button').length === 2")
    page.press("f")
    page.until(RATE + " === '1 face'")
    assert page.js("document.getElementById('whole').getAttribute('aria-pressed')") == "true"
    page.js("document.querySelectorAll('#strip button')[1].click()")
    page.until(RATE + " === '1 face'")
    page.js("document.getElementById('json').click()")
    (face,) = json.loads(page.downloaded("b-emotions.json").read_text())["faces"]
    assert face["box"] == {"x": 0, "y": 0, "width": 48, "height": 48}
    page.js("document.getElementById('whole').click()")
    page.until(RATE + " === 'no faces'")


def test_an_answer_is_explained_with_a_map_on_its_face_and_a_sentence(page, frames, tmp_path):
    cv2.imwrite(str(tmp_path / "two.png"), frames[0])
    page.choose("#file", tmp_path / "two.png")
    page.until(RATE + " === '2 faces'")
    page.js("document.getElementById('picture').click()")
    plain = cv2.imread(str(page.downloaded("two-emotions.png"))).astype(int)
    page.downloaded("two-emotions.png").unlink()
    page.press("e")
    sentence = page.until("document.getElementById('because').textContent")
    word = page.js("document.querySelector('.bar.named span').textContent")
    assert sentence.startswith("Yellow parts speak for ") and "hidden" in sentence
    assert page.js("document.getElementById('explain').getAttribute('aria-pressed')") == "true"
    assert page.js("document.getElementById('because').getAttribute('aria-live')") == "polite"
    page.js("document.getElementById('picture').click()")
    painted = cv2.imread(str(page.downloaded("two-emotions.png"))).astype(int)
    page.js("document.getElementById('json').click()")
    faces = json.loads(page.downloaded("two-emotions.json").read_text())["faces"]
    assert f"speak for {faces[0]['emotion']}," in sentence and word in sentence
    changed = np.abs(painted - plain).max(axis=2) > 12
    shares = [changed[box["y"] + 9 : box["y"] + box["height"] - 9, box["x"] + 9 : box["x"] + box["width"] - 9].mean()
              for box in (face["box"] for face in faces)]
    assert shares[0] > 0.5 and shares[1] == 0, "on the face that the panel is about, and on no other"
    page.js(f"document.querySelector('#faces [data-id=\"{faces[1]['id']}\"]').click()")
    page.until(f"document.getElementById('because').textContent.includes('speak for {faces[1]['emotion']},')")
    page.js("document.getElementById('explain').click()")
    page.until("!document.getElementById('because').textContent")


def test_a_live_answer_is_explained_again_and_again(page):
    page.press("c")
    page.until(f"parseInt({RATE}) > 0")
    page.js("(() => { const own = fetch; window.count = 0; window.fetch = (...asked) => { count += "
            "String(asked[0]).startsWith('explain?'); return own(...asked); }; })()")
    page.js("document.getElementById('explain').click()")
    page.until("document.getElementById('because').textContent.startsWith('Yellow')")
    assert page.js("document.getElementById('because').getAttribute('aria-live')") == "off"
    page.until("window.count >= 2")


def test_a_picture_of_more_pixels_than_the_server_reads_is_sent_smaller(page, frames, tmp_path):
    cv2.imwrite(str(tmp_path / "large.png"), cv2.resize(frames[1], (6400, 4800), interpolation=cv2.INTER_NEAREST))
    page.choose("#file", tmp_path / "large.png")
    page.until(RATE + " === '2 faces'")


def test_several_pictures_are_shown_one_by_one_and_a_broken_one_is_named(page, frames, tmp_path):
    for name, ending in (("a", ".jpg"), ("b", ".webp")):
        cv2.imwrite(str(tmp_path / (name + ending)), frames[1])
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((300, 500, 3), 120, "uint8"))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    page.choose("#file", *(tmp_path / name for name in ("a.jpg", "broken.png", "b.webp", "wall.png")))
    page.until("document.querySelectorAll('#strip button').length === 3")
    assert "broken.png: This is not a picture" in page.until("document.getElementById('message').innerText")
    page.js("document.querySelectorAll('#strip button')[2].click()")
    page.until(RATE + " === 'no faces'")
    assert page.js("document.getElementById('word').textContent") == "No face"


def test_a_video_is_read_frame_by_frame_and_shown_over_time(page, frames, tmp_path):
    path = tmp_path / "clip.webm"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"VP80"), 10, (640, 480))
    for at in range(14):
        writer.write(frames[at // 4])
    writer.release()
    page.choose("#file", path)
    page.until(RATE + ".includes('face')", 60)
    page.js("document.getElementById('json').click()")
    data = json.loads(page.downloaded("clip-emotions.json").read_text())
    assert data["kind"] == "video" and [sample["seconds"] for sample in data["samples"]] == [0, 0.2, 0.4, 0.6, 0.8]
    assert "the first 1 seconds are read" in page.js("document.getElementById('message').innerText")
    assert len(data["samples"][1]["faces"]) == 2
    ids = [{face["id"] for face in sample["faces"]} for sample in data["samples"][:4]]
    assert ids[0] == ids[3], "the same people keep their numbers"
    assert page.js("document.getElementById('chart').width") > 100


def test_a_drop_anywhere_on_the_page_is_taken(page, frames):
    page.js(f"window.bytes = {list(cv2.imencode('.png', frames[2])[1].tobytes())}; 0")
    page.js("""(() => {
      const files = new DataTransfer();
      files.items.add(new File([new Uint8Array(window.bytes)], "dropped.png", { type: "image/png" }));
      const fire = (type) => document.querySelector("footer").dispatchEvent(
        new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: files }));
      fire("dragenter");
      window.lit = document.body.classList.contains("dropping");
      fire("drop");
    })()""")
    page.until(RATE + " === '2 faces'")
    assert page.js("window.lit") and not page.js("document.body.classList.contains('dropping')")


@pytest.mark.parametrize("width, height", [(360, 640), (390, 844), (820, 1180), (1280, 720)])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_every_screen_and_can_be_read_in_light_and_dark(page, frames, tmp_path, width, height, dark):
    page.look(width, height, dark, phone=width < 500)
    path = tmp_path / "two.png"
    cv2.imwrite(str(path), frames[0])

    def assert_fits():
        assert page.js("document.documentElement.scrollWidth") <= width, "nothing sticks out to the right"
        small = page.js("[...document.querySelectorAll('button')].filter((one) => one.checkVisibility())"
                        ".filter((one) => one.clientHeight < 36).map((one) => one.textContent)")
        assert small == [], "a finger hits every button"

    assert_fits()
    page.choose("#file", path)
    page.until(RATE + " === '2 faces'")
    assert_fits()
    ink, ground = (page.js(f"getComputedStyle(document.body).{name}.match(/\\d+/g).map(Number)")
                   for name in ("color", "backgroundColor"))
    assert (sum(ink) > sum(ground)) == dark
    assert contrast(ink, ground) > 7


def contrast(one, other) -> float:
    """As WCAG 2 defines it: 7 is its highest grade."""
    def luminance(colour):
        share = np.array(colour[:3]) / 255
        linear = np.where(share <= 0.03928, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_keyboard_reaches_everything(page):
    reached = []
    for _ in range(7):
        page.press("Tab")
        reached.append(page.js("document.activeElement.id || document.activeElement.dataset.file"
                               " || document.activeElement.tagName"))
    assert reached == ["api", "start", "choose", "example-happy.jpg", "example-surprise.jpg", "example-three.jpg",
                       "SUMMARY"]
    names = page.js("[...document.querySelectorAll('button, canvas[role], input[type=range]')].filter((one) =>"
                    "!(one.textContent.trim() || one.getAttribute('aria-label') || one.labels?.length"
                    " || one.querySelector('img[alt]:not([alt=\"\"])')"
                    " || one.closest('[hidden]'))).map((one) => one.id)")
    assert names == [], "each has a name for those who hear the page"


@pytest.mark.parametrize("dark", [False, True])
def test_the_api_page_describes_the_api_and_tries_it(page, address, frames, tmp_path, dark):
    path = tmp_path / "two.png"
    cv2.imwrite(str(path), frames[0])
    page.look(1280, 860, dark)
    page.open(address + "api")
    page.until("document.querySelectorAll('.opblock').length === 4")
    assert page.js("location.pathname") == "/docs/"
    assert {"/predict", "/predict/batch", "/explain", "/about.json"} == set(page.js(
        "[...document.querySelectorAll('.opblock-summary-path')].map((one) => one.dataset.path)"))
    ink, ground = (page.js(f"getComputedStyle(document.querySelector('{selector}')).{name}.match(/\\d+/g).map(Number)")
                   for selector, name in ((".info p", "color"), ("html", "backgroundColor")))
    assert contrast(ink, ground if dark else (255, 255, 255)) > 4.5
    # Open the operation and let it send a form with a file
    page.js("document.querySelector('.opblock-summary-path[data-path=\"/predict\"]').click()")
    page.until("document.querySelector('.opblock-body input[type=file]') !== null")
    page.choose(".opblock-body input[type=file]", path)
    page.js("document.querySelector('.opblock-body .execute').click()")
    page.until("document.querySelector('.live-responses-table tbody .response-col_status')?.innerText === '200'")
    answer = page.js("document.querySelector('.live-responses-table tbody pre').innerText")
    assert json.loads(answer)["width"] == 640 and len(json.loads(answer)["faces"]) == 2
    # DOCS_PICTURES=DIR keeps what it looks like
    if folder := os.environ.get("DOCS_PICTURES"):
        page.screenshot(Path(folder) / f"docs-{'dark' if dark else 'light'}.png")
