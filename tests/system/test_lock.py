"""A lock that one process holds at a time, and that nobody holds after its end."""

import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from pipeline.system.failure import Failure
from pipeline.system.lock import exclusive

HOLDER = """
import sys, time
from pathlib import Path
from pipeline.system.lock import exclusive

with exclusive(Path(sys.argv[1]), "count"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_threads_that_count_under_it_lose_nothing(tmp_path):
    file = tmp_path / "number"
    file.write_text("0")

    def count():
        for _ in range(5):
            with exclusive(tmp_path / "lock", "count"):
                number = int(file.read_text())
                time.sleep(0.001)
                file.write_text(str(number + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert file.read_text() == "20"


def test_whoever_holds_it_may_take_it_again_and_gives_it_back_once(tmp_path):
    path = tmp_path / "lock"
    with exclusive(path, "count"):
        with exclusive(path, "count", patience=0.1):
            pass
        with sqlite3.connect(path, timeout=0) as other, pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN EXCLUSIVE")
        other.close()
    with exclusive(path, "count", patience=0.1):
        pass


def test_an_error_inside_gives_it_back(tmp_path):
    with pytest.raises(ZeroDivisionError), exclusive(tmp_path / "lock", "count"):
        raise ZeroDivisionError
    with exclusive(tmp_path / "lock", "count", patience=0.1):
        pass


def test_another_process_is_waited_for_with_a_word_then_refused_and_a_killed_one_is_not_in_the_way(tmp_path, capsys):
    path = tmp_path / "with a blank" / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Failure, match="count: another process has been at it for 0 minutes"):
            exclusive(path, "count", patience=0.2).__enter__()
        assert "waiting for it" in capsys.readouterr().out
    finally:
        holder.kill()
        holder.communicate()
    with exclusive(path, "count", patience=0.1):
        assert capsys.readouterr().out == ""


def test_a_file_that_is_no_lock_is_one_line(tmp_path):
    path = tmp_path / "lock"
    path.write_text("a person's own notes, longer than a database's first sixteen bytes" * 20)
    with pytest.raises(Failure, match="no lock of this program"), exclusive(path, "count"):
        pass
    assert path.read_text().startswith("a person's"), "it is left alone"


def test_a_lock_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "lock").mkdir()
    with pytest.raises(Failure, match=r"lock: cannot be locked .*make its folder writable"):
        exclusive(tmp_path / "lock", "count").__enter__()
