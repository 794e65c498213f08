"""The readers on bytes that are chosen by the code that they reach: ``make fuzz`` runs it where atheris is installed.

atheris (``pip install atheris``, Linux and macOS) never ends by itself, so that every reader has a process of its own.
What breaks one is in build/fuzz.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
CRASHES = ROOT / "build/fuzz"
# Where the tests' modules are
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
Reader = tuple[Callable[[Path, bytes], object], bytes]


def readers() -> dict[str, Reader]:
    """What reads a file's bytes in an empty folder, and a whole file to begin with. Records are JSON, of which changed
    bytes leave little: those are altered as trees, in test_records.py."""
    import test_archives as archives
    import test_params as parameters
    from damage import readable

    from pipeline.demo.sources import pictures

    def archive(name: str, whole: bytes) -> Reader:
        return lambda folder, content: archives.check(folder / name, content), whole

    return {
        "params": (parameters.load, parameters.PARAMS.read_bytes()),
        "picture": (lambda _, content: readable(lambda: pictures.decode(content, "picture")),
                    next(iter(archives.PICTURES.values()))),
        "zip": archive("archive.zip", archives.SMALL),
        "csv": archive("fer2013.csv", archives.CSV[:20_000]),
        "tar": archive("fer2013.tar.gz", archives.gzip.compress(archives.TAR)),
    }


NAMES = ("params", "picture", "zip", "csv", "tar")


def fuzz(name: str, seconds: int) -> None:
    """Try one reader for so long; it ends the process, with an exit code other than 0 where the reader broke."""
    import atheris

    with atheris.instrument_imports(include=["pipeline"]):
        read, whole = readers()[name]
    with tempfile.TemporaryDirectory() as temporary:
        corpus, folder = Path(temporary, "corpus"), Path(temporary, "folder")
        for path in (corpus, folder):
            path.mkdir()
        (corpus / "whole").write_bytes(whole)
        CRASHES.mkdir(parents=True, exist_ok=True)
        atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-timeout=30", "-print_final_stats=1",
                       f"-max_len={2 * len(whole)}", f"-artifact_prefix={CRASHES / name}-", str(corpus)],
                      lambda content: read(folder, content))
        atheris.Fuzz()


def main() -> None:
    """Try the readers one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", nargs="*", metavar="READER", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=int, default=60, help="for each (default: 60)")
    options = parser.parse_args()
    if unknown := set(options.readers) - {*NAMES}:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    if find_spec("atheris") is None:
        print("fuzz: no coverage-guided fuzzing, because atheris is not installed (`pip install atheris`)")
    elif len(options.readers) == 1:
        fuzz(options.readers[0], options.seconds)
    else:
        codes = [subprocess.run([sys.executable, __file__, name, "--seconds", str(options.seconds)]).returncode
                 for name in options.readers or NAMES]
        sys.exit(any(codes))


if __name__ == "__main__":
    main()
