"""How the search scales with its workers: the same study of cheap trials with one worker, with two, with four.

A trial waits for a fixed time and computes a little, in place of a training, so that it is the storage, its lock and
MLflow that are measured; how trainings share the cores of one machine is another question.
"""

import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.system import processor
from pipeline.system.failure import Failure
from pipeline.tune import storage as studies

# A cheap trial: seconds that it waits, and seconds that it computes
WAITS, COMPUTES = 2.0, 0.1
TRIALS = 40
# What a worker prints when it can begin, and what it is told then
READY, GO = "ready", "go"


def measured(workers: int, trials: int, dataset: str) -> dict[str, Any]:
    """A row of tuning-workers.csv: the trials a minute from the first one's begin to the last one's end.

    The study is in the storage in force ($OPTUNA_STORAGE), else in a file of its own, and is deleted afterwards.
    Raises Failure where a worker fails.
    """
    import optuna

    # Of other programs: nothing of ours runs yet
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    where, name = studies.address(dataset), f"workers-{uuid.uuid4().hex[:12]}"
    with tempfile.TemporaryDirectory(prefix="ferpipe-workers-") as folder:
        # Their MLflow database is in the folder, and so is a study of this machine's
        environment = {**os.environ, "DVC_ROOT": folder}
        environment.pop("MLFLOW_TRACKING_URI", None)
        if where.file:
            file = Path(folder, "studies.db")
            where = replace(where, url=f"sqlite:///{file.as_posix()}", file=file)
            environment[studies.STORAGE] = where.url
        command = [sys.executable, "-m", "pipeline.experiments.tuning.worker", name, str(trials), dataset]
        with ExitStack() as stack:
            crew = [stack.enter_context(_ended(subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
                stderr=subprocess.STDOUT))) for _ in range(workers)]
            printed = [_until_ready(worker) for worker in crew]
            for worker in crew:
                assert worker.stdin is not None
                worker.stdin.write(f"{GO}\n")
                worker.stdin.close()
            for index, worker in enumerate(crew):
                assert worker.stdout is not None
                lines = [*printed[index], *worker.stdout]
                if worker.wait():
                    raise Failure(f"a worker ended with {worker.returncode}: {''.join(lines[-3:]).strip()}")
        with studies.in_one_line(where):
            storage = studies.open_storage(where)
            done = optuna.load_study(study_name=name, storage=storage).get_trials()
            optuna.delete_study(study_name=name, storage=storage)
            storage.engine.dispose()
    counted = [trial for trial in done if trial.state.name == "COMPLETE"]
    if len(counted) != trials:
        raise Failure(f"{len(counted)} trials, expected {trials}")
    ends = [trial.datetime_complete for trial in counted if trial.datetime_complete]
    seconds = (max(ends) - min(trial.datetime_start for trial in counted if trial.datetime_start)).total_seconds()
    return {"storage": "sqlite" if where.file else "PostgreSQL", "workers": workers, "trials": trials,
            "waits": f"{WAITS:g}", "computes": f"{COMPUTES:g}", "seconds": f"{seconds:.1f}",
            "per_minute": f"{60 * trials / seconds:.2f}", "cores": processor.cores(), "load": load}


@contextmanager
def _ended(process: subprocess.Popen) -> Iterator[subprocess.Popen]:
    """No worker outlives the measurement."""
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def _until_ready(worker: subprocess.Popen) -> list[str]:
    lines: list[str] = []
    assert worker.stdout is not None
    for line in worker.stdout:
        if line.strip() == READY:
            return lines
        lines.append(line)
    raise Failure(f"a worker ended before it began: {''.join(lines[-3:]).strip()}")
