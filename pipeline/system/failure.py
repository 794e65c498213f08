"""What a person gets when something outside the program is wrong: one line and exit code 1."""

import errno
import re
import sys
from collections.abc import Callable


class Failure(Exception):
    """An expected failure; its message says in one line what is wrong, where, and what to do."""


# A disk that is full or not ours
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EPERM)


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
        # numpy's tofile, which np.save uses, gives neither number nor reason
        cut_short = error.errno is None and re.search(r"\d+ requested and \d+ written", str(error.args))
        if error.errno in UNWRITABLE or cut_short:
            where, why = error.filename or "the disk", error.strerror or "cut short, the disk may be full"
            sys.exit(f"{name}: cannot write {where}: {why}; free some space or the rights, then run again")
        raise
