"""Commands as processes that are forked from one which has imported the libraries: each costs what it does, no more."""

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipeline.system import telemetry
from pipeline.training import importing

# For the process that the others are forked from
PRELOADED = ("tensorflow", "keras", "mlflow.pyfunc", "mlflow.store.tracking.sqlalchemy_store",
             "mlflow.store.model_registry.sqlalchemy_store", "mlflow.system_metrics.system_metrics_monitor",
             "optuna.storages._rdb.storage", "great_expectations", "matplotlib.backends.backend_agg",
             "matplotlib.figure", "sklearn.metrics", "pandas", "onnx", "onnxruntime.quantization", "cv2", "tf2onnx",
             "pipeline.cli")
# What the libraries read when that process imports them; these modules are light
for variable, setting in (telemetry.OFF | importing.ENVIRONMENT).items():
    os.environ.setdefault(variable, setting)
# No command on toy data takes longer, on the slowest machine
LIMIT = 600


@dataclass(frozen=True)
class Running:
    """A command that was started; it leads a process group."""

    argv: tuple[str, ...]
    process: multiprocessing.Process
    log: Path

    @property
    def alive(self) -> bool:
        return self.process.is_alive()

    def kill(self) -> None:
        """``kill -9``, to the whole process group."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:  # so early that it leads no group yet, or over by now
            self.process.kill()
        self.process.join()

    def run(self, seconds: float = float("inf")) -> float:
        """Wait until it has taken so much processor time, or is over; returns how much it was.

        That clock goes as fast on a busy machine as on an idle one.
        """
        taken, begun = 0.0, time.monotonic()
        with suppress(psutil.NoSuchProcess):
            watched = psutil.Process(self.process.pid)
            while self.alive and taken < seconds and time.monotonic() - begun < LIMIT:
                taken = sum(watched.cpu_times()[:2])
                time.sleep(0.005)
        return taken

    def end(self) -> str:
        """Wait for its end; what was wrong where it did not end well, else nothing."""
        self.process.join(LIMIT)
        if self.alive:
            self.kill()
            return f"not over after {LIMIT} seconds"
        if self.process.exitcode == 0:
            return ""
        trace = "a traceback, " if any(line.startswith("Traceback") for line in self.lines) else ""
        return f"exit code {self.process.exitcode}, {trace}{self.lines[-1] if self.lines else 'no word'}"

    @property
    def lines(self) -> list[str]:
        """What it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines()

    @property
    def in_one_line(self) -> bool:
        """Whether the last thing that it said is a failure in its own name, and no traceback."""
        name = " ".join(self.argv[:2]) if self.argv[0] == "ferpipe" else self.argv[0].partition(".")[0]
        return bool(self.lines) and self.lines[-1].startswith(f"{name}: ") and "Traceback" not in "".join(self.lines)


def start(argv: tuple[str, ...], folder: Path, stdout: str = "") -> Running:
    """``ferpipe ...``, or a stage's name, in this folder; ``stdout`` is a file in it. The log is beside the folder."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    descriptor, log = tempfile.mkstemp(".log", "out-", folder.parent)
    os.close(descriptor)
    process = context.Process(target=_run, args=(argv, str(folder), log, stdout))
    process.start()
    return Running(argv, process, Path(log))


def _run(argv: tuple[str, ...], folder: str, log: str, stdout: str) -> None:
    os.setsid()
    os.chdir(folder)
    with open(log, "w", buffering=1) as errors, open(stdout or os.devnull, "w") as output:
        os.dup2(output.fileno() if stdout else errors.fileno(), 1)
        os.dup2(errors.fileno(), 2)
        # what a command leaves in the folder for temporary files is looked at, too
        tempfile.tempdir = os.environ["TMPDIR"] = str(Path(folder, "tmp"))
        from pipeline import cli

        if argv[0] == "ferpipe":
            cli.main(list(argv[1:]))
        else:
            import runpy

            sys.argv = list(argv)
            runpy.run_module(f"pipeline.{argv[0]}", run_name="__main__", alter_sys=True)
