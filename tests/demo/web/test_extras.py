"""What the page offers beside boxes: examples, a clip, the last half minute as lines, and what its percentages mean."""

import json
import time

import cv2
import numpy as np
import pytest
from chromium import needed

from pipeline.demo.web import examples
from pipeline.faces.faces import EMOTIONS

RATE = "document.getElementById('rate').textContent"


def test_the_examples_are_what_their_command_draws():
    for name, picture in examples.pictures().items():
        kept = cv2.imread(str(examples.PAGE / name))
        assert kept.shape == picture.shape
        assert np.abs(kept.astype(int) - picture).mean() < 3, f"{name}: make it again, see examples.py"
        assert (examples.PAGE / name).stat().st_size < 60_000


@pytest.mark.slow
@needed
def test_every_example_opens_with_its_faces(page):
    for name in ("example-happy.jpg", "example-surprise.jpg", "example-three.jpg"):
        page.js(f"document.querySelector('[data-file=\"{name}\"]').click()")
        count = 3 if "three" in name else 1
        page.until(f"{RATE} === '{count} face{'s' if count > 1 else ''}'")
        page.press("Escape")


@pytest.mark.slow
@needed
def test_a_clip_is_recorded_with_its_boxes(page, frames):
    page.press("c")
    page.until("document.querySelectorAll('#faces button').length === 2")
    page.press("r")
    label = "document.getElementById('clip').textContent"
    page.until(label + " === 'Stop (15 s)'")
    page.until(label + " === 'Stop (13 s)'")
    page.js("document.getElementById('clip').click()")
    path = page.downloaded("camera-emotions.webm")
    assert page.until(label + " === 'Record clip'")
    page.press("Escape")
    capture, recorded = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        recorded.append(read[1])
    path.unlink()
    assert len(recorded) > 3 and recorded[0].shape == (480, 640, 3)
    shown = [frame[:, ::-1].astype(int) for frame in frames[1:4]]  # by the webcam, and the page mirrors it
    drawn = np.min([np.abs(recorded[-1] - frame).max(axis=2) for frame in shown], axis=0) > 50
    assert 1000 < drawn.sum() < 60_000, "boxes and labels, and else the picture itself"


@pytest.mark.slow
@needed
def test_a_clip_ends_by_itself_and_is_kept_when_the_camera_is_closed(page):
    # The page's seconds are shortened for the test
    page.js("""(() => {
      const every = setInterval;
      window.setInterval = (work, milliseconds) => every(work, milliseconds === 1000 ? 200 : milliseconds);
    })()""")
    page.press("c")
    page.until("document.querySelectorAll('#faces button').length === 2")
    page.press("r")
    page.downloaded("camera-emotions.webm").unlink()
    page.until("document.getElementById('clip').textContent === 'Record clip'")
    page.press("r")
    page.until("document.getElementById('clip').textContent === 'Stop (7 s)'")
    page.press("Escape")
    assert page.downloaded("camera-emotions.webm").stat().st_size > 1000
    assert page.js("document.getElementById('clip').textContent") == "Record clip"


CHART = """(() => {
  const chart = document.getElementById("chart"), context = chart.getContext("2d");
  const { data } = context.getImageData(0, 0, chart.width, chart.height);
  return [chart.width, chart.height, [...data].filter((_, index) => index % 4 < 3)];
})()"""
ABOUT = "await (await fetch('about.json')).json()"


def colours(page) -> dict[str, np.ndarray]:
    css = page.js(f"(async () => ({ABOUT}).colours)()")
    return {name: np.array([int(code[at : at + 2], 16) for at in (1, 3, 5)]) for name, code in css.items()}


@pytest.mark.slow
@needed
def test_the_live_chart_has_a_line_for_every_emotion_and_a_gap_where_no_face_was(page):
    """Made-up answers: seven levels, then no face for seven seconds, then again."""
    program = """(async () => {
      const { Trace } = await import("/chart.js"), about = %s;
      const chart = Object.assign(document.createElement("canvas"), { id: "trial" });
      chart.style.cssText = "display: block; width: 400px; height: 200px";
      document.body.append(chart);
      const probabilities = Object.fromEntries(about.classes.map((name, index) => [name, 0.02 + 0.07 * index]));
      const trace = new Trace();
      for (let step = 0; step < 330; step++) {
        trace.add(100 + 0.1 * step, step > 130 && step < 200 ? undefined : { id: 1, probabilities });
      }
      trace.draw(chart, about);
      const { data } = chart.getContext("2d").getImageData(0, 0, chart.width, chart.height);
      return [chart.width, chart.height, [...data].filter((_, index) => index %% 4 < 3)];
    })()"""
    width, height, data = page.js(program % ABOUT)
    picture = np.reshape(np.array(data, "int16"), (height, width, 3))
    css = colours(page)
    for index, name in enumerate(EMOTIONS):
        marked = np.abs(picture - css[name]).max(axis=2) < 20
        row = marked[:, : width - 70].sum(axis=1).argmax()
        columns = marked[row - 1 : row + 2, : width - 70].any(axis=0)
        assert columns[5:90].all(), f"{name}: a line"
        assert not columns[130:180].any(), f"{name}: no face, no line"
        assert abs(row - (4 + 192 * (1 - 0.02 - 0.07 * index))) < 4, f"{name}: at its height"


@pytest.mark.slow
@needed
def test_the_chart_of_the_camera_moves(page):
    page.press("c")
    page.until("document.querySelectorAll('#faces button').length === 2")
    first = page.js(CHART)
    time.sleep(1)
    second = page.js(CHART)
    assert first[:2] == second[:2] and first[2] != second[2]
    assert "30 seconds" in page.js("document.querySelector('#timeline figcaption').textContent")


# One story


FACES = """window.WebSocket = class {
  static OPEN = 1;
  readyState = 1;
  constructor() { setTimeout(() => this.onopen()); }
  send() { setTimeout(() => this.onmessage({ data: JSON.stringify(window.answer) })); }
  close() { this.readyState = 3; }
}"""


@pytest.mark.slow
@needed
@pytest.mark.parametrize("label, sure, probabilities, word, named", [
    # The label follows later than the highest probability
    ("surprise", False, {"surprise": 0.35, "neutral": 0.42, "fear": 0.2}, "unsure", ["surprise", "neutral"]),
    ("sad", False, {"sad": 0.3, "fear": 0.34, "neutral": 0.35}, "unsure", ["fear", "neutral"]),
    ("happy", False, {"happy": 0.45, "sad": 0.52}, "unsure", ["happy", "sad"]),
    ("happy", True, {"happy": 0.52, "sad": 0.45}, "happy", ["happy"]),
])
def test_word_bars_and_box_tell_one_story(page, label, sure, probabilities, word, named):
    everything = {name: probabilities.get(name, 0.01) for name in EMOTIONS}
    face = {"id": 1, "box": {"x": 200, "y": 120, "width": 180, "height": 180}, "emotion": label, "sure": sure,
            "says": label, "probabilities": everything}
    answer = {"model": "m", "width": 640, "height": 480, "milliseconds": 1, "faces": [face]}
    page.js(f"window.answer = {json.dumps(answer)}; {FACES}; 0")
    page.press("c")
    page.until("document.querySelectorAll('.bar.named').length")
    assert page.js("document.getElementById('word').textContent") == word
    bold = page.js("[...document.querySelectorAll('.bar.named span')].map((one) => one.textContent)")
    assert bold == named
    longest = sorted(everything, key=everything.get)[-len(named):]
    assert set(named) == set(longest), "nothing that is not highlighted is more probable"
    note = page.js("document.getElementById('note').textContent")
    assert note == ("52%" if sure else " or ".join(named))
    story = page.js(f"import('/faces.js').then(({{ story }}) => story({json.dumps(face)}, "
                    f"{json.dumps(list(EMOTIONS))}))")
    assert story["label"] == ("happy 52%" if sure else " or ".join(named) + "?"), "on the picture"
    pictures = page.js("document.querySelectorAll('#face img').length")
    assert pictures == len(named)


@pytest.mark.slow
@needed
def test_the_page_says_what_a_percentage_means_and_where_it_must_not_be_used(page):
    text = page.text()
    assert "An expression is not a feeling" in text and "Article 5(1)(f)" in text
    assert "protocol" not in text, "that says nothing to a visitor"
    page.js("document.querySelector('#meaning summary').click()")
    meaning = page.js("document.querySelector('#meaning p').innerText")
    accuracy = page.js(f"(async () => ({ABOUT}).accuracy)()")
    assert "about 52" in meaning and "calibrated" in meaning and "Below 50%" in meaning
    assert (f"{100 * accuracy:.1f}%" in meaning) if accuracy else "is right for" not in meaning


@pytest.mark.slow
@needed
def test_boxes_of_a_video_lie_between_its_samples(page):
    program = """import("/faces.js").then(({ between }) => between(
      [{ id: 1, box: { x: 0, y: 10, width: 50, height: 50 } }, { id: 2, box: { x: 5, y: 5, width: 9, height: 9 } }],
      [{ id: 1, box: { x: 20, y: 10, width: 60, height: 60 } }], 0.5))"""
    first, second = page.js(program)
    assert first["box"] == {"x": 10, "y": 10, "width": 55, "height": 55}
    assert second["box"]["x"] == 5, "a face that the next sample has not stays where it is"
