"""What a person gets when something outside the program is wrong: one line and exit code 1."""

import errno
import sys
from collections.abc import Callable


class Failure(Exception):
    """An expected failure; its message says in one line what is wrong, where, and what to do."""


def run(main: Callable[[], None], name: str) -> None:
    """Call ``main``; turn a Failure, a full disk or Ctrl-C into one line on stderr and a non-zero exit."""
    try:
        main()
    except Failure as failure:
        sys.exit(f"{name}: {' '.join(str(failure).split())}")
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted; the same command goes on from here", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM):
            where = error.filename or "the disk"
            sys.exit(f"{name}: cannot write {where}: {error.strerror}; free some space or the rights, then run again")
        raise
