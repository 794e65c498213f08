"""The static page: its detector against OpenCV's, its tracking against Python's, and the whole of it in Chromium."""

import http.server
import json
import shutil
import subprocess
import threading
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import toy_models
from chromium import needed

from pipeline.bundle.bundle import Bundle
from pipeline.demo.see import tracks, watcher
from pipeline.demo.see.boxes import Box
from pipeline.demo.see.crop import to_gray
from pipeline.demo.see.detector import HaarDetector
from pipeline.demo.web import build
from pipeline.demo.web.bounds import Bounds
from pipeline.demo.web.cascade import cascade
from pipeline.demo.web.facts import facts
from pipeline.download.drawn import clip
from pipeline.system.failure import Failure

NODE = shutil.which("node")
node = pytest.mark.skipif(NODE is None, reason="no node here: install Node.js to test the page's scripts alone")
npm = pytest.mark.skipif(shutil.which("npm") is None, reason="no npm here: install Node.js to build the static page")


def run(tmp_path: Path, program: str, **given):
    """What a program prints as JSON that uses the page's scripts; ``given`` are its constants."""
    constants = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in given.items())
    imports = "".join(f'import {{ {names} }} from "{(build.BROWSER / file).as_uri()}";\n' for names, file in (
        ("Cascade", "haar.js"), ("toGray, resize, square, evenLight", "pixels.js"), ("batch, calibrated", "model.js"),
        ("findFaces, Search", "search.js"), ("Tracks", "tracks.js")))
    script = tmp_path / "program.mjs"
    script.write_text(f'import {{ readFileSync }} from "node:fs";\n{imports}{constants}'
                      f"console.log(JSON.stringify((() => {{ {program} }})()));\n", encoding="utf-8")
    done = subprocess.run([str(NODE), str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def raw(path: Path, image: np.ndarray) -> dict:
    """A gray image or BGR frame for a program."""
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGBA)
    path.write_bytes(image.tobytes())
    return {"file": str(path), "width": image.shape[1], "height": image.shape[0]}


ROOT = Path(__file__).parents[3]
READ = "const read = ({ file, ...size }) => ({ data: new Uint8Array(readFileSync(file)), ...size });"


@node
@pytest.mark.parametrize("width, height, new", [(640, 480, (320, 240)), (177, 177, (48, 48)), (30, 20, (48, 48)),
                                                (333, 201, (320, 193))])
def test_the_page_resizes_as_opencv_does(tmp_path, width, height, new):
    image = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (height, width), "uint8"), (0, 0), 1.5)
    out = run(tmp_path, READ + "return Array.from(resize(read(image), ...size).data);", size=new,
              image=raw(tmp_path / "i", image))
    expected = cv2.resize(image, new, interpolation=cv2.INTER_AREA if new[0] < width else cv2.INTER_LINEAR)
    assert np.abs(np.reshape(out, expected.shape) - expected.astype(int)).max() <= 1


@node
@pytest.mark.parametrize("size", [(320, 240), (322, 241), (320, 213)])
def test_the_page_evens_out_the_light_as_opencv_does(tmp_path, size):
    ramp = np.add.outer(np.linspace(0, 120, size[1]), np.linspace(0, 90, size[0])).astype("uint8")
    image = ramp + np.random.default_rng(2).integers(0, 40, ramp.shape, "uint8")
    out = run(tmp_path, READ + "return Array.from(evenLight(read(image), 1.5, 4).data);",
              image=raw(tmp_path / "i", image))
    expected = cv2.createCLAHE(1.5, (4, 4)).apply(image)
    assert np.abs(np.reshape(out, expected.shape) - expected.astype(int)).max() <= 1


@pytest.mark.slow
@node
@pytest.mark.parametrize("fine", [False, True])
def test_the_page_finds_the_faces_that_opencv_finds(tmp_path, fine):
    frames = [frame for at, frame in enumerate(clip.frames(4, 2)) if at % 2]
    frames.append(cv2.resize(frames[0], (1280, 720)))
    frames.append((frames[0] * 0.2).astype("uint8"))
    frames.append(np.random.default_rng(3).integers(0, 256, (300, 400, 3), "uint8"))
    found = run(tmp_path, READ + "const trees = new Cascade(facts);"
                "return images.map((image) => findFaces(toGray(read(image)), trees, fine));", facts=cascade(),
                fine=fine, images=[raw(tmp_path / str(at), frame) for at, frame in enumerate(frames)])
    detector, faces = HaarDetector(), 0
    for at, (frame, boxes) in enumerate(zip(frames, found, strict=True)):
        expected = detector.find(frame, fine=fine)
        faces += len(expected)
        assert len(boxes) == len(expected), f"frame {at}"
        for box in (Box(*sides) for sides in boxes):
            assert max(box.overlap(other) for other in expected) > 0.85, f"frame {at}"
    assert faces >= 10


@pytest.mark.slow
@node
def test_the_page_follows_a_stream_with_the_searches_that_the_demo_makes(tmp_path):
    frames = list(clip.frames(1.3, 10))
    frames[8] = np.full_like(frames[8], 120)  # everybody is lost and found again
    found = run(tmp_path, READ + "const search = new Search(new Cascade(facts));"
                "return images.map((image, at) => search.find(toGray(read(image)), at / 10));", facts=cascade(),
                images=[raw(tmp_path / str(at), frame) for at, frame in enumerate(frames)])
    detector = HaarDetector()
    detector.angles = (0.0,)  # the page knows upright faces alone
    search = watcher.Search(detector)
    for at, (frame, boxes) in enumerate(zip(frames, found, strict=True)):
        expected = search.find(frame, at / 10)
        assert len(boxes) == len(expected), f"frame {at}"
        for box in (Box(*sides) for sides in boxes):
            assert max(box.overlap(other) for other in expected) > 0.8, f"frame {at}"


@node
def test_the_page_cuts_and_calibrates_as_the_demo_does(tmp_path):
    gray = to_gray(next(clip.frames(1, 1)))
    boxes = [Box(110, 157, 177, 177), Box(-20, 400, 120, 120), Box(600, 10, 31, 31)]
    out = run(tmp_path, READ + "return Array.from(batch(read(image), boxes, 0.97));", image=raw(tmp_path / "i", gray),
              boxes=[[box.x, box.y, box.width, box.height] for box in boxes])
    crops = np.stack([HaarDetector(0.97).crop(gray, box) for box in boxes])
    assert np.abs(np.reshape(out, (6, 48, 48)) - np.concatenate([crops, crops[:, :, ::-1]]).astype(int)).max() <= 1
    rows = np.random.default_rng(4).dirichlet(np.ones(7), 4)
    out = run(tmp_path, "return calibrated(rows.flat(), 2, 1.7);", rows=rows.tolist())
    powered = ((rows[:2] + rows[2:]) / 2) ** (1 / 1.7)
    assert out == pytest.approx(powered / powered.sum(axis=1, keepdims=True))


@node
def test_the_page_follows_faces_as_the_window_does(tmp_path):
    bundle = toy_models.bundle(tmp_path / "model")
    about, rng = facts(bundle, Bounds()), np.random.default_rng(5)
    follow, stream, expected = tracks.Tracks(), [], []
    for step in range(60):
        seconds = float(step * 0.07 + 0.02 * rng.random())
        boxes = [Box(round(100 + 4 * step + rng.normal(0, 3)), 120, round(90 + rng.normal(0, 3)), 90)]
        if step % 9 and step < 40:
            boxes.append(Box(round(420 - 2 * step), 100, 130, 130))
        scores = rng.dirichlet(np.full(7, 0.4), len(boxes)).astype("float32")
        expected.append([face.as_json(bundle.classes) for face in follow.update(boxes, scores, seconds)])
        stream.append([seconds, [{"box": {"x": box.x, "y": box.y, "width": box.width, "height": box.height},
                                  "scores": row.tolist()}
                                 for box, row in zip(boxes, scores, strict=True)]])
    found = run(tmp_path, "const tracks = new Tracks(about);"
                "return stream.map(([seconds, faces]) => tracks.update(faces, seconds));", about=about, stream=stream)
    for page_faces, faces in zip(found, expected, strict=True):
        assert [(face["id"], face["emotion"], face["says"]) for face in page_faces] == \
            [(face["id"], face["emotion"], face["says"]) for face in faces]
        for page_face, face in zip(page_faces, faces, strict=True):
            assert list(page_face["box"].values()) == pytest.approx(list(face["box"].values()), abs=1)
            assert page_face["probabilities"] == pytest.approx(face["probabilities"], abs=1e-3)


def test_without_npm_the_build_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    toy_models.bundle(tmp_path / "model")
    with pytest.raises(Failure, match="npm is not installed"):
        build.main(["--model", "model"])
    assert not Path("build/web-static").exists()


def test_a_folder_with_something_else_is_not_replaced(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(Failure, match="holds something else"):
        build.main(["--out", str(tmp_path)])
    assert (tmp_path / "thesis.tex").exists()


@npm
@needed
@pytest.mark.slow
def test_the_built_page_reads_faces_with_the_network_cut(tmp_path, monkeypatch, chromium, frames):
    """Its server is gone before it sees the first picture, and no other name can be found by this Chromium."""
    champion = ROOT / "data/champion"
    bundle = Bundle.load(champion) if champion.exists() else toy_models.bundle(tmp_path / "model")
    monkeypatch.chdir(ROOT)  # npm's packages are kept in build/ for the next time
    try:
        build.main(["--out", str(tmp_path / "site"), "--model", str(bundle.folder)])
    except Failure as failure:
        if "network" not in str(failure):
            raise
        pytest.skip(f"the packages are not here and cannot be fetched: {failure}")
    cv2.imwrite(str(tmp_path / "two.png"), frames[0])
    rate = "document.getElementById('rate').textContent"
    page = chromium
    page.look(1280, 860)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "site")) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        page.asked.clear()
        page.complaints.clear()
        page.open(address)
        server.shutdown()
    assert "stays on this device" in page.text()
    page.choose("#file", tmp_path / "two.png")
    page.until(f"{rate} === '2 faces'")
    page.press("j")
    saved = json.loads(page.downloaded("two-emotions.json").read_text())
    expected = watcher.look(frames[0], HaarDetector(bundle.crop_margin), bundle)
    for face, other in zip(saved["faces"], expected, strict=True):
        assert Box(**face["box"]).overlap(other.box) > 0.9
        assert list(face["probabilities"].values()) == pytest.approx(other.scores.tolist(), abs=0.1)
    page.press("Escape")
    page.press("c")
    page.until(f"parseInt({rate}) > 0")
    page.until("document.querySelectorAll('#faces button').length === 2")
    assert not page.complaints
    assert all(url.startswith((address, f"blob:{address}")) for url in page.asked), "asks no other place"
    # The browser holds the page to it
    assert page.js("fetch('http://127.0.0.1:9/').catch((error) => error.message)") == "Failed to fetch"
    assert page.js("document.querySelector('meta[http-equiv]').content").startswith("default-src 'self'")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass
