"""Finding faces over time and in single pictures: nearby and in the whole frame, tilted, small, many; YuNet."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from toy_faces import face_frame, toy_bundle

from pipeline.bundle.bundle import Bundle
from pipeline.demo.see import watcher
from pipeline.demo.see.boxes import Box
from pipeline.demo.see.detector import HaarDetector
from pipeline.demo.see.open import open_detector
from pipeline.demo.see.watcher import EVERY, Search, Watcher, everywhere, look
from pipeline.demo.see.yunet import YuNetDetector
from pipeline.download.drawn import clip
from pipeline.system.failure import Failure


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return Bundle.load(toy_bundle(tmp_path_factory.mktemp("model")))


class Counted(HaarDetector):
    """Counts the searches of the whole frame."""

    searches = 0

    def find(self, *arguments, **options):
        self.searches += 1
        return super().find(*arguments, **options)


def tilted(degrees: float) -> np.ndarray:
    """The drawn face, rolled clockwise round its middle."""
    matrix = cv2.getRotationMatrix2D((300, 220), -degrees, 1)
    return cv2.warpAffine(face_frame(), matrix, (640, 480), borderMode=cv2.BORDER_REPLICATE)


def look_at(frame: np.ndarray, detector: HaarDetector) -> np.ndarray:
    return detector.crop(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), detector.find(frame)[0])


def test_a_known_face_is_searched_nearby_and_found_in_every_frame():
    detector = Counted()
    search = Search(detector)
    for frame in range(30):
        centre = (200 + 4 * frame, 220)
        boxes = search.find(face_frame(centre=centre), frame / 30)
        assert len(boxes) == 1
        assert np.hypot(boxes[0].centre[0] - centre[0], boxes[0].centre[1] - centre[1]) < 30
    assert detector.searches <= 1 / EVERY + 1


def test_who_comes_is_noticed_and_who_goes_is_forgotten():
    search = Search(HaarDetector())
    one, nobody = face_frame(centre=(160, 240), radius=70), np.full((480, 640, 3), 110, "uint8")
    two = one.copy()
    two[:, 320:] = face_frame(centre=(480, 240), radius=80)[:, 320:]
    assert len(search.find(one, 0.0)) == 1
    counts = [len(search.find(two, frame / 30)) for frame in range(1, 16)]
    assert counts[-1] == 2 and counts.index(2) <= 2 * EVERY * 30
    assert len(search.find(one, 0.6)) == 1
    assert search.find(nobody, 0.63) == []


def test_one_face_is_never_two():
    search = Search(HaarDetector())
    for number, frame in enumerate(clip.frames(1, 8)):
        boxes = search.find(frame, number / 8)
        assert all(box.overlap(other) < watcher.SAME for box in boxes for other in boxes if box is not other)


@pytest.mark.parametrize("degrees", [-35, 35])
def test_a_tilted_head_is_found_and_its_crop_is_upright(degrees):
    detector = HaarDetector()
    gray = cv2.cvtColor(tilted(degrees), cv2.COLOR_BGR2GRAY)
    boxes = everywhere(tilted(degrees), detector)
    assert len(boxes) == 1 and np.sign(boxes[0].angle) == np.sign(degrees)
    upright = look_at(face_frame(), detector)

    def likeness(crop):
        return np.corrcoef(crop.ravel(), upright.ravel())[0, 1]

    as_it_is = detector.crop(gray, replace(boxes[0], angle=0.0))
    assert likeness(detector.crop(gray, boxes[0])) > max(0.7, likeness(as_it_is))


def test_a_tilted_head_is_followed_live():
    search = Search(HaarDetector())
    counts = [len(search.find(tilted(30), frame / 30)) for frame in range(20)]
    assert counts[4:] == [1] * 16


def test_small_faces_of_a_large_picture_are_found(model):
    picture = np.full((1200, 1600, 3), 128, "uint8")
    for x in (300, 800, 1300):
        picture[400:520, x : x + 160] = face_frame((160, 120), (80, 60), 14)
    assert HaarDetector().find(picture) == []
    faces = look(picture, HaarDetector(), model)
    assert len(faces) == 3 and {face.id for face in faces} == {1, 2, 3}


def test_a_watcher_tells_the_same_faces_as_a_single_look_when_nothing_moves(model):
    frame, seer = face_frame(), Watcher(HaarDetector(), model)
    for number in range(40):
        seen = seer.see(frame, number / 30)
    single = look(frame, HaarDetector(), model)
    assert [face.id for face in seen] == [1] and seen[0].best == single[0].best
    assert seen[0].scores == pytest.approx(single[0].scores, abs=0.15), "the mean of both views"
    assert seer.see(np.zeros_like(frame), 9.0) == []


def test_of_a_crowd_everybody_has_a_turn(model, monkeypatch):
    monkeypatch.setattr(watcher, "MOST", 2)
    boxes = [Box(100 * index, 50, 60, 60) for index in range(5)]
    seer = Watcher(HaarDetector(), model)
    seen = [len(seer.read(face_frame(), boxes, number / 30)) for number in range(3)]
    assert seen == [2, 4, 5]


# YuNet


@pytest.fixture(scope="module")
def yunet(tmp_path_factory):
    """A network with YuNet's inputs and outputs: bright patches are faces, 80 pixels wide, tilted by 45 degrees."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, outputs, weights = [], [], []
    for stride in (8, 16, 32):
        mean = np.full((1, 3, stride, stride), 1 / (3 * stride**2), "float32")
        weights += [numpy_helper.from_array(mean, f"mean{stride}")]
        nodes += [helper.make_node("Conv", ["input", f"mean{stride}"], [f"light{stride}"], strides=[stride] * 2,
                                   kernel_shape=[stride] * 2)]
        for name, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            # A patch of 250 and brighter is a face, and only on the first grid
            slope, shift = np.zeros((width, 1, 1, 1), "float32"), np.zeros(width, "float32")
            if width == 1:
                slope[:], shift[:] = (1.0, -240.0) if stride == 8 else (0.0, -9.0)
            elif name == "bbox":
                shift[2:] = np.log(10)
            else:
                shift[:4] = -2, -2, 2, 2  # right eye, left eye
            key = f"{name}_{stride}"
            weights += [numpy_helper.from_array(slope, f"w_{key}"), numpy_helper.from_array(shift, f"b_{key}"),
                        numpy_helper.from_array(np.array([1, -1, width]), f"shape_{key}")]
            nodes += [helper.make_node("Conv", [f"light{stride}", f"w_{key}", f"b_{key}"], [f"c_{key}"]),
                      helper.make_node("Transpose", [f"c_{key}"], [f"t_{key}"], perm=[0, 2, 3, 1])]
            last = key if width > 1 else f"r_{key}"
            nodes += [helper.make_node("Reshape", [f"t_{key}", f"shape_{key}"], [last])]
            if width == 1:
                nodes += [helper.make_node("Sigmoid", [last], [key])]
            outputs.append(helper.make_tensor_value_info(key, TensorProto.FLOAT, [1, None, width]))
    graph = helper.make_graph(nodes, "toy", [helper.make_tensor_value_info("input", TensorProto.FLOAT,
                                                                            [1, 3, 320, 320])], outputs, weights)
    path = tmp_path_factory.mktemp("yunet") / "toy.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8), path)
    return path


def test_yunet_stands_behind_the_same_interface(yunet, model):
    frame = np.full((480, 640, 3), 60, "uint8")
    frame[200:232, 400:432] = 255
    detector = open_detector("yunet", yunet, 0.97)
    boxes = detector.find(frame)
    assert len(boxes) == 1
    box = boxes[0]
    assert np.hypot(box.centre[0] - 416, box.centre[1] - 216) < 30 and 140 < box.width < 180
    assert box.angle == pytest.approx(45)
    gray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    assert detector.crop(gray, box).shape == (48, 48)
    assert detector.near(frame, [box, Box(5, 5, 40, 40)]) == [box, None]
    assert [face.box.angle for face in Watcher(detector, model).see(frame, 0.0)] == [box.angle]
    assert len(detector.find(frame[..., 0])) == 1, "gray will do"


def test_yunets_crop_has_a_margin_of_its_own(yunet):
    gray = np.zeros((300, 300), "uint8")
    gray[100:200, 100:200] = 255
    crop = YuNetDetector(yunet).crop(gray, Box(100, 100, 100, 100))
    assert np.mean(crop > 128) == pytest.approx(YuNetDetector.SHARE**2, abs=0.05)


def test_a_detector_without_its_file_gets_one_line(tmp_path):
    (tmp_path / "no.onnx").write_text("no network")
    for name, file, reason in (("yunet", None, "--detector-model FILE"), ("yunet", tmp_path / "none", "no such file"),
                               ("yunet", tmp_path / "no.onnx", "not a YuNet network"),
                               ("haar", tmp_path / "no.onnx", "for --detector yunet")):
        with pytest.raises(Failure, match=reason):
            open_detector(name, file, 0.97)
