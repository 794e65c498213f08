"""Whatever happens while an output is written, there is a whole one afterwards: the new one or the old one."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.system.atomic import atomic_file, atomic_folder, put_back

ROOT = Path(__file__).parents[2]
SHORT = """
import resource
from pathlib import Path
import numpy as np
from pipeline.system import failure
from pipeline.system.atomic import atomic_file

def main():
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    with atomic_file(Path("out.npy")) as new, open(new, "wb") as file:
        {write}

failure.run(main, "stage")
"""


def make(path: Path, word: str) -> None:
    with atomic_folder(path) as new:
        (new / "file").write_text(word)


@pytest.fixture
def out(tmp_path):
    """A folder that is there already."""
    make(tmp_path / "out", "old")
    return tmp_path / "out"


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def names(folder: Path) -> set[str]:
    return {child.name for child in folder.iterdir()}


def test_a_new_folder_replaces_the_old_one_and_nothing_else_stays(out):
    make(out, "new")
    assert (out / "file").read_text() == "new"
    assert names(out.parent) == {"out"}


def test_an_error_while_writing_leaves_the_old_one(out):
    with pytest.raises(ValueError, match="half"), atomic_folder(out) as new:
        (new / "file").write_text("half")
        raise ValueError("half")
    assert (out / "file").read_text() == "old"
    assert names(out.parent) == {"out"}


@pytest.mark.parametrize("error", [PermissionError("in use"), KeyboardInterrupt()], ids=["in use", "Ctrl-C"])
def test_a_second_rename_that_fails_brings_the_old_one_back(out, monkeypatch, error):
    rename = Path.rename

    def refuse(self, target):
        if self.name.endswith(".new"):
            raise error
        return rename(self, target)

    with monkeypatch.context() as patched, pytest.raises(type(error)):
        patched.setattr(Path, "rename", refuse)
        make(out, "new")
    assert (out / "file").read_text() == "old"
    assert names(out.parent) == {"out"}


def test_an_old_one_that_cannot_even_be_put_back_waits_for_the_next_call(out, monkeypatch):
    rename = Path.rename

    def refuse(self, target):
        if target == out:
            raise PermissionError("in use")
        return rename(self, target)

    with monkeypatch.context() as patched, pytest.raises(PermissionError):
        patched.setattr(Path, "rename", refuse)
        make(out, "new")
    assert not out.exists()
    with pytest.raises(ValueError, match="again"), atomic_folder(out):
        raise ValueError("again")
    assert (out / "file").read_text() == "old"
    assert names(out.parent) == {"out"}


def test_what_a_killed_process_left_is_put_back_or_deleted(out, dead):
    out.rename(out.with_name(f".out.{dead}.old"))
    out.with_name(f".out.{dead}.new").mkdir()
    with atomic_folder(out):
        assert (out / "file").read_text() == "old"
    assert names(out.parent) == {"out"}


def test_a_reader_puts_back_what_a_killed_process_had_moved_away(out, dead):
    for name in (".out.1.new", ".other.1.old", f".out.{os.getppid()}.old"):
        out.with_name(name).mkdir()
    others = names(out.parent) - {"out"}
    put_back(out)
    assert (out / "file").read_text() == "old"
    out.rename(out.with_name(f".out.{dead}.old"))
    put_back(out)
    assert (out / "file").read_text() == "old"
    assert names(out.parent) == {"out", *others}, "what living processes write is theirs"
    put_back(out.parent / "nowhere" / "deeper")


def test_a_killed_process_s_journal_is_deleted(tmp_path, dead):
    (tmp_path / f".mlflow.db.{dead}.new").touch()
    (tmp_path / f".mlflow.db.{dead}.new-journal").touch()
    with atomic_file(tmp_path / "mlflow.db") as new:
        new.touch()
    assert names(tmp_path) == {"mlflow.db"}


def test_a_killed_process_s_file_is_deleted_and_its_neighbours_are_not(tmp_path, dead):
    (tmp_path / f".out.csv.{dead}.new").write_text("half")
    others = {".out.csv.new", f".out_csv.{dead}.new", f"out.csv.{dead}.new", f".out.csv.{os.getppid()}.new"}
    for name in others:
        (tmp_path / name).write_text("somebody else's, or of a process that lives")
    with atomic_file(tmp_path / "out.csv") as new:
        new.write_text("whole")
    assert names(tmp_path) == {"out.csv", *others}


@pytest.mark.skipif(sys.platform == "win32", reason="no limit to set")
@pytest.mark.parametrize(
    ("write", "reason"),
    [("file.write(bytes(20_000))", "File too large"), ("np.save(file, np.ones(20_000))", "the disk may be full")],
    ids=["with a number", "numpy, without one"],
)
def test_a_full_disk_is_one_line_with_the_file_s_name_and_the_old_file_stays(tmp_path, write, reason):
    (tmp_path / "out.npy").write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", SHORT.format(write=write)], cwd=tmp_path, capture_output=True,
                          text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert line.startswith("stage: cannot write out.npy: ") and reason in line
    assert (tmp_path / "out.npy").read_bytes() == b"old"
    assert names(tmp_path) == {"out.npy"}


def test_two_processes_that_write_the_same_folder_at_once_leave_one_whole_version(out, monkeypatch):
    """Between the two renames of this one, the other puts its own version there."""
    rename = Path.rename

    def between(self, target):
        if self.name.endswith(".new"):
            monkeypatch.undo()
            (out / "file").parent.mkdir()
            (out / "file").write_text("the other's")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", between)
    make(out, "new")
    assert (out / "file").read_text() == "new" and names(out.parent) == {"out"}


@pytest.fixture
def order(monkeypatch):
    """What is renamed and what is sent to the disk, by name, in this order."""
    events, opened = [], {}
    for name in ("rename", "replace"):
        original = getattr(Path, name)

        def renamed(path, target, original=original):
            events.append(("rename", path.name))
            return original(path, target)

        monkeypatch.setattr(Path, name, renamed)
    sync, opening = os.fsync, os.open

    def opens(path, *arguments, **options):
        descriptor = opening(path, *arguments, **options)
        opened[descriptor] = Path(path).name
        return descriptor

    def syncs(descriptor):
        events.append(("disk", opened[descriptor]))
        sync(descriptor)

    monkeypatch.setattr(os, "open", opens)
    monkeypatch.setattr(os, "fsync", syncs)
    return events


@pytest.mark.skipif(os.name == "nt", reason="folders cannot be opened there")
def test_a_power_cut_finds_the_bytes_on_the_disk_before_the_name_and_the_name_soon(tmp_path, order):
    (tmp_path / "home").mkdir()
    with atomic_file(tmp_path / "home" / "out") as new:
        new.write_text("all of it")
    assert order == [("disk", new.name), ("rename", new.name), ("disk", "home")]
    order.clear()
    for _ in range(2):
        with atomic_folder(tmp_path / "home" / "folder") as new:
            (new / "inner").mkdir()
            (new / "inner" / "file").write_text("x")
    first, second = order[:5], order[5:]
    assert {name for kind, name in first[:3] if kind == "disk"} == {"inner", "file", new.name}
    assert first[3:] == [("rename", new.name), ("disk", "home")]
    assert second[3:] == [("rename", "folder"), ("rename", new.name), ("disk", "home")]


def test_a_disk_that_cannot_take_the_bytes_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "out").write_text("old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught, atomic_file(tmp_path / "out") as new:
        new.write_text("new")
    assert caught.value.filename == str(tmp_path / "out") and (tmp_path / "out").read_text() == "old"
    assert names(tmp_path) == {"out"}


def test_a_file_system_without_a_disk_does_no_harm(tmp_path, monkeypatch):
    def unknown(descriptor):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", unknown)
    make(tmp_path / "out", "new")
    assert (tmp_path / "out" / "file").read_text() == "new"
