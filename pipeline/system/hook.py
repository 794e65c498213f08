"""One line instead of a traceback where ``python -m pipeline.STAGE`` is run by a Python without the packages.

A stage imports them before its ``main`` is called, so that ``failure.run`` comes too late.
"""

import sys
from types import TracebackType

from pipeline.system.failure import missing_package


def install() -> None:
    """Have uncaught errors of missing packages printed as one line; every other error keeps its traceback."""
    sys.excepthook = _show


def _show(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    advice = missing_package(error) if isinstance(error, ModuleNotFoundError) else None
    if advice is None:
        sys.__excepthook__(kind, error, traceback)
    else:
        name = next((word for word in sys.orig_argv if word.startswith("pipeline.")), "pipeline")
        print(f"{name.removeprefix('pipeline.')}: {advice}", file=sys.stderr)
