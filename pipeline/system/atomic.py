"""Outputs appear whole or not at all: written under a temporary name in the same folder, then renamed.

A file system may write a rename to the disk before the bytes that were written first; after a power cut the new name
would stand for an empty file. So bytes go to the disk, then the rename, then the folder that holds it.
"""

import errno
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# So many files are not written to the disk one by one
MANY = 200


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write; on success it replaces ``path``, on an error ``path`` stays as it was."""
    new, _ = _names(path)
    try:
        with _named(path):
            yield new
            to_disk(new)
        new.replace(path)
        to_disk(path.parent)
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
            _tree_to_disk(new)
        _swap(new, old, path)
        to_disk(path.parent)
    finally:
        # Where this fails too, the next call puts the old folder back
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _swap(new: Path, old: Path, path: Path) -> None:
    """Rename the old folder away and the new one into its place; one that another process puts there in between is an
    old one, too."""
    while True:
        if path.exists():
            with suppress(FileNotFoundError):
                path.rename(old)
        try:
            new.rename(path)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        shutil.rmtree(old, ignore_errors=True)


def put_back(path: Path) -> None:
    """For readers: bring the old version back where a process was killed before ``atomic_folder`` put the new one
    there."""
    if path.exists():
        return
    # a reader that may not write, or comes second, finds what there is
    with suppress(OSError):
        for child, version in _left(path):
            if version == "old":
                child.rename(path)
                return


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


def to_disk(path: Path) -> None:
    """Let the system write a file's bytes, or a folder's names, to the disk now."""
    if path.is_dir() and sys.platform == "win32":
        return  # there folders cannot be opened, and a rename is written with the file system's journal
    try:
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except (FileNotFoundError, PermissionError):
        return  # nothing was written, or only what may be read
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # of file systems that have no disk
            raise
    finally:
        os.close(descriptor)


def _tree_to_disk(folder: Path) -> None:
    """``to_disk`` for all that is in a folder; where that is a lot, for all that the system has."""
    paths = [*folder.rglob("*"), folder]
    if len(paths) > MANY and hasattr(os, "sync"):
        os.sync()
        return
    for path in paths:
        if not path.is_symlink():
            to_disk(path)


def _names(path: Path, suffix: str = "") -> tuple[Path, Path]:
    """Temporary names for the new and the old version; what killed processes left under such names is put back or
    deleted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    process = os.getpid()
    for child, version in _left(path, suffix):
        if version == "old" and not path.exists():
            child.rename(path)
        elif child.is_dir():
            shutil.rmtree(child, ignore_errors=True)
        else:
            child.unlink(missing_ok=True)
    new, old = (path.with_name(f".{path.name}.{process}.{end}{suffix}") for end in ("new", "old"))
    return new, old


def _left(path: Path, suffix: str = "") -> list[tuple[Path, str]]:
    """What earlier calls and dead processes left under temporary names for ``path``, each with ``new`` or ``old``."""
    # sqlite has a journal beside the file that it writes
    name = re.compile(rf"\.{re.escape(path.name)}\.(\d+)\.(new|old){re.escape(suffix)}(-journal)?")
    matches = [(child, name.fullmatch(child.name)) for child in path.parent.iterdir()]
    return [(child, match[2]) for child, match in matches
            if match and (int(match[1]) == os.getpid() or not alive(int(match[1])))]


def alive(process: int) -> bool:
    """Whether there is a process of this number."""
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
