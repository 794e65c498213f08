"""How large a number in params.yaml or a recipe may be, where no stage could honour a larger one."""

import reprlib
from typing import TypeVar

from pydantic import BaseModel

# What every generator of random numbers takes, here and in the libraries
MAX_SEED = 2**31 - 1
MAX_EPOCHS = 10_000
# Of a network's options; no layer that a machine could hold is wider
MAX_OPTION = 10_000

M = TypeVar("M", bound=BaseModel)
_short = reprlib.Repr()
_short.maxlevel, _short.maxstring, _short.maxother = 2, 80, 80


def plain_options(block: M) -> M:
    """The block, whose further keys are numbers, words, true, false and lists of those. Raises ValueError else."""
    for name, value in (block.model_extra or {}).items():
        for item in value if isinstance(value, list) else [value]:
            plain = item is None or isinstance(item, str) or (isinstance(item, int | float) and 0 <= item <= MAX_OPTION)
            if not plain:
                raise ValueError(f"{name}: expected numbers from 0 to {MAX_OPTION:,}, words, true, false or a list of "
                                 f"those, found {shown(item)}")
    return block


def shown(value: object) -> str:
    """A value for a message, shortened: a YAML file of ten lines can stand for gigabytes."""
    return _short.repr(value)
