"""The process whose forks are the workers of ``conftest.Crew``: what they import is imported once."""

import contextlib
import itertools
import json
import os
import signal
import sys
import time
import traceback
import types
from pathlib import Path

import mlflow.system_metrics.system_metrics_monitor  # noqa: F401
import numpy as np
import optuna
import optuna.storages._rdb.models  # noqa: F401
import psycopg2  # noqa: F401

import pipeline.training
from pipeline import cli
from pipeline.system import failure
from pipeline.tune import __main__ as stage
from pipeline.tune import search, table, worker  # noqa: F401


def stand_in(hold):
    """A module in place of training.loop, whose accuracy follows from the learning rate; see ``conftest.Crew``."""
    fits = itertools.count()

    def fit_faces(config, faces, on_epoch, checkpoint=None):
        held = next(fits) == hold
        accuracy = 0.6 - abs(config["train"]["learning_rate"] - 0.03)
        for epoch in range(1, config["train"]["epochs"] + 1):
            on_epoch({"epoch": epoch, "val_accuracy": accuracy * epoch / config["train"]["epochs"]})
            while held and not Path("go").exists():
                if held is True:
                    print("held", flush=True)
                held = 1
                time.sleep(0.05)
        return types.SimpleNamespace(history=[{"val_accuracy": accuracy}], net=None)

    net = types.SimpleNamespace(count_params=lambda: 10)
    return types.SimpleNamespace(fit_faces=fit_faces, build_net=lambda config: net, Diverged=ArithmeticError,
                                 predict=lambda net, images: np.eye(7)[np.zeros(len(images), int)])


def work(command, log, message):
    """What a worker does; never returns."""
    code = 1
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
        os.chdir(message["folder"])
        os.environ.update(message["environment"], DVC_ROOT=message["folder"])
        pipeline.training.loop = stand_in(message["hold"])
        pipeline.training.checkpoint = types.SimpleNamespace(held=lambda *_, **__: contextlib.nullcontext(Path()),
                                                             Held=BlockingIOError, latest=lambda _: None)
        if command == ["tune"]:
            failure.run(stage.main, "tune")
        else:
            cli.main(command)
        code = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin:
        message = json.loads(line)
        if "wait" in message:
            _, status = os.waitpid(message["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = []
            for command, log in zip(message["start"], message["logs"], strict=True):
                Path(log).touch()
                number = os.fork()
                if number == 0:
                    work(command, log, message)
                answer.append(number)
        print(json.dumps(answer), flush=True)
    # Without what MLflow does at a program's end
    os._exit(0)


if __name__ == "__main__":
    main()
