"""Pictures from outside: turned as EXIF says, bounded, broken."""

import contextlib

import cv2
import numpy as np
import pytest
from toy_faces import face_frame

from pipeline.demo.sources.open import open_source
from pipeline.demo.sources.pictures import decode, read_picture
from pipeline.system.failure import Failure


def test_a_photograph_is_turned_as_its_exif_data_says(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    for name in ("phöto.jpg", "phöto.png", "phöto.webp"):
        Image.fromarray(np.zeros((40, 80, 3), "uint8")).save(tmp_path / name, exif=exif)
        assert read_picture(tmp_path / name).shape == (80, 40, 3), name


def test_a_picture_cut_off_after_its_header_gets_one_line(tmp_path, picture):
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture.read_bytes()[:40])
    with pytest.raises(Failure, match=r"broken\.png: no"), open_source(str(broken)) as source:
        list(source)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_unpacked():
    _, data = cv2.imencode(".png", np.zeros((1000, 1000, 3), "uint8"))
    assert decode(data.tobytes(), "small", most_pixels=1_000_000).shape == (1000, 1000, 3)
    with pytest.raises(Failure, match="bomb: more than 0 million pixels"):
        decode(data.tobytes(), "bomb", most_pixels=999_999)
    header = data.tobytes()[:16] + (60_000).to_bytes(4, "big") * 2 + data.tobytes()[24:]
    with pytest.raises(Failure):
        decode(header, "claims 3.6 billion pixels")


def test_broken_bytes_are_a_failure_and_never_another_error():
    rng = np.random.default_rng(0)
    for ending in (".jpg", ".png", ".webp"):
        whole = cv2.imencode(ending, face_frame((160, 120), (80, 60), 40))[1]
        for _ in range(40):
            broken = whole.copy()
            broken[rng.integers(0, len(broken), 20)] = rng.integers(0, 256, 20)
            with contextlib.suppress(Failure):
                assert decode(broken[: rng.integers(1, len(broken))].tobytes(), "x").ndim == 3
