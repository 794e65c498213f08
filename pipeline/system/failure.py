"""What a person gets when something outside the program is wrong: one line and exit code 1."""

import argparse
import errno
import re
import sys
from collections.abc import Callable, Iterable

# Characters of a message: libraries quote what they could not read, which may be a whole file
LONGEST = 2000


class Failure(Exception):
    """An expected failure; its message says in one line what is wrong, where, and what to do.

    Of one that is far too long the middle is left out.
    """

    def __init__(self, message: str):
        if len(message) > LONGEST:
            message = f"{message[:LONGEST // 2]} ... {message[-LONGEST // 2:]}"
        super().__init__(message)


# errno's of a disk that is full or that this user may not write to
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EPERM)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` (did you mean compact?)`` for the known name most similar to ``name``; empty where none is similar."""
    import difflib

    similar = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {similar[0]}?)" if similar else ""


def missing_package(error: ModuleNotFoundError) -> str | None:
    """What to do where this Python lacks a package; None where a module of the project itself is missing, a bug."""
    package = (error.name or "").partition(".")[0]
    if package in ("", "pipeline"):
        return None
    return (f"{sys.executable} has no package {package}; activate .venv first (source .venv/bin/activate, on Windows "
            ".venv\\Scripts\\activate), which `make` or `python -m pipeline.install` makes")


def run_stage(main: Callable[[], None], name: str) -> None:
    """``run`` for a stage, which has no options: its values are in params.yaml."""
    about = f"{main.__doc__} The stage's values are in params.yaml."
    argparse.ArgumentParser(f"python -m pipeline.{name}", description=about).parse_args()
    run(main, name.partition(".")[0])


def run(main: Callable[[], None], name: str) -> None:
    """Call ``main``; turn a Failure, a missing package, a full disk or Ctrl-C into one line on stderr and a non-zero
    exit. Temporary files are in a folder that does not outlive the next command."""
    from pipeline.system.scratch import own_folder

    try:
        with own_folder():
            main()
    except Failure as failure:
        sys.exit(f"{name}: {' '.join(str(failure).split())}")
    except ModuleNotFoundError as error:
        advice = missing_package(error)
        if advice is None:
            raise
        sys.exit(f"{name}: {advice}")
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted; the same command continues from here", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        # numpy's tofile, which np.save uses, gives neither number nor reason
        cut_short = error.errno is None and re.search(r"\d+ requested and \d+ written", str(error.args))
        if error.errno in UNWRITABLE or cut_short:
            path, reason = error.filename or "the disk", error.strerror or "cut short, the disk may be full"
            sys.exit(f"{name}: cannot write {path}: {reason}; free some space or make it writable, then run again")
        raise
