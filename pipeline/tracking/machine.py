"""Which machine this is, for what machines share: a study's storage, a tracking server."""

import functools
import hashlib
import uuid
from pathlib import Path


@functools.cache
def machine() -> str:
    """What tells this machine from others: a hash of its boot and of the namespace of its process numbers.

    A name is not enough: two laptops may have the same, and a container that of its host, while their process numbers
    mean different processes.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        own = f"{boot}{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        # Not Linux: the address of a network card. Where there is none it is random, and equal to nobody's
        own = str(uuid.getnode())
    return hashlib.sha256(own.encode()).hexdigest()[:12]
