"""What a person names as a source and cannot be one."""

import pytest

from pipeline.demo.sources.open import open_source
from pipeline.system.failure import Failure


@pytest.mark.parametrize("make, reason", [
    (lambda p: p, "no such file"),
    (lambda p: p.mkdir() or p, "no pictures in this folder"),
    (lambda p: p.touch() or p, "neither a picture nor a video"),
    (lambda p: p.with_suffix(".txt").write_text("words\n" * 99) and p.with_suffix(".txt"), "neither a picture nor"),
    (lambda p: p.with_suffix(".mp4").write_bytes(b"\0\0\0\x20ftypisom" * 9) and p.with_suffix(".mp4"), "neither a"),
])
def test_a_source_that_is_none_gets_one_line(tmp_path, capfd, make, reason):
    with pytest.raises(Failure, match=reason):
        open_source(str(make(tmp_path / "source")))
    assert capfd.readouterr() == ("", ""), "OpenCV and FFmpeg keep quiet"
