"""No library reports to its maker: nothing in the user's folders, no connection."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline import cli
from pipeline.system import telemetry
from pipeline.tracking import mlflow_server

ROOT = Path(__file__).parents[2]
PREDICT = """
import sys, time
import numpy as np
from pathlib import Path
from pipeline.bundle.bundle import Bundle
print(Bundle.load(Path(sys.argv[1])).predict(np.zeros((1, 48, 48), "uint8")).shape)
time.sleep(float(sys.argv[2]))
"""
# Loaded first, as a notebook may have done it
BARE = """
import onnxruntime, sys, time
onnxruntime.InferenceSession(sys.argv[1] + "/model.onnx", providers=["CPUExecutionProvider"])
time.sleep(float(sys.argv[2]))
"""


def run(home: Path, code: str, seconds: float, watch: list[str] = ()) -> list[Path]:
    """Run code in a process of a user who has nothing yet and has set nothing; returns the files that are left."""
    home.mkdir()
    environment = {name: value for name, value in os.environ.items()
                   if name not in telemetry.OFF and not name.startswith("XDG_")}
    environment |= {"HOME": str(home), "USERPROFILE": str(home), "LOCALAPPDATA": str(home), "PYTHONPATH": str(ROOT)}
    subprocess.run([*watch, sys.executable, "-c", code, str(ROOT / "data/champion"), str(seconds)], cwd=home,
                   env=environment, check=True, stdout=subprocess.PIPE, timeout=120)
    return [file for file in home.rglob("*") if file.is_file()]


def test_a_prediction_leaves_nothing_in_the_home_folder(tmp_path):
    assert run(tmp_path / "home", PREDICT, 0) == []


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_a_prediction_opens_no_socket_and_leaves_nothing_where_onnx_runtime_alone_reports(tmp_path):
    def watched(code: str, name: str) -> tuple[list[str], list[Path]]:
        log = tmp_path / f"{name}.log"
        # ONNX Runtime 1.31 looks its maker's server up after nine seconds
        files = run(tmp_path / name, code, 14, ["strace", "-f", "-qq", "-e", "trace=socket,connect", "-o", str(log)])
        return log.read_text().splitlines(), files

    # at the same time, as both wait most of it
    with ThreadPoolExecutor() as pool:
        here, alone = pool.map(watched, (PREDICT, BARE), ("here", "alone"))
    assert here == ([], [])
    if not alone[0]:
        pytest.skip("this ONNX Runtime reports nothing by itself, so the test tells nothing of it")
    assert alone[1]


def test_whatever_starts_a_library_switches_it_off(monkeypatch):
    for name in telemetry.OFF:
        monkeypatch.delenv(name, raising=False)
    assert telemetry.OFF.items() <= cli.ENVIRONMENT.items()
    mlflow_server.quieten()
    assert {name: os.environ[name] for name in telemetry.OFF} == telemetry.OFF
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    telemetry.switch_off()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0", "what a user has set stays"


def test_make_and_dvc_are_told_too():
    exported = dict(row.removeprefix("export ").split(" := ") for row in (ROOT / "Makefile").read_text().splitlines()
                    if row.startswith("export "))
    assert telemetry.OFF.items() <= exported.items()
    config = {row.strip() for row in (ROOT / ".dvc/config").read_text().splitlines()}
    # DVC asks its maker's server for newer versions
    assert {"analytics = false", "check_update = false"} <= config
