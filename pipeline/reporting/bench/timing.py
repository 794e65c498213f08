"""Timing networks against each other: a process each, in turn, so that what else the machine does hits all alike."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from tqdm import tqdm

from pipeline.system.failure import Failure

BATCHES = (1, 4, 16)
ROUND = 50
STARTS = 3
# What a person calls a runtime: its name in pipeline.reporting.bench.runtimes
RUNTIMES = {"Keras predict": "keras", "ONNX Runtime": "onnx", "LiteRT": "litert"}


@dataclass
class Row:
    """A network under a runtime, and what ``measure`` finds; ``{batch}`` in ``file`` stands for the batch size."""

    network: str
    runtime: str
    precision: str
    file: str
    seconds_to_first: float = 0.0
    resident_bytes: int = 0
    milliseconds: dict[int, list[float]] = field(default_factory=lambda: {batch: [] for batch in BATCHES})

    def p(self, batch: int, share: float) -> float:
        """The quantile of the calls' milliseconds: ``share`` of the calls took at most as long."""
        return float(np.quantile(self.milliseconds[batch], share))

    def about(self) -> dict:
        """The row for the report: quantiles in place of the single calls."""
        return {
            "network": self.network, "runtime": self.runtime, "precision": self.precision,
            "file_bytes": Path(self.file.format(batch=1)).stat().st_size,
            "seconds_to_first": round(self.seconds_to_first, 3),
            "resident_bytes": self.resident_bytes,
            "milliseconds": {str(batch): {"calls": len(self.milliseconds[batch]), "p50": round(self.p(batch, 0.5), 4),
                                          "p95": round(self.p(batch, 0.95), 4)} for batch in BATCHES},
        }


class Worker:
    """The process of one row, ready when it has predicted once; it ends with the ``with`` block."""

    def __init__(self, row: Row, log: IO[bytes]):
        import psutil

        self._row, self._log = row, log
        threads = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
        begun = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.reporting.bench.runtimes", RUNTIMES[row.runtime], row.file],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **threads})
        self._answer()
        self.seconds = time.perf_counter() - begun
        self.resident_bytes = psutil.Process(self._process.pid).memory_info().rss

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_) -> None:
        self._process.kill()
        self._process.communicate()

    def time(self, batch: int, calls: int) -> list[float]:
        """The milliseconds of each of ``calls`` calls."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{batch} {calls}\n")
        self._process.stdin.flush()
        return json.loads(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            reason = self._log.read().decode(errors="replace").strip().splitlines() or ["it gave no reason"]
            raise Failure(f"{self._row.runtime}, {self._row.precision}: ended without an answer: {reason[-1]}")
        return line


def measure(rows: list[Row], calls: int) -> None:
    """Fill in the rows: start-up as the median of three, memory after the first prediction, the time of every call."""
    with ExitStack() as stack:
        workers = []
        for row in tqdm(rows, desc="starting", unit="network", disable=None, leave=False):
            log = stack.enter_context(tempfile.TemporaryFile())
            starts = []
            for _ in range(STARTS - 1):
                with Worker(row, log) as trial:
                    starts.append(trial.seconds)
            worker = stack.enter_context(Worker(row, log))
            row.seconds_to_first = statistics.median([*starts, worker.seconds])
            row.resident_bytes = worker.resident_bytes
            workers.append(worker)
        bar = stack.enter_context(tqdm(total=calls * len(BATCHES) * len(rows), desc="timing", unit="call", disable=None,
                                       leave=False))
        for done in range(0, calls, ROUND):
            for batch in BATCHES:
                for row, worker in zip(rows, workers, strict=True):
                    times = worker.time(batch, min(ROUND, calls - done))
                    row.milliseconds[batch] += times
                    bar.update(len(times))
