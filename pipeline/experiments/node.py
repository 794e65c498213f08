"""What runs on a node of a Ray cluster: ``train`` as Ray's task, which starts ``python -m pipeline.experiments.node``.

A node has Ray, Keras with a backend, and NumPy; this project's code comes with the task. ``train`` therefore needs the
standard library alone, and ``main`` what ``pipeline.training`` needs.
"""

import importlib.util
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TypedDict

# What a training leaves; run.json last: where it is, the others are its run's
FILES = ("net.keras", "history.json", "run.json")
# Exit codes of main beside a failure's 1
DIVERGED, PARENT_DIED = 3, 4
# Seconds to wait for a checkpoint that a node which was lost still holds: an NFS server gives its lock up after 90
PATIENCE = 300
HELD = "another process trains exactly this run"


class Outcome(TypedDict):
    """How a training on a node ended.

    Attributes:
        files: by name, where it ended well.
        error: the training's last line, where it did not.
        diverged: whether the error is that the loss was infinite or NaN.
    """

    files: dict[str, bytes]
    error: str
    diverged: bool


def train(key: str, config: str, code: dict[str, bytes], faces: dict[str, bytes], shared: str,
          environment: dict[str, str], patience: float = PATIENCE) -> Outcome:
    """Train, and print the training's lines: Ray takes them to the driver, with the task's name before them.

    Args:
        key: of all that decides the result but the machine; the training's folder in ``shared``.
        config: the resolved config as JSON.
        code: the contents of this project's files that a training needs, by path.
        faces: the same of a folder of faces.
        shared: a folder that every node has; the checkpoint is there, so that a training whose node is lost goes on.
            Empty for none.
        environment: variables for the training beside the node's.
        patience: seconds to wait for a checkpoint that another process holds.
    """
    with tempfile.TemporaryDirectory(prefix="ferpipe-node-", ignore_cleanup_errors=True) as scratch:
        unpacked = Path(scratch)
        for folder, contents in (("code", code), ("faces", faces)):
            for path, content in contents.items():
                file = unpacked / folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        (unpacked / "config.json").write_text(config, encoding="utf-8")
        out = Path(shared, key) if shared else unpacked / "out"
        command = [sys.executable, "-m", "pipeline.experiments.node", str(unpacked / "config.json"),
                   str(unpacked / "faces"), str(out)]
        begun = time.monotonic()
        # a training that ended well, and whose node was lost before its files came home, is complete
        while not (out / FILES[-1]).exists():
            exit_code, last = _run(command, unpacked / "code", {**_backend(), **os.environ, **environment})
            if exit_code and HELD in last and time.monotonic() - begun < patience:
                time.sleep(min(5.0, patience / 4))
            elif exit_code or not (out / FILES[-1]).exists():
                return {"files": {}, "error": last or f"exit code {exit_code}", "diverged": exit_code == DIVERGED}
        return {"files": {file: (out / file).read_bytes() for file in FILES}, "error": "", "diverged": False}


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run a command to its end and print its lines; its exit code and its last line."""
    # Its standard input ends when this process does, however that comes about: then the training ends too, see main
    with subprocess.Popen(command, cwd=folder, env=environment, text=True, encoding="utf-8", errors="replace",
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        last = ""
        try:
            for line in process.stdout:
                # its advice on how to bring the folder home is for those who do that by hand
                if line.strip() and not line.startswith(command[-1]):
                    last = line.strip()
                    print(last, flush=True)
            return process.wait(), last
        finally:
            process.kill()


def _backend() -> dict[str, str]:
    """Keras takes TensorFlow where nothing is set; a node may have JAX alone."""
    tensorflow, jax = (importlib.util.find_spec(backend) is not None for backend in ("tensorflow", "jax"))
    return {"KERAS_BACKEND": "jax"} if jax and not tensorflow else {}


def forget(key: str, shared: str) -> None:
    """Remove a training's folder from the shared one: its files have come home."""
    shutil.rmtree(Path(shared, key), ignore_errors=True)


def main() -> None:
    """``python -m pipeline.training``, which ends when its parent does, and with DIVERGED where the loss did."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        runpy.run_module("pipeline.training", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        # Not imported: a training may have failed because there is no Keras
        loop = sys.modules.get("pipeline.training.loop")
        if loop is not None and isinstance(ended.__context__, loop.Diverged):
            print(ended.code, file=sys.stderr, flush=True)
            sys.exit(DIVERGED)
        raise


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(PARENT_DIED)


if __name__ == "__main__":
    main()
