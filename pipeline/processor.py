"""The processor of this machine: its name, its cores, and what it can multiply; standard library alone."""

import os
import platform
from pathlib import Path


def describe() -> str:
    """Its name and how many of its cores this process may use: ``AMD EPYC, 2 cores``, or ``1 core``."""
    names = [line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {cores()} core{'' if cores() == 1 else 's'}"


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def multiplies_bfloat16() -> bool:
    """Whether it does so natively (Linux alone tells)."""
    return has("avx512_bf16") or has("amx_bf16")


def has(flag: str) -> bool:
    """Whether Linux names this among what the processor can (no other system does)."""
    return flag in next((line.split() for line in _cpuinfo() if line.startswith("flags")), [])


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
