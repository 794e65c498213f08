"""The static page: its networks, its detector and its tracking against Python's, and the whole of it in Chromium."""

import http.server
import json
import shutil
import subprocess
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import toy_models
from chromium import needed
from toy_faces import face_frame

from pipeline.bundle.bundle import Bundle
from pipeline.demo.see import detector, tracks, watcher
from pipeline.demo.see.blazeface.network import FOLDER, FULL, SHORT
from pipeline.demo.see.blazeface.view import View, pixels
from pipeline.demo.see.boxes import Box
from pipeline.demo.see.crop import crops
from pipeline.demo.see.occlusion import occlusion
from pipeline.demo.web import build
from pipeline.demo.web.bounds import Bounds
from pipeline.demo.web.facts import facts, finder
from pipeline.demo.web.network.convert import convert
from pipeline.download.drawn import clip
from pipeline.system.failure import Failure

NODE = shutil.which("node")
node = pytest.mark.skipif(NODE is None, reason="no node here: install Node.js to test the page's scripts alone")
npm = pytest.mark.skipif(shutil.which("npm") is None, reason="no npm here: install Node.js to build the static page")
SCRIPTS = (("BlazeFace", "blazeface.js"), ("kernels, Network", "network.js"), ("viewed, square", "pixels.js"),
           ("Finder", "search.js"), ("Tracks", "tracks.js"), ("occlusion", "occlusion.js"))


def run(tmp_path: Path, program: str, **given):
    """What a program prints as JSON that uses the page's scripts; ``given`` are its constants."""
    constants = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in given.items())
    imports = "".join(f'import {{ {names} }} from "{(build.BROWSER / file).as_uri()}";\n' for names, file in SCRIPTS)
    script = tmp_path / "program.mjs"
    script.write_text(f'import {{ readFileSync }} from "node:fs";\n{imports}{constants}{READ}'
                      f"console.log(JSON.stringify(await (async () => {{ {program} }})()));\n", encoding="utf-8")
    done = subprocess.run([str(NODE), str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def raw(path: Path, image: np.ndarray) -> dict:
    """A BGR frame for a program, as a canvas has it."""
    path.write_bytes(cv2.cvtColor(image, cv2.COLOR_BGR2RGBA).tobytes())
    return {"file": str(path), "width": image.shape[1], "height": image.shape[0]}


ROOT = Path(__file__).parents[3]
READ = """
const bytes = (file) => new Uint8Array(readFileSync(file));
const read = ({ file, ...size }) => ({ data: bytes(file), ...size });
const load = async (wasm, file) => new Network(wasm, bytes(file).buffer);
"""
OPEN = """
const wasm = await kernels(new WebAssembly.Module(bytes(module)));
const network = async (name) => new BlazeFace(await load(wasm, networks[name]), rules[name], rules.same);
const full = await network("full"), short = await network("short"), finder = new Finder(full, async () => short, rules);
"""


@pytest.fixture(scope="module")
def kernels() -> str:
    """The file with the kernels; npm's packages are kept in build/ for the next time."""
    try:
        return str(build.fetch(ROOT / build.NPM) / build.RUNTIME / build.KERNELS)
    except Failure as failure:
        if "network" not in str(failure):
            raise
        pytest.skip(f"the package is not here and cannot be fetched: {failure}")


@pytest.fixture(scope="module")
def networks(tmp_path_factory) -> dict[str, str]:
    """BlazeFace's files for the browser, uncompressed."""
    folder = tmp_path_factory.mktemp("networks")
    for name, kind in (("full", FULL), ("short", SHORT)):
        (folder / name).write_bytes(convert(FOLDER / kind.file))
    return {name: str(folder / name) for name in ("full", "short")}


def turned(frame: np.ndarray, degrees: float) -> np.ndarray:
    """A frame, rolled clockwise round the drawn face."""
    matrix = cv2.getRotationMatrix2D((300, 220), -degrees, 1)
    return cv2.warpAffine(frame, matrix, frame.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


@node
def test_the_page_cuts_views_as_python_does(tmp_path):
    frames, views = [], []
    for number, (width, height) in enumerate([(640, 480), (333, 201), (90, 130), (1281, 723)]):
        noise = np.random.default_rng(number).integers(0, 256, (height, width, 3), "uint8")
        frames.append(cv2.GaussianBlur(noise, (0, 0), 3))
        side = max(width, height)
        views.append([View(width / 2, height / 2, side), View(width / 2, height / 2, side, 90.0),
                      View(width / 3, height / 4, side / 2, -90.0), View(width / 2, height / 2, side / 1.5, 180.0),
                      View(width / 2 + 3.3, height / 2, side / 2.2, 37.5), View(0, height, side / 3, -140.0)])
    out = run(tmp_path, "return images.map((image, at) => views[at].map((view) => [...viewed(read(image), view, 96)]))",
              images=[raw(tmp_path / str(at), frame) for at, frame in enumerate(frames)],
              views=[[view._asdict() for view in some] for some in views])
    for frame, some, results in zip(frames, views, out, strict=True):
        for view, result in zip(some, results, strict=True):
            apart = np.abs(np.reshape(result, (96, 96, 3)) - pixels(frame, view, 96).astype(int))
            assert apart.max() <= (1 if view.roll % 90 == 0 else 6), view
            assert apart.mean() < 0.2, view


@node
def test_the_page_crops_faces_as_the_demo_does(tmp_path):
    frame = next(clip.frames(1, 1))
    boxes = [Box(110, 157, 177, 177), Box(-20, 400, 120, 120), Box(600, 10, 31, 31), Box(110, 157, 177, 177, 33.3),
             Box(500, 380, 150, 150, -80.0)]
    out = run(tmp_path, "return boxes.map((box) => Array.from(square(read(image), box, box.width / 0.97, 48)));",
              image=raw(tmp_path / "i", frame), boxes=[vars(box) for box in boxes])
    apart = np.abs(np.reshape(out, (-1, 48, 48)) - crops(frame, boxes, 0.97).astype(int))
    assert apart[:3].max() <= 1
    assert apart[3:].max() <= 4 and apart[3:].mean() < 0.2, "turned upright"


@node
def test_the_page_explains_a_face_as_python_does(tmp_path):
    rng = np.random.default_rng(3)
    crop = cv2.GaussianBlur(rng.integers(0, 256, (48, 48), "uint8"), (0, 0), 2)
    weights = cv2.GaussianBlur(rng.normal(0, 1, (48, 48)), (0, 0), 3)
    weights *= 0.2 / weights.std()
    # The answer hangs in the balance, so that every part counts
    weights -= ((crop * weights).sum() - 0.5 * 255) / crop.sum()

    class Model:
        classes, crop_margin = ("no", "yes"), 0.97

        def predict(self, images):
            yes = 1 / (1 + np.exp(-(images.reshape(-1, 2304) @ weights.ravel()) / 255))
            return np.stack([1 - yes, yes], axis=1)

        def calibrated(self, probabilities):
            return probabilities

    expected = occlusion(Model(), crop, 1, flip=False)
    out = run(tmp_path, """return occlusion(Uint8Array.from(crop), (image) => {
      let logit = 0;
      image.forEach((value, at) => { logit += value * weights[at] / 255; });
      return 1 / (1 + Math.exp(-logit));
    });""", crop=crop.ravel().tolist(), weights=weights.ravel().tolist())
    assert np.ptp(expected.grid) > 0.02 and expected.hidden < expected.probability
    # A pixel of the blur that is near a half may be rounded otherwise
    assert np.array(out["log_odds"]) == pytest.approx(expected.grid, abs=0.02 * float(np.abs(expected.grid).max()))
    assert out["probability"] == pytest.approx(expected.probability, abs=1e-6)
    assert out["hidden"] == pytest.approx(expected.hidden, abs=1e-3) and out["part"] == expected.part


def operators(path: Path) -> None:
    """An ONNX file with what the networks of the recipes are made of, and an int8 convolution."""
    from onnx import TensorProto, helper, numpy_helper, save

    rng, constants = np.random.default_rng(0), {}

    def constant(name, array, kind="float32"):
        constants[name] = numpy_helper.from_array(np.asarray(array, kind), name)
        return name

    def weights(name, *shape):
        return constant(name, rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape))

    def make(kind, inputs, output, **attributes):
        return helper.make_node(kind, inputs, [output], **attributes)

    per_channel = rng.integers(-64, 64, (12, 8, 3, 3))
    nodes = [
        make("Transpose", ["image"], "first", perm=[0, 3, 1, 2]),
        make("Mul", ["first", constant("255th", 1 / 255)], "scaled"),
        make("Slice", ["scaled", constant("from", [4, 4], "int64"), constant("to", [44, 44], "int64"),
                       constant("axes", [2, 3], "int64")], "cropped"),
        make("ReduceMean", ["cropped"], "mean", axes=[1, 2, 3], keepdims=1),
        make("Sub", ["cropped", "mean"], "centred"),
        make("Conv", ["centred", weights("w1", 8, 1, 5, 3), weights("b1", 8)], "c1", auto_pad="SAME_UPPER",
             strides=[2, 1]),
        make("BatchNormalization", ["c1", *(constant(f"n{at}", rng.random(8) + 0.5) for at in range(4))], "n"),
        make("Relu", ["n"], "r1"),
        make("Conv", ["r1", weights("w2", 8, 1, 3, 3)], "depthwise", group=8, pads=[1, 0, 1, 2]),
        make("LeakyRelu", ["depthwise"], "leaky", alpha=0.2),
        make("Add", ["leaky", constant("vector", rng.random((8, 1, 1)))], "shifted"),
        make("QuantizeLinear", ["shifted", constant("s", 0.02), constant("z", 100, "uint8")], "q"),
        make("DequantizeLinear", ["q", "s", "z"], "dq"),
        make("DequantizeLinear", [constant("w3", per_channel, "int8"), constant("w3s", rng.random(12) / 300)], "w3f",
             axis=0),
        make("Conv", ["dq", "w3f"], "c3", pads=[0, 0, 1, 1], strides=[2, 2]),
        make("QuantizeLinear", ["c3", constant("s3", 0.01), constant("z3", 0, "uint8")], "q3"),
        make("DequantizeLinear", ["q3", "s3", "z3"], "dq3"),
        make("AveragePool", ["dq3"], "averages", kernel_shape=[2, 2], strides=[2, 2]),
        make("Resize", ["averages", "", constant("twice", [1, 1, 2, 2])], "larger", mode="linear"),
        make("MaxPool", ["dq3"], "maxima", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        make("Concat", ["larger", "maxima"], "both", axis=1),
        make("GlobalAveragePool", ["both"], "squeezed"),
        make("Conv", ["squeezed", weights("w4", 24, 24, 1, 1)], "excited"),
        make("Sigmoid", ["excited"], "gate"),
        make("Mul", ["both", "gate"], "gated"),
        make("Pad", ["gated", constant("pads", [0, 0, 0, 1, 0, 3, 0, 0], "int64")], "padded"),
        make("Clip", ["padded", constant("low", -0.5), constant("high", 6.0)], "clipped"),
        make("Flatten", ["clipped"], "flat"),
        make("Gemm", ["flat", weights("w5", 16, 27 * 10 * 21), weights("b5", 16)], "dense", transB=1),
        make("Elu", ["dense"], "elu"),
        make("MatMul", ["elu", weights("w6", 16, 7)], "logits"),
        make("Softmax", ["logits"], "one", axis=-1),
        make("MatMul", ["one", weights("w7", 7, 7)], "other"),
        make("Sum", ["one", "other", constant("tiny", 3.0)], "summed"),
        make("ReduceSum", ["summed", constant("last", [1], "int64")], "total", keepdims=1),
        make("Div", ["summed", "total"], "probabilities"),
        make("Transpose", ["gated"], "maps", perm=[0, 2, 3, 1]),
    ]
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (
        ("image", ["N", 48, 48, 1]), ("probabilities", ["N", 7]), ("maps", ["N", 10, 20, 24]))]
    graph = helper.make_graph(nodes, "operators", tensors[:1], tensors[1:], list(constants.values()))
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


@npm
@node
@pytest.mark.parametrize("name", ["champion", "full", "short", "operators"])
def test_the_browsers_networks_compute_what_onnx_runtime_does(tmp_path, kernels, name):
    import onnxruntime

    file = {"champion": ROOT / "data/champion/model.onnx", "full": FOLDER / FULL.file, "short": FOLDER / SHORT.file,
            "operators": tmp_path / "operators.onnx"}[name]
    if name == "operators":
        operators(file)
    if not file.exists():
        pytest.skip("no champion here")
    session = onnxruntime.InferenceSession(str(file))
    (source,) = session.get_inputs()
    shape = [1, *source.shape[1:]]
    image = np.random.default_rng(1).random(shape, "float32") * (2 if shape[3] == 3 else 255) - (shape[3] == 3)
    image.tofile(tmp_path / "image")
    (tmp_path / "network").write_bytes(convert(file))
    out = run(tmp_path, "const wasm = await kernels(new WebAssembly.Module(bytes(module)));"
              "const network = await load(wasm, file), input = new Float32Array(bytes(image).buffer);"
              "network.run(input.map((value) => 1 - value));"  # leaves nothing behind
              "const outputs = Object.entries(network.run(input));"
              "return Object.fromEntries(outputs.map(([name, values]) => [name, [...values]]));",
              module=kernels, file=str(tmp_path / "network"), image=str(tmp_path / "image"))
    for output, expected in zip(session.get_outputs(), session.run(None, {source.name: image}), strict=True):
        # A sum's last bit can turn a value of an int8 network round the other way
        close = {"champion": 2e-2, "operators": 2e-3}.get(name, 2e-4)
        assert out[output.name] == pytest.approx(expected.reshape(-1).tolist(), abs=close, rel=1e-4), output.name


def test_a_network_that_the_browser_cannot_run_is_refused_in_a_line(tmp_path):
    from onnx import TensorProto, helper, save

    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 48, 48, 1]) for name in "ab"]
    graph = helper.make_graph([helper.make_node("Mish", ["a"], ["b"])], "odd", tensors[:1], tensors[1:])
    save(helper.make_model(graph), tmp_path / "odd.onnx")
    with pytest.raises(Failure, match=r"odd\.onnx: it has a Mish that the static page does not know; .*ferpipe web"):
        convert(tmp_path / "odd.onnx")


@pytest.mark.slow
@npm
@node
def test_the_page_finds_the_faces_that_python_finds(tmp_path, kernels, networks):
    four = next(clip.frames(1, 1, people=4))
    small = cv2.copyMakeBorder(cv2.resize(face_frame(), (80, 60)), 300, 100, 200, 220, cv2.BORDER_REPLICATE)
    pictures = [four, cv2.resize(four[:360], (801, 451)), turned(face_frame(), 35), turned(face_frame(), 100), small]
    found = run(tmp_path, OPEN + "const all = []; for (const image of images) all.push(await finder.find(read(image)));"
                "return all;", module=kernels, networks=networks, rules=finder(),
                images=[raw(tmp_path / str(at), picture) for at, picture in enumerate(pictures)])
    faces = 0
    for at, (picture, boxes) in enumerate(zip(pictures, found, strict=True)):
        faces += compared(boxes, detector.BlazeFace().find(picture), at)
    assert faces >= 8


def compared(boxes: list[dict], expected: list[Box], where) -> int:
    assert len(boxes) == len(expected), where
    for box, other in zip((Box(**sides) for sides in boxes), expected, strict=True):
        assert box.overlap(other) > 0.95, where
        assert box.angle == pytest.approx(other.angle, abs=1.5), where
    return len(boxes)


@pytest.mark.slow
@npm
@node
def test_the_page_follows_a_stream_with_the_searches_that_the_demo_makes(tmp_path, kernels, networks):
    frames = [*clip.frames(0.5, 10), *(turned(face_frame(), 12 * step) for step in range(9))]
    frames += [np.full_like(frames[0], 120)] * 3 + [turned(face_frame(), 180)] * 3  # lost, and found upside down
    program = OPEN + """
        const all = [];
        let boxes = [];
        for (let at = 0; at < images.length; at++) {
          boxes = await finder.follow(read(images[at]), boxes, boxes.length ? null : at % rules.quarters.length);
          all.push(boxes);
        }
        return all;"""
    found = run(tmp_path, program, module=kernels, networks=networks, rules=finder(),
                images=[raw(tmp_path / str(at), frame) for at, frame in enumerate(frames)])
    blaze_face, known, faces = detector.BlazeFace(), [], 0
    for at, (frame, boxes) in enumerate(zip(frames, found, strict=True)):
        known = blaze_face.follow(frame, known, None if known else at % len(detector.QUARTERS))
        faces += compared(boxes, known, at)
    assert faces >= 18


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
        stream.append([seconds, [vars(box) for box in boxes], scores.tolist()])
    found = run(tmp_path, """
        const tracks = new Tracks(about);
        return stream.map(([seconds, boxes, scores]) => {
          tracks.follow(boxes, seconds).forEach((track, index) => tracks.read(track, scores[index], seconds));
          return tracks.faces();
        });""", about=about, stream=stream)
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


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    champion = ROOT / "data/champion"
    return Bundle.load(champion) if champion.exists() else toy_models.bundle(tmp_path_factory.mktemp("toy") / "model")


@pytest.fixture(scope="module")
def site(tmp_path_factory, kernels, bundle) -> Path:
    """The built page."""
    folder = tmp_path_factory.mktemp("built") / "site"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        build.main(["--out", str(folder), "--model", str(bundle.folder)])
    return folder


@contextmanager
def served(folder: Path):
    """The address of a folder, and a function that ends the server."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def end():
            server.shutdown()
            server.server_close()

        yield f"http://127.0.0.1:{server.server_port}/", end
        server.shutdown()


RATE = "document.getElementById('rate').textContent"


def read_as_python_does(page, picture: Path, frame: np.ndarray, bundle: Bundle) -> None:
    """Choose a picture; its boxes and probabilities have to be Python's."""
    page.choose("#file", picture)
    page.until(f"{RATE} === '2 faces'")
    page.press("j")
    saved = json.loads(page.downloaded(f"{picture.stem}-emotions.json").read_text())
    expected = watcher.look(frame, detector.BlazeFace(), bundle)
    for face, other in zip(saved["faces"], expected, strict=True):
        assert Box(**face["box"]).overlap(other.box) > 0.95
        assert list(face["probabilities"].values()) == pytest.approx(other.scores.tolist(), abs=0.05)
    page.press("Escape")


def read_whole_as_python_does(page, picture: Path, bundle: Bundle) -> None:
    """Choose a picture that is one face already."""
    crop = np.random.default_rng(0).integers(0, 256, (48, 60), "uint8")
    cv2.imwrite(str(picture), crop)
    page.choose("#file", picture)
    page.until(f"{RATE} === 'no faces'")
    page.press("f")
    page.until(f"{RATE} === '1 face'")
    page.press("j")
    (face,) = json.loads(page.downloaded(f"{picture.stem}-emotions.json").read_text())["faces"]
    (expected,) = watcher.look_at_face(cv2.imread(str(picture)), bundle)
    assert Box(**face["box"]) == expected.box == Box(6, 0, 48, 48)
    assert list(face["probabilities"].values()) == pytest.approx(expected.scores.tolist(), abs=0.01)
    page.press("Escape")


@npm
@needed
@pytest.mark.slow
def test_the_built_page_reads_faces_with_the_network_cut(tmp_path, site, bundle, chromium, frames):
    """Its server is gone before it sees the first picture, and no other name can be found by this Chromium."""
    cv2.imwrite(str(tmp_path / "two.png"), frames[0])
    page = chromium
    page.look(1280, 860)
    with served(site) as (address, end):
        page.asked.clear()
        page.complaints.clear()
        page.open(address)
        end()
        assert "stays on this device" in page.text()
        read_as_python_does(page, tmp_path / "two.png", frames[0], bundle)
        read_whole_as_python_does(page, tmp_path / "crop.png", bundle)
        page.press("c")
        page.until(f"parseInt({RATE}) > 0")
        page.until("document.querySelectorAll('#faces button').length === 2")
        assert not page.complaints
        assert all(url.startswith((address, f"blob:{address}")) for url in page.asked), "asks no other place"
        # The browser holds the page to it
        assert page.js("fetch('http://127.0.0.1:9/').catch((error) => error.message)") == "Failed to fetch"
        assert page.js("document.querySelector('meta[http-equiv]').content").startswith("default-src 'self'")


@npm
@needed
@pytest.mark.slow
def test_after_the_first_visit_the_page_opens_without_a_network(tmp_path, site, bundle, chromium, frames):
    cv2.imwrite(str(tmp_path / "offline.png"), frames[1])
    page = chromium
    with served(site) as (address, end):
        page.open(address)
        page.until("navigator.serviceWorker.ready.then(() => true)")
        end()
        page.call("Network.clearBrowserCache")
        page.call("Page.navigate", url="about:blank")
        page.complaints.clear()
        page.open(address)
        read_as_python_does(page, tmp_path / "offline.png", frames[1], bundle)
        assert not page.complaints


@npm
@needed
@pytest.mark.slow
def test_a_stream_is_read_as_python_does_and_an_unchanged_frame_not_computed_again(site, bundle, chromium, tmp_path):
    folder = shutil.copytree(site, tmp_path / "site")
    frames = [*clip.frames(1, 5), *(turned(face_frame(), degrees) for degrees in (0, 25, 50))]
    for at, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{at}.png"), frame)
    page, search = chromium, watcher.Watcher(detector.BlazeFace(), bundle)
    with served(folder) as (address, _):
        page.open(address)
        answers, repeated, pictures = page.js(f"""(async () => {{
            const engine = await (await import("./engine.js")).open(), answers = [], repeated = [];
            let bitmap;
            for (let at = 0; at < {len(frames)}; at++) {{
              bitmap = await createImageBitmap(await (await fetch(`${{at}}.png`)).blob());
              answers.push(await engine.frame(bitmap, bitmap.width, bitmap.height, at / 5));
            }}
            for (let at = 0; at < 8; at++) {{
              repeated.push(await engine.frame(bitmap, 640, 480, {len(frames)} / 5 + at / 30));
            }}
            const pictures = [await engine.picture(null, bitmap)];
            delete self.VideoFrame; // as in an older browser
            pictures.push(await engine.picture(null, bitmap));
            return [answers, repeated, pictures];
        }})()""")
    for at, (frame, answer) in enumerate(zip(frames, answers, strict=True)):
        expected = search.see(frame, at / 5)
        assert len(answer["faces"]) == len(expected)
        for face, other in zip(answer["faces"], expected, strict=True):
            assert face["id"] == other.id and Box(**face["box"]).overlap(other.box) > 0.95
            assert list(face["probabilities"].values()) == pytest.approx(other.scores.tolist(), abs=0.05)
    assert all(answer["faces"][0]["box"] == repeated[0]["faces"][0]["box"] for answer in repeated)
    times = [sorted(answer["milliseconds"] for answer in some) for some in (answers, repeated[2:])]
    assert times[1][0] < times[0][0] / 2
    assert pictures[0]["faces"] and pictures[0]["faces"] == pictures[1]["faces"]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass
