"""What trains a model: the machine in words, how many devices share a batch, which arithmetic is fast on it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import keras

from pipeline.system import processor


def describe() -> str:
    """The accelerator or processor and its core count, for the provenance: ``AMD EPYC, 2 cores``."""
    if devices := _accelerators():
        return f"{len(devices)} x {_accelerator()}"
    return processor.describe()


def precision(wanted: str) -> str:
    """``float32`` or ``bfloat16`` for the recipe's ``auto``, by what the hardware multiplies natively."""
    if wanted != "auto":
        return wanted
    native = _multiplies_bfloat16() if _accelerators() else (_has("avx512_bf16") or _has("amx_bf16"))
    return "bfloat16" if native else "float32"


def products_beat_convolutions() -> bool:
    """Whether the gradients of convolutions' kernels are faster as matrix products than in oneDNN's own kernel, as
    measured on processors with AVX2 and no AVX-512, and only there."""
    return not _accelerators() and _has("avx2") and not _has("avx512f")


def share_devices(batch_size: int) -> int:
    """Let every batch be divided among the machine's devices (JAX alone), as many as can have equal parts of it;
    returns how many."""
    devices = keras.distribution.list_devices()
    if keras.backend.backend() != "jax":
        return 1
    count = max(count for count in range(1, len(devices) + 1) if batch_size % count == 0)
    if count > 1:
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices[:count]))
    return count


@contextmanager
def policy(precision: str) -> Iterator[None]:
    """What is built inside calculates in this precision and keeps its weights in float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else "mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _has(flag: str) -> bool:
    """Whether Linux lists this among the processor's features; False on other systems, which have no such list."""
    return flag in next((line.split() for line in processor.cpuinfo() if line.startswith("flags")), [])


def _accelerators() -> list[str]:
    devices = []
    for kind in ("gpu", "tpu"):
        # JAX raises where a machine has none of the kind
        with suppress(RuntimeError):
            devices += keras.distribution.list_devices(kind)
    return devices


def _multiplies_bfloat16() -> bool:
    """Of NVIDIA's GPUs those from compute capability 8 on do; TPUs are known under JAX alone."""
    if keras.backend.backend() == "jax":
        import jax

        device = jax.devices()[0]
        # ROCm's is a name, as in gfx942
        major = str(getattr(device, "compute_capability", "")).partition(".")[0]
        return device.platform == "tpu" or (major.isdecimal() and int(major) >= 8)
    import tensorflow

    gpus = tensorflow.config.list_physical_devices("GPU")
    details = tensorflow.config.experimental.get_device_details(gpus[0]) if gpus else {}
    return details.get("compute_capability", (0, 0)) >= (8, 0)


def _accelerator() -> str:
    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].device_kind
    return "GPU"
