"""Whatever ends a command, its temporary files do not stay."""

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pipeline.system import failure, scratch
from pipeline.system.failure import Failure

ROOT = Path(__file__).parents[2]
KILLED = """
import os, tempfile
from pipeline.system import failure

def main():
    with tempfile.TemporaryDirectory() as folder, open(folder + "/weights", "w") as file:
        file.write("x" * 1000)
        file.flush()
        os._exit(9)

failure.run(main, "train")
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """The folder for temporary files, empty."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def killed(temporary: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))}
    assert subprocess.run([sys.executable, "-c", KILLED], env=environment, cwd=ROOT).returncode == 9


def test_the_next_command_removes_what_a_killed_one_left(temporary):
    killed(temporary)
    (left,) = temporary.rglob("weights")
    assert left.read_text()
    failure.run(lambda: None, "evaluate")
    assert not list(temporary.iterdir())


def test_it_removes_nothing_else(temporary, monkeypatch):
    killed(temporary)
    (left,) = temporary.iterdir()
    with monkeypatch.context() as patched:
        patched.setattr(platform, "node", lambda: "another machine")
        with scratch.own_folder():
            assert left.exists(), "another machine's processes have numbers of their own"
    living = f"ferpipe-{scratch._machine()}-{os.getppid()}-abc"
    others = [temporary / name for name in (living, "ferpipe-mine", "other")]
    for other in others:
        other.mkdir()
    with scratch.own_folder():
        pass
    assert sorted(temporary.iterdir()) == sorted(others)


@pytest.mark.parametrize("ending", [None, Failure("gone"), KeyboardInterrupt(), ZeroDivisionError()], ids=repr)
def test_however_a_command_ends_its_files_go_and_the_folder_is_the_old_one(temporary, ending):
    def main():
        Path(tempfile.mkdtemp(), "file").write_text("x")
        assert len(list(temporary.rglob("file"))) == 1
        if ending is not None:
            raise ending

    try:
        failure.run(main, "train")
    except (SystemExit, ZeroDivisionError):
        assert ending is not None
    assert tempfile.gettempdir() == str(temporary)
    assert not list(temporary.iterdir())


def test_without_a_place_for_temporary_files_a_command_runs(temporary, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "nowhere"))
    failure.run(lambda: print("done"), "params")
    assert capsys.readouterr().out == "done\n"
