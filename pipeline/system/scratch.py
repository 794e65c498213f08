"""Temporary files: in a folder of this process, which the next command removes where this one is killed."""

import os
import platform
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.system.atomic import alive


@contextmanager
def own_folder() -> Iterator[None]:
    """Inside, the temporary files of Python and of the libraries are in one folder, which goes at the end."""
    before = tempfile.tempdir
    try:
        _remove_left(Path(tempfile.gettempdir()))
        folder = tempfile.TemporaryDirectory(prefix=f"ferpipe-{_machine()}-{os.getpid()}-", ignore_cleanup_errors=True)
    except OSError:
        # a disk that is full or cannot be written: whoever needs a temporary file says so
        yield
        return
    with folder as name:
        tempfile.tempdir = name
        try:
            yield
        finally:
            tempfile.tempdir = before


def _machine() -> str:
    """This machine in a few characters: containers may share a folder, and know nothing of each other's processes."""
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _remove_left(parent: Path) -> None:
    """Remove the folders of this user's dead processes."""
    name = re.compile(rf"ferpipe-{_machine()}-(\d+)-\w+")
    for child in parent.iterdir():
        match = name.fullmatch(child.name)
        if not match or alive(int(match[1])) or child.is_symlink():
            continue
        if not hasattr(os, "getuid") or child.stat().st_uid == os.getuid():
            shutil.rmtree(child, ignore_errors=True)
