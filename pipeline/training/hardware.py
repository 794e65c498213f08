"""What trains a model: the machine in words, how its devices or cores share a batch, which arithmetic is fast on it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

import keras

from pipeline.system import processor

# What makes training faster under TensorFlow on the CPU, see faster and towers
Technique = Literal["towers", "bfloat16 norms", "products", "bfloat16 products", "depthwise sums",
                    "dropout by bytes"]
# Those that the benchmark leaves out, to see what they gain
switched_off: set[Technique] = set()
# Parts of a batch that are trained side by side, and images that a part has at least: batch norm needs some
TOWERS, SMALLEST_PART = 2, 32


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


def gains(technique: Technique) -> bool:
    """Whether training is faster by it on this machine: where its processor has the features of one on which that was
    measured. Depthwise sums and dropout by bytes, which do less work, count as faster on every processor.

    Decided by features and never by a measurement at the start, so that one machine and one seed give one network.
    """
    if technique in switched_off or keras.backend.backend() != "tensorflow" or _accelerators():
        return False
    match technique:
        case "products":
            return _has("avx2") and not _has("avx512f")
        case "bfloat16 products":
            return _has("avx512_bf16") and not _has("amx_bf16")
        case "bfloat16 norms":
            return _has("avx512_bf16")
        case "towers":
            return _has("avx512_bf16") and processor.cores() <= TOWERS
        case _:
            return True


def towers(wanted: str, batch_size: int) -> int:
    """Into how many parts a batch is cut that are trained side by side, see pipeline.training.towers; 1 for none, as
    in float32, whose large products gain nothing by it.

    As many on one core as on two, where they are trained in turn and cost nothing: so both give the same network.
    """
    enough = batch_size >= TOWERS * SMALLEST_PART
    return TOWERS if enough and precision(wanted) == "bfloat16" and gains("towers") else 1


def share_cores(wanted: str, batch_size: int) -> None:
    """Give each tower of such batches a core: operations side by side, on one thread each, in place of one after the
    other on all. TensorFlow takes this before its first operation alone; later on, towers are as correct, but slow."""
    if towers(wanted, batch_size) > 1:
        import tensorflow

        with suppress(RuntimeError):
            tensorflow.config.threading.set_intra_op_parallelism_threads(1)
            tensorflow.config.threading.set_inter_op_parallelism_threads(processor.cores())


def choices(wanted: str, batch_size: int) -> dict[str, str | int]:
    """What this machine decides in a training beyond rounding."""
    return {"precision": precision(wanted), "towers": towers(wanted, batch_size)}


def share_devices(batch_size: int) -> int:
    """Let every batch be divided among the machine's devices (JAX alone), as many as can have equal parts of it;
    returns how many."""
    if keras.backend.backend() != "jax":
        return 1
    devices = keras.distribution.list_devices()
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
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        # not Keras's list: it starts TensorFlow, which then takes no other number of threads
        return [device.name for device in tensorflow.config.list_physical_devices("GPU")]
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
