"""Trainings one after the other, within so many seconds of machine time::

    python -m pipeline.training.queue FOLDER --seconds 500

Every folder in FOLDER is a training, the first by name comes first: it holds config.json and faces, as ``python -m
pipeline.training`` takes them (faces also in FOLDER itself, for all), and receives out. When the time is over, the
training in progress is ended; called again, here or where FOLDER has been copied to, the queue goes on from its last
epoch. Exits with 1 where a training failed; those after it are trained.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from pipeline.system import failure
from pipeline.system.failure import Failure

CONFIG, OUT = "config.json", "out"
# Written last: a training that has left it is complete
COMPLETE = "run.json"


def main(argv: list[str] | None = None) -> None:
    """Train what is in a folder, one after the other, for so many seconds at most."""
    parser = argparse.ArgumentParser("python -m pipeline.training.queue", description=main.__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="holds a folder with config.json for each training")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="when to stop (default: at the end)")
    options = parser.parse_args(argv)
    deadline = time.monotonic() + options.seconds
    trainings = sorted(file.parent for file in options.folder.glob(f"*/{CONFIG}"))
    if not trainings:
        raise Failure(f"{options.folder}: no folder in it has a {CONFIG}; make one with `ferpipe resolve`")
    failed: list[str] = []
    for training in trainings:
        if not (training / OUT / COMPLETE).exists() and time.monotonic() < deadline:
            print(f"{training.name}: begins", flush=True)
            if _train(training, deadline):
                failed.append(training.name)
    left = [training.name for training in trainings if not (training / OUT / COMPLETE).exists()]
    print(f"{len(trainings) - len(left)} of {len(trainings)} are complete"
          + (f"; left: {', '.join(left)}" if left else ""))
    if failed:
        raise Failure(f"these failed, as their lines above say: {', '.join(failed)}")


def _train(training: Path, deadline: float) -> bool:
    """Train one; whether it failed. One that the deadline ends has not: it is killed, which its checkpoint survives."""
    left = None if deadline == float("inf") else deadline - time.monotonic()
    try:
        return subprocess.run(_command(training), timeout=left).returncode != 0
    except subprocess.TimeoutExpired:
        return False


def _command(training: Path) -> list[str]:
    own, common = training / "faces", training.parent / "faces"
    faces = common if common.is_dir() and not own.is_dir() else own
    return [sys.executable, "-m", "pipeline.training", *map(str, (training / CONFIG, faces, training / OUT))]


if __name__ == "__main__":
    failure.run(main, "training")
