"""The second kind of study: accuracy on PublicTest against the milliseconds that a face takes.

No trial is pruned, because a network that learns slowly may be the fastest to answer, and nothing is taken by itself:
which point of the front is worth having is for a person to say.
"""

import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

# Rounds of calls with one face, and calls in each
ROUNDS, CALLS, FIRST = 5, 60, 20


def milliseconds(net) -> float:
    """The time of a call with one face, on one thread, of the exported model: what ``Bundle.milliseconds`` measures.

    The smallest of several rounds' medians, because other programs only ever slow a call down.

    Args:
        net: the Keras network that ends in logits.
    """
    from pipeline.bundle import runtime
    from pipeline.bundle.export import export
    from pipeline.training.models import with_softmax

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export(with_softmax(net), path)
        session = runtime.session(path.read_bytes(), path)
    face = np.zeros((1, *net.input_shape[1:]), "float32")

    def call() -> float:
        begun = time.perf_counter()
        session.run(["probabilities"], {"image": face})
        return 1000 * (time.perf_counter() - begun)

    for _ in range(FIRST):
        call()
    return min(float(np.median([call() for _ in range(CALLS)])) for _ in range(ROUNDS))


def front(trials: Iterable[Any]) -> list[Any]:
    """The complete trials (Optuna's) that no other beats in both: more accurate is slower. The fastest first.

    Of trials with equal figures the first counts.
    """
    complete = [trial for trial in trials if trial.state.name == "COMPLETE" and len(trial.values) == 2]
    best, chosen = -1.0, []
    for trial in sorted(complete, key=lambda trial: (trial.values[1], -trial.values[0], trial.number)):
        if trial.values[0] > best:
            best = trial.values[0]
            chosen.append(trial)
    return chosen
