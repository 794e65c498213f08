"""Which process has a part of a study, and whether it is gone."""

import platform
from collections.abc import Mapping
from typing import Any

from pipeline.tracking import killed
from pipeline.tracking.machine import machine

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
