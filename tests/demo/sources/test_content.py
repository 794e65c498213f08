"""What a file is, its content says: any name, and forms that are not read."""

import shutil

import cv2
import numpy as np
import pytest
from PIL import Image
from toy_faces import face_frame, frames_of, write_clip

from pipeline.demo.sources.content import kind_of
from pipeline.demo.sources.open import open_source
from pipeline.demo.sources.pictures import read_picture
from pipeline.system.failure import Failure

FORMS = ("jpg", "png", "webp", "avif", "gif", "bmp", "tiff", "jp2", "ppm")
UNREAD = {
    "HEIC": b"\0\0\0\x24ftypheic\0\0\0\0mif1MiHEmiafheic" + bytes(99),
    "HEIC of another brand": b"\0\0\0\x18ftypmif1\0\0\0\0mif1heix" + bytes(99),
    "OpenEXR": b"v/1\x01\2\0\0\0" + bytes(99),
    "Radiance HDR": b"#?RADIANCE\n" + bytes(99),
    "JPEG XL": b"\xff\x0a" + bytes(99),
    "Photoshop": b"8BPS\0\1" + bytes(99),
    "a camera's raw file": b"II*\0\x10\0\0\0CR\2\0" + bytes(99),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["picture", "picture.jfif", "picture.txt", "picture.mp4"])
def test_a_picture_is_read_whatever_it_is_called(tmp_path, form, name):
    path = tmp_path / name
    Image.fromarray(face_frame()[..., ::-1]).save(path, {"jpg": "jpeg", "jp2": "jpeg2000"}.get(form, form))
    assert kind_of(path) == "picture"
    with open_source(str(path)) as source:
        (frame, _), = source
    assert source.kind == "picture" and frame.shape == (480, 640, 3)
    assert np.abs(frame.astype(int) - face_frame()).mean() < 6, "all of it, in its colours"


@pytest.mark.parametrize("ending", [".mp4", ".webm", ".avi", ".mkv", ".mov"])
@pytest.mark.parametrize("name", ["clip", "clip.jpg", "clip.png"])
def test_a_video_is_read_whatever_it_is_called(tmp_path, ending, name):
    made = write_clip(tmp_path / f"made{ending}", frames=3, empty=0)
    path = shutil.move(made, tmp_path / name)
    assert kind_of(path) == "video"
    with open_source(str(path)) as source:
        assert source.kind == "video" and len(list(source)) == 3


@pytest.mark.parametrize("form", UNREAD)
@pytest.mark.parametrize("name", ["picture.jpg", "picture.heic", "picture"])
def test_a_form_that_would_be_read_in_part_is_refused_by_name(tmp_path, form, name):
    path = tmp_path / name
    path.write_bytes(UNREAD[form])
    assert kind_of(path) == "unread"
    for read in (read_picture, lambda path: list(open_source(str(path)))):
        with pytest.raises(Failure, match=f"{name}: {form.partition(' of ')[0]}, which is not read; save it as JPEG"):
            read(path)


def test_a_thumbnail_or_a_first_page_is_not_taken_for_the_picture(tmp_path):
    page, small = (Image.fromarray(np.full(shape, 90, "uint8")) for shape in ((480, 640), (48, 64)))
    page.save(tmp_path / "pages.tif", save_all=True, append_images=[page])
    with pytest.raises(Failure, match=r"pages\.tif: a TIFF with 2 pages; save each"):
        read_picture(tmp_path / "pages.tif")
    small.save(tmp_path / "camera.nef", "tiff", tiffinfo={254: 1})
    with pytest.raises(Failure, match=r"camera\.nef: a camera's raw file, which is not read"):
        read_picture(tmp_path / "camera.nef")
    small.encoderinfo = {"tiffinfo": {254: 1}}
    page.save(tmp_path / "with thumbnail.tif", save_all=True, append_images=[small])
    assert read_picture(tmp_path / "with thumbnail.tif").shape == (480, 640, 3)


@pytest.mark.parametrize("form", ["gif", "webp", "png", "avif"])
def test_an_animated_picture_is_a_video_with_its_own_times(tmp_path, form):
    frames = [Image.fromarray(face_frame(centre=(250 + 20 * step, 220))[..., ::-1]) for step in range(4)]
    path = tmp_path / "moving.jpg"
    frames[0].save(path, form, save_all=True, append_images=frames[1:], duration=[100, 300, 1000, 100])
    with open_source(str(path)) as source:
        read = list(source)
    assert source.kind == "video" and source.length == len(read) == 4 and source.fps == pytest.approx(10)
    assert [seconds for _, seconds in read] == pytest.approx([0, 0.1, 0.4, 1.4])
    for step, (frame, _) in enumerate(read):
        assert np.abs(frame.astype(int) - face_frame(centre=(250 + 20 * step, 220))).mean() < 8
    with pytest.raises(Failure, match=r"moving\.jpg: an animation; read it as a video"):
        read_picture(path)


def test_an_avif_is_turned_as_it_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((40, 80, 3), "uint8")).save(tmp_path / "lying.avif", exif=exif)
    assert read_picture(tmp_path / "lying.avif").shape == (80, 40, 3)


@pytest.mark.parametrize("name", ["bomb.png", "bomb.jfif", "bomb"])
def test_a_bomb_is_refused_by_its_header_whatever_it_is_called(tmp_path, name, monkeypatch):
    data = cv2.imencode(".png", np.zeros((8, 8), "uint8"))[1].tobytes()
    path = tmp_path / name
    path.write_bytes(data[:16] + (12_000).to_bytes(4, "big") * 2 + data[24:])
    monkeypatch.setattr(cv2, "imdecode", None)
    monkeypatch.setattr(cv2, "VideoCapture", None)
    for read in (read_picture, lambda path: list(open_source(str(path)))):
        with pytest.raises(Failure, match=r"120 million pixels|not a picture that can be read"):
            read(path)


def test_raw_motion_jpeg_is_a_video(tmp_path):
    jpeg = cv2.imencode(".jpg", face_frame())[1].tobytes()
    (tmp_path / "raw.mjpeg").write_bytes(3 * jpeg)
    with open_source(str(tmp_path / "raw.mjpeg")) as source:
        times = [seconds for _, seconds in source]
    assert source.kind == "video" and times == pytest.approx([0, 0.04, 0.08])
    assert len(frames_of(tmp_path / "raw.mjpeg")) == 3
