"""Files that are made to harm or that are damaged: limits on time and size, and one line each."""

import contextlib
import gzip
import io
import lzma
import os
import re
import struct
import tarfile
import threading
import time
import zipfile
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from toy_files import folder

from pipeline.download import sources, text
from pipeline.download.external import Contents, find_external, look_into
from pipeline.download.named import read_named
from pipeline.download.read import read_edition
from pipeline.faces import fer2013
from pipeline.params import params
from pipeline.system.failure import Failure

EMOTIONS = fer2013.EMOTIONS


def picture(number: int) -> bytes:
    image = np.random.default_rng(number).integers(0, 256, (48, 48), np.uint8)
    return cv2.imencode(".png", image)[1].tobytes()


def pictures() -> dict[str, bytes]:
    """A folder edition with a picture of each class in each split."""
    names = [(split, name) for split in ("Training", "PublicTest", "PrivateTest") for name in EMOTIONS]
    return {f"{'train' if split == 'Training' else 'test'}/{name}/{split}_{number}.png": picture(number)
            for number, (split, name) in enumerate(names)}


def zipped(path, files, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def one_line(action, *arguments, seconds=20.0) -> str:
    """The Failure that an action ends in, within this time."""
    begun = time.monotonic()
    with pytest.raises(Failure) as caught:
        action(*arguments)
    assert time.monotonic() - begun < seconds
    assert "\n" not in str(caught.value)
    return str(caught.value)


def settings(**values) -> params.Download:
    return params.Download(**{"source": "auto", "url": None, "sha256": None, "validation_share": 0.4,
                              "sample_faces": 70, "sample_seed": 1, **values})


# What unpacks to gigabytes


def flat_png(side: int) -> bytes:
    """A PNG of side x side equal pixels in about a thousandth of their bytes."""
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj()
    rows = b"".join([*(packer.compress(bytes(1 + side // 8)) for _ in range(side)), packer.flush()])
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("read", [lambda path: read_edition(path, 0.1), lambda path: read_named(path, 0.1, 1)],
                         ids=["FER-2013", "own data"])
def test_a_picture_of_a_billion_pixels_is_refused_by_its_header(tmp_path, monkeypatch, read):
    files = pictures() | {"train/sad/Training_99.png": flat_png(32_000)}
    assert len(files["train/sad/Training_99.png"]) < 2**20
    decode, decoded = cv2.imdecode, []
    monkeypatch.setattr(cv2, "imdecode", lambda data, form: (decoded.append(len(data)), decode(data, form))[1])
    assert "Training_99.png" in (said := one_line(read, folder(tmp_path / "moods", files)))
    assert "pixels, at most 120,000,000 are read; make it smaller or remove it" in said
    assert max(decoded, default=0) < 10_000


def test_a_line_of_a_table_that_never_ends_is_refused(tmp_path):
    endless = "path,label\n" + "x" * (2**20 + 10)
    assert "a line of more than 1,048,576 characters" in one_line(
        read_named, folder(tmp_path / "moods", pictures() | {"labels.csv": endless.encode()}), 0.1, 1)


# What has no end


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
@pytest.mark.parametrize("name", ["fer2013.csv", "archive.zip", "fer2013.csv.gz"])
def test_a_pipe_that_nobody_writes_into_is_refused_at_once(tmp_path, name):
    os.mkfifo(tmp_path / name)
    contents = look_into(tmp_path)
    assert contents == Contents(editions=[tmp_path / name]), "reading it says why"
    assert "a pipe or a device" in one_line(sources.download, settings(), "fer2013", tmp_path, seconds=5)
    assert "a pipe or a device" in one_line(read_edition, tmp_path / name, 0.1, seconds=5)
    os.mkfifo(tmp_path / "other")
    assert find_external(tmp_path) == tmp_path / name


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no such device")
def test_a_device_without_an_end_is_refused():
    assert "a pipe or a device" in one_line(read_edition, Path("/dev/zero"), 0.1, seconds=5)


def test_a_gzip_of_newlines_alone_ends_soon(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "LINES_LIMIT", 50_000)
    path = tmp_path / "fer2013.csv.gz"
    path.write_bytes(gzip.compress(b"emotion,pixels,Usage\n" + b"\n" * 30_000_000, 1))
    assert "far too large for FER-2013" in one_line(read_edition, path, 0.1, seconds=10)


def test_the_limit_of_lines_lets_fer2013_through_and_newlines_wait_for_seconds_only():
    assert 10 * fer2013.IMAGES < text.LINES_LIMIT <= 1_000_000


def test_a_table_of_newlines_in_a_data_set_of_ones_own_ends_soon(tmp_path, monkeypatch):
    from pipeline.download import tables

    monkeypatch.setattr(tables, "ROWS_LIMIT", 50_000)
    path = zipped(tmp_path / "mine.zip", {"labels.csv": b"path,label\n" + b"\n" * 5_000_000, "a.png": picture(1)})
    assert "more than 50,000 rows" in one_line(read_named, path, 0.1, 0, seconds=10)


class Zeros(io.RawIOBase):
    """So many zero bytes, without their memory."""

    def __init__(self, size):
        self.left = size

    def readinto(self, buffer):
        count = min(len(buffer), self.left)
        buffer[:count] = bytes(count)
        self.left -= count
        return count

    def readable(self):
        return True


def tar_of(path, kind: bytes, size: int):
    """A tar.gz that begins with a member of this kind and size; the bytes are zeros."""
    member = tarfile.TarInfo("x")
    member.type, member.size = kind, size
    with gzip.open(path, "wb", 1) as file:
        file.write(member.tobuf(tarfile.GNU_FORMAT))
        zeros = Zeros(min(size, 50 * 2**20))
        while block := zeros.read(2**20):
            file.write(block)
    return path


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_tar_whose_header_has_900_megabytes_is_refused_before_it_is_read(tmp_path, kind):
    path = tar_of(tmp_path / "fer2013.tar.gz", kind, 900_000_000)
    assert "description of 900,000,000 bytes" in one_line(read_edition, path, 0.1, seconds=5)


def test_a_tar_with_a_huge_file_before_the_csv_is_refused_before_it_is_unpacked(tmp_path):
    path = tar_of(tmp_path / "fer2013.tar.gz", tarfile.REGTYPE, 2**36)
    assert "far too large for FER-2013" in one_line(read_edition, path, 0.1, seconds=5)


def test_a_tar_of_files_without_a_csv_is_given_up_after_some(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "MEMBERS_LIMIT", 50)
    with tarfile.open(tmp_path / "fer2013.tar.gz", "w:gz") as archive:
        for number in range(60):
            archive.addfile(tarfile.TarInfo(f"{number}.txt"))
    assert "far too large" in one_line(read_edition, tmp_path / "fer2013.tar.gz", 0.1)


# Servers


@pytest.fixture
def served():
    """A function that serves what another writes to the connection, and returns the address."""
    servers = []

    def serve(write):
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    write(self)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def answering(*headers: tuple[str, str], body: bytes = b"x" * 1000, times: int = 1, pause: float = 0.0):
    def write(handler):
        handler.send_response_only(200)
        for name, value in headers:
            handler.send_header(name, value)
        handler.end_headers()
        for _ in range(times):
            handler.wfile.write(body)
            handler.wfile.flush()
            time.sleep(pause)

    return write


def fetch(url, tmp_path):
    return sources.download(settings(source="url", url=url, sha256="0" * 64), "fer2013", tmp_path)


@pytest.mark.parametrize("path", ["/%2e%2e", "/..", "/.", "/%00", "/a%2f..%2f..", "/" + "x" * 300 + ".zip", "/%ff%fe",
                                  "/a%0ab", "/C:%5Cx", "/", "/%F0%9F%98%80.zip", "/?x=/etc/passwd"])
def test_whatever_an_address_is_called_its_file_stays_where_it_belongs(served, tmp_path, path):
    address = served(answering())
    assert "download.sha256" in one_line(fetch, address + path, tmp_path), "it was fetched and compared"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["http://[", "http://a b/x", "http://", "http://:99999/x", "http://\u2100/x",
                                     "file://%00", "file:///"])
def test_what_is_no_address_is_one_line(tmp_path, address):
    assert re.search(r"download\.url|cannot be fetched", one_line(fetch, address, tmp_path))


@pytest.mark.parametrize("length", ["abc", "-5", "1e9", "", "9" * 400, "0x10", "12, 12"])
def test_a_length_that_is_no_number_is_one_line(served, tmp_path, length):
    assert re.search(r"sha256|broke off|cannot be fetched", one_line(
        fetch, served(answering(("Content-Length", length))), tmp_path))


def test_a_download_without_an_end_stops_at_the_limit(served, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MOST_BYTES", 5_000_000)
    address = served(answering(body=bytes(100_000), times=10_000))
    assert "GB, which FER-2013 has not" in one_line(fetch, address, tmp_path)


def test_a_server_that_sends_byte_by_byte_is_left(served, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MINUTE", 0.5)
    address = served(answering(body=b"x", times=1000, pause=0.02))
    assert "are too slow; try again later" in one_line(fetch, address, tmp_path, seconds=5)


def test_a_server_that_says_nothing_is_left(served, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "TIMEOUT", 0.3)
    assert "cannot be fetched" in one_line(fetch, served(lambda handler: time.sleep(3)), tmp_path, seconds=2)


# Archives


def test_a_broken_lzma_member_is_one_line(tmp_path):
    path = zipped(tmp_path / "archive.zip", pictures(), zipfile.ZIP_LZMA)
    with zipfile.ZipFile(path) as archive:
        info = archive.infolist()[3]
    content = bytearray(path.read_bytes())
    start = info.header_offset + 30 + len(info.filename)
    for offset, value in ((4, 0xFF), (9, 0xFF), (30, content[start + 30] ^ 0xFF)):
        damaged = content.copy()
        damaged[start + offset] = value
        path.write_bytes(damaged)
        assert "damaged" in one_line(read_edition, path, 0.1)
    path.write_bytes(content)
    assert len(read_edition(path, 0.1)) == 21, "a whole one is read"


def test_a_name_that_is_not_in_the_encoding_that_the_zip_says_is_one_line(tmp_path):
    path = zipped(tmp_path / "archive.zip", {"train/happy/Training_\u00e4.png": picture(1)})
    path.write_bytes(path.read_bytes().replace("\u00e4".encode(), b"\xff\xfe"))
    assert "damaged or truncated zip" in one_line(read_edition, path, 0.1)


def test_a_damaged_table_in_a_zip_is_one_line(tmp_path):
    path = zipped(tmp_path / "mine.zip", {"labels.csv": b"path,label\n" + b"a.png,happy\n" * 500, "a.png": picture(1)})
    content = bytearray(path.read_bytes())
    content[45:60] = bytes(15)
    path.write_bytes(content)
    assert "damaged" in one_line(read_named, path, 0.1, 0)


def test_a_zip_may_have_extra_files_of_any_kind(tmp_path):
    files = {**pictures(), "README.md": b"hello", "__MACOSX/train/._x": b"", "train/": b""}
    assert len(read_edition(zipped(tmp_path / "archive.zip", files), 0.1)) == 21


def test_links_in_a_zip_are_counted_and_left_out(tmp_path):
    path = zipped(tmp_path / "archive.zip", pictures())
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("train/happy/Training_999.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    faces = read_edition(path, 0.1)
    assert len(faces) == 21 and any("left out: 1 links" in note for note in faces.manifest["notes"])


def test_a_flipped_byte_in_a_zip_costs_no_face_in_silence(tmp_path):
    """Every bit of the list of names: either all faces are read, or a line says what is wrong."""
    files = dict(list(pictures().items())[:7]) | {name: content for name, content in pictures().items()
                                                  if "Test_" in name}
    whole = zipped(tmp_path / "whole.zip", files, zipfile.ZIP_STORED).read_bytes()
    with zipfile.ZipFile(tmp_path / "whole.zip") as archive:
        begin = archive.start_dir
    path, lost, said = tmp_path / "archive.zip", [], 0
    expected = len(files)
    # among them the high bytes of the lengths of an entry's comment: it swallows what comes after it
    lengths = [offset + 33 for offset in range(begin, len(whole)) if whole[offset:].startswith(b"PK\1\2")]
    drawn = np.random.default_rng(3).choice(np.arange(begin, len(whole)), 200, replace=False).tolist()
    for offset in [*lengths, *drawn]:
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << offset % 8
        path.write_bytes(damaged)
        try:
            faces = read_edition(path, 0.1)
        except Failure as failure:
            said += 1
            assert "\n" not in str(failure)
            continue
        if len(faces) != expected and not any("left out" in note for note in faces.manifest["notes"]):
            lost.append(offset - begin)
    assert lost == [] and said > 50


def test_what_a_damaged_fer2013_lacks_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(fer2013, "IMAGES", 21)
    monkeypatch.setattr(fer2013, "COUNTS", dict.fromkeys(fer2013.COUNTS, (1,) * 7))
    files = pictures()
    external = folder(tmp_path / "external", {f"fer2013/{name}": content for name, content in files.items()
                                              if not name.endswith("PublicTest_10.png")})
    notes = sources.download(settings(), "fer2013", external).manifest["notes"]
    assert notes[0] == "20 images, FER-2013 has 21: 1 happy missing"
    folder(external / "fer2013", files)
    notes = sources.download(settings(), "fer2013", external).manifest["notes"]
    assert not any("FER-2013 has" in note for note in notes)


def test_lzma_and_struct_errors_are_damage():
    from pipeline.system.damage import DAMAGE

    for error in (lzma.LZMAError, struct.error, UnicodeDecodeError, MemoryError, RecursionError, tarfile.ReadError):
        assert issubclass(error, DAMAGE)
