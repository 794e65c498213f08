"""Outputs appear whole or not at all: written under a temporary name in the same folder, then renamed."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write; on success it replaces ``path``, on an error ``path`` stays as it was."""
    new, _ = _names(path)
    try:
        with _named(path):
            yield new
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """``atomic_file`` for a folder, which starts empty; the old one stays until the new one is complete."""
    new, old = _names(path)
    new.mkdir()
    try:
        with _named(path):
            yield new
        if path.exists():
            path.rename(old)
        new.rename(path)
    finally:
        # Where this fails too, the next call puts the old folder back
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def temporary_name(path: Path) -> Path:
    """A name beside ``path`` that has its suffix, for writers that go by it; renaming and deleting is the caller's.

    What killed processes left under such names for the same ``path`` is deleted.
    """
    return _names(path, path.suffix)[0]


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """A full disk does not say which file was written: the error gets this name.

    Other errors without a number keep their message, which a name would replace; numpy's short write is known by
    its ``args``.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None and (error.errno is not None or "requested and" in str(error)):
            error.filename = str(path)
        raise


def _names(path: Path, suffix: str = "") -> tuple[Path, Path]:
    """Temporary names for the new and the old version; what killed processes left under such names is put back or
    deleted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    process = os.getpid()
    for child in list(path.parent.iterdir()):
        left = re.fullmatch(rf"\.{re.escape(path.name)}\.(\d+)\.(new|old){re.escape(suffix)}", child.name)
        if not left or (int(left[1]) != process and _alive(int(left[1]))):
            continue
        if left[2] == "old" and not path.exists():
            child.rename(path)
        elif child.is_dir():
            shutil.rmtree(child, ignore_errors=True)
        else:
            child.unlink(missing_ok=True)
    new, old = (path.with_name(f".{path.name}.{process}.{end}{suffix}") for end in ("new", "old"))
    return new, old


def _alive(process: int) -> bool:
    if sys.platform == "win32":
        import ctypes

        # os.kill would end it on Windows; 0x1000 is the right to query it, no more
        handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, process)
        ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
