"""``ferpipe ui``: MLflow's pages, on this machine alone."""

import argparse
import os
import socket
import subprocess
import sys

from pipeline.system.failure import Failure
from pipeline.tracking import mlflow_server


def main(argv: list[str] | None = None) -> None:
    """Open MLflow at 127.0.0.1, on the same database that the pipeline writes to."""
    parser = argparse.ArgumentParser("ferpipe ui", description=main.__doc__)
    parser.add_argument("--port", type=int, default=5000)
    options = parser.parse_args(argv)
    uri = mlflow_server.uri()
    if uri.startswith(("http:", "https:", "databricks")):
        print(f"MLFLOW_TRACKING_URI names a server: open {uri}")
        return
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", options.port)) == 0:
            raise Failure(f"port {options.port} is taken; end what listens there, or name another (PORT=, --port)")
    print(f"MLflow opens at http://127.0.0.1:{options.port} in about fifteen seconds, Ctrl-C ends it", flush=True)
    command = [sys.executable, "-m", "mlflow", "ui", "--workers", "1", "--host", "127.0.0.1"]
    # No line per page, and no traceback at Ctrl-C
    command += ["--uvicorn-opts", "--log-level critical", "--port", str(options.port), "--backend-store-uri", uri]
    # MLflow's job runners: several processes more that nothing here needs
    process = subprocess.Popen(command, env={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **os.environ})
    try:
        code = process.wait()
    except KeyboardInterrupt:
        # Ctrl-C reaches it as well
        process.wait()
        return
    if code:
        raise Failure(f"MLflow ended with exit code {code}; its reason is above")
