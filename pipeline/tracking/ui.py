"""``ferpipe ui``: MLflow's pages, on this machine alone."""

import argparse
import os
import signal
import socket
import subprocess
import sys
from types import FrameType

from pipeline.system.address import shown
from pipeline.system.failure import Failure
from pipeline.tracking import mlflow_server, runs

# Seconds that MLflow gets to end before it is killed
PATIENCE = 10


def main(argv: list[str] | None = None) -> None:
    """Open MLflow at 127.0.0.1, on the same database that the pipeline writes to."""
    parser = argparse.ArgumentParser("ferpipe ui", description=main.__doc__)
    parser.add_argument("--port", type=int, default=5000, help="default: 5000")
    options = parser.parse_args(argv)
    uri = mlflow_server.uri()
    if uri.startswith(("http:", "https:", "databricks")):
        print(f"MLFLOW_TRACKING_URI names a server: open {shown(uri)}")
        return
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", options.port)) == 0:
            raise Failure(f"port {options.port} is taken; end the program that listens there, or name another port "
                          "(PORT=, --port)")
    print(f"MLflow opens at http://127.0.0.1:{options.port} in about fifteen seconds, Ctrl-C ends it\n"
          f"{addresses(options.port)}", flush=True)
    command = [sys.executable, "-m", "mlflow", "ui", "--workers", "1", "--host", "127.0.0.1"]
    # No log line per page, and no traceback at Ctrl-C
    command += ["--uvicorn-opts", "--log-level critical", "--port", str(options.port), "--backend-store-uri", uri]
    # Without MLflow's job runners: several more processes that nothing here needs
    code = run_until_stopped({"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **os.environ}, command)
    if code:
        raise Failure(f"MLflow ended with exit code {code}; its reason is above")


def addresses(port: int) -> str:
    """Where the training runs are, a line per experiment: MLflow's home page is for language models."""
    # Where there is no database yet, it is made here: MLflow's server would leave half of one at Ctrl-C
    with mlflow_server.in_one_line():
        experiments = [experiment for experiment in runs.connect().search_experiments(order_by=["name ASC"])
                       if experiment.name != "Default"]
    if not experiments:
        return "There are no training runs yet: `ferpipe run` makes the first"
    page = f"http://127.0.0.1:{port}/#/experiments/{{}}/runs?workflowType=machine_learning"
    return "\n".join(f"Training runs of {experiment.name}: {page.format(experiment.experiment_id)}"
                     for experiment in experiments)


def run_until_stopped(environment: dict[str, str], command: list[str]) -> int:
    """Run a command until it ends, or until Ctrl-C or SIGTERM, which end it with every process that it has started.

    Returns its exit code; 0 after Ctrl-C. Exits with 143 after SIGTERM, as a program that does not handle it.
    """
    def on_sigterm(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, on_sigterm)
    # A process group of its own, which can be ended as a whole: MLflow's server is a child of the command
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        _end(process)
        signal.signal(signal.SIGTERM, before)


def _end(process: subprocess.Popen) -> None:
    """End a process and its group, gently at first."""
    for number in ("SIGTERM", "SIGKILL"):
        if os.name == "nt":
            process.terminate()
        else:
            try:
                os.killpg(process.pid, getattr(signal, number))
            except ProcessLookupError:
                return
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            continue
        if os.name == "nt":
            return
