"""What trained a model: the machine in words, and whether its arithmetic units take bfloat16; keras alone."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import keras

from pipeline import processor


def describe() -> str:
    """The accelerator or processor and its core count, for the provenance: ``AMD EPYC, 2 cores``."""
    if devices := _accelerators():
        return f"{len(devices)} x {_accelerator()}"
    return processor.describe()


def precision(wanted: str) -> str:
    """``float32`` or ``bfloat16`` for the recipe's ``auto``, by what the hardware multiplies natively."""
    if wanted != "auto":
        return wanted
    if _accelerators():
        return "bfloat16"
    return "bfloat16" if processor.multiplies_bfloat16() else "float32"


def share_devices() -> int:
    """Let every batch be shared out among all devices of the machine (JAX alone); returns how many there are."""
    devices = keras.distribution.list_devices()
    if keras.backend.backend() != "jax" or len(devices) < 2:
        return 1
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    return len(devices)


@contextmanager
def policy(precision: str) -> Iterator[None]:
    """What is built inside calculates in this precision and keeps its weights in float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else "mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _accelerators() -> list[str]:
    found = []
    for kind in ("gpu", "tpu"):
        # JAX knows no list of what is not there
        with suppress(RuntimeError):
            found += keras.distribution.list_devices(kind)
    return found


def _accelerator() -> str:
    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].device_kind
    return "GPU"
