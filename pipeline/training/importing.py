"""How Keras is imported: what TensorFlow reads from the environment then, and silence for what it writes."""

import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.system.quiet import silent

# Left alone, TensorFlow takes oneDNN's kernels only where the processor has AVX-512 VNNI; without that they train 1.1
# to 2 times as fast as its own (AMD Zen 3). What is set already stays: `0` leaves them off
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3",
               **({"TF_ENABLE_ONEDNN_OPTS": "1"} if platform.machine() in ("x86_64", "AMD64") else {})}


@contextmanager
def quiet() -> Iterator[None]:
    """Import keras in here: TensorFlow 2.21 writes four lines to the descriptor, whatever TF_CPP_MIN_LOG_LEVEL says.

    Errors are not hidden: an exception is printed by the interpreter when stderr is back.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with silent():
        yield
