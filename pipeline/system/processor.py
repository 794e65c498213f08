"""The processor of this machine: its name and its cores; standard library alone."""

import os
import platform
from pathlib import Path


def describe() -> str:
    """Its name and how many of its cores this process may use: ``AMD EPYC, 2 cores``, or ``1 core``."""
    names = [line.split(":", 1)[1].strip() for line in cpuinfo() if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {cores()} core{'' if cores() == 1 else 's'}"


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpuinfo() -> list[str]:
    """The lines of Linux's /proc/cpuinfo; empty on other systems."""
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
