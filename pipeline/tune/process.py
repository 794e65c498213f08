"""Which process has a part of a study, and whether it is gone."""

import functools
import hashlib
import platform
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.tracking import killed

# Names of the attributes that say who has a trial, or the trainings at full length
HOST, PROCESS, MACHINE = "host", "process", "machine"


def this() -> dict[str, str]:
    """This process, as the attributes have it."""
    return {HOST: platform.node(), PROCESS: killed.mark(), MACHINE: machine()}


def is_this(owner: Mapping[str, Any]) -> bool:
    """Whether the attributes name this process."""
    return _is_here(owner) and owner.get(PROCESS) == killed.mark()


def is_gone(owner: Mapping[str, Any]) -> bool:
    """Whether the process that the attributes name ran on this machine and has ended. Of another machine's one can
    only say that it is silent."""
    return _is_here(owner) and killed.is_dead(owner.get(PROCESS, ""))


def lives_here(owner: Mapping[str, Any]) -> bool:
    """Whether the process that the attributes name runs on this machine."""
    return _is_here(owner) and not killed.is_dead(owner.get(PROCESS, ""))


def _is_here(owner: Mapping[str, Any]) -> bool:
    return owner.get(MACHINE) == machine()


@functools.cache
def machine() -> str:
    """What tells this machine from others: a hash of its boot and of the namespace of its process numbers.

    A name is not enough in a storage that many machines share: two laptops may have the same, and a container that of
    its host, while their process numbers mean different processes.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        own = f"{boot}{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        # Not Linux: the address of a network card. Where there is none it is random, and equal to nobody's
        own = str(uuid.getnode())
    return hashlib.sha256(own.encode()).hexdigest()[:12]
