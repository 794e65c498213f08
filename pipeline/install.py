"""Make .venv from requirements.lock, with nothing but Python: ``python -m pipeline.install``.

Imports nothing of the project and uses old syntax only, so that an unsuitable Python gets its one line too.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

LOCK = Path("requirements.lock")
VENV = Path(".venv")
# A copy of the lock that .venv was made from, written last
READY = VENV / LOCK.name
GIGABYTES = 4


def problem():
    """Why .venv cannot be made here, in one line, or None."""
    version = "%d.%d" % sys.version_info[:2]
    if version not in ("3.11", "3.12", "3.13"):
        return "ferpipe needs Python 3.11, 3.12 or 3.13, this is %s (%s)" % (version, sys.executable)
    if not LOCK.exists():
        return "requirements.lock: missing here; run inside the project's folder"
    if not READY.exists() and shutil.disk_usage(".").free < GIGABYTES * 1e9:
        return ".venv needs %d GB of disk; free some space, then run again" % GIGABYTES
    return None


def main():
    """Make or update .venv; interrupted, the next call starts it afresh (pip's downloads are kept)."""
    why = problem()
    if why:
        sys.exit("install: " + why)
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    lock = LOCK.read_bytes()
    installed = READY.read_bytes() if READY.exists() else None
    if installed is None:
        _make_venv()
    if installed != lock:
        READY.unlink(missing_ok=True)
        _install_packages(python, lock.decode().count("=="))
    # Of the lock's own setuptools: nothing is fetched here
    pip(python, "--no-deps", "--no-build-isolation", "--quiet", "--editable", ".")
    READY.write_bytes(lock)


def _make_venv():
    if VENV.exists():
        print("install: .venv is incomplete or was not made by this project; starting it afresh", flush=True)
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True)
    if made.returncode:
        words = " ".join((made.stdout + made.stderr).split())
        sys.exit("install: cannot make .venv (on Debian and Ubuntu: apt install python3-venv): " + words[:300])


def _install_packages(python, total):
    print("install: about %d packages into .venv, 3.4 GB, about 3 minutes" % total, flush=True)
    pip(python, "--require-hashes", "--requirement", str(LOCK))


def pip(python, *arguments):
    """Run ``pip install``, which shows its own progress and errors; exit where it fails."""
    done = subprocess.run([str(python), "-m", "pip", "--disable-pip-version-check", "install"] + list(arguments))
    if done.returncode:
        sys.exit("install: pip failed, its reason is above; if network or disk failed, nothing is lost: run again")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\ninstall: interrupted; the same command starts again")
