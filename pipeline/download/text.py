"""The text of a CSV edition, plain or out of a gzip, tar.gz, zip or folder, line by line; standard library alone."""

import gzip
import itertools
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, cast

from pipeline.download.packing import AGAIN, CSV_NAMES, faces_among, hidden, kind_of, open_entries, safe_name
from pipeline.system.damage import DAMAGE
from pipeline.system.failure import Failure

COLUMNS = ("emotion", "pixels", "usage")
CSV_LIMIT = 2 * 2**30  # bytes; the real one has 0.3 GB
LINE_LIMIT = 64 * 2**10  # bytes; a row of 2,304 pixels has at most 9,230
LINES_LIMIT = 1_000_000  # the real one has 35,888
_DESCRIPTIONS = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE,
                 tarfile.SOLARIS_XHDTYPE)
# Of a tar: files before the CSV, and bytes of what describes a file, which tarfile takes into memory
MEMBERS_LIMIT, HEADER_LIMIT = 10_000, 2**20


@contextmanager
def open_csv(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of the CSV that ``path`` is or holds. Raises Failure where it is damaged or larger than CSV_LIMIT."""
    with ExitStack() as stack:
        try:
            stream = _csv_stream(path, stack)
        except DAMAGE as error:
            raise Failure(f"{path}: damaged or truncated ({error}); {AGAIN}") from error
        yield stack.enter_context(stream)


def csv_size(path: Path) -> int:
    """The bytes of the CSV that ``path`` is or holds, as far as they can be known without unpacking it."""
    kind = kind_of(path)
    if kind in ("folder", "zip"):
        with open_entries(path) as entries:
            return faces_among(entries, path)[1][0].size
    if kind == "csv":
        return path.stat().st_size
    with open(path, "rb") as file:  # a gzip ends in the size, modulo 4 GB
        file.seek(-4, 2)
        return int.from_bytes(file.read(4), "little")


def csv_lines(stream: IO[bytes], where: Path) -> Iterator[bytes]:
    """The lines of a CSV one by one, however large the stream claims to be; Failure when it is damaged or endless."""
    read = 0
    for number in itertools.count(1):
        try:
            line = stream.readline(LINE_LIMIT)
        except DAMAGE as error:
            raise Failure(f"{where}: damaged or truncated ({error}); {AGAIN}") from error
        read += len(line)
        if len(line) == LINE_LIMIT or read > CSV_LIMIT or number > LINES_LIMIT:
            raise Failure(f"{where}: far too large for FER-2013; expected the columns emotion, pixels, Usage")
        if not line:
            return
        yield line


def csv_columns(header: bytes, where: Path) -> dict[str, int]:
    """The index of the columns emotion, pixels and usage, whatever their order, blanks, quotes and case."""
    names = [cell.strip(' "').casefold() for cell in header.decode("utf-8-sig", "replace").strip().split(",")]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise Failure(f"{where}: line 1: no column {' and no '.join(missing)}; expected emotion, pixels, Usage "
                      f"as in {' or '.join(CSV_NAMES)}")
    return {name: names.index(name) for name in COLUMNS}


def _csv_stream(path: Path, stack: ExitStack) -> IO[bytes]:
    kind = kind_of(path)
    if kind == "csv":
        return open(path, "rb")
    if kind == "gzip":
        return cast(IO[bytes], gzip.open(path))
    if kind == "tar.gz":
        archive = stack.enter_context(tarfile.open(path, "r|gz", tarinfo=_Member))  # noqa: SIM115 - the stack closes it
        for number, member in enumerate(archive):
            if number > MEMBERS_LIMIT or member.offset_data + member.size > CSV_LIMIT:
                raise Failure(f"{path}: far too large for FER-2013; {AGAIN}")
            name = safe_name(member.name, path)
            if not hidden(name) and member.isfile() and member.name.casefold().endswith(".csv"):
                return cast(IO[bytes], archive.extractfile(member))
        raise Failure(f"{path}: no CSV in it; expected {' or '.join(CSV_NAMES)}")
    _, chosen = faces_among(stack.enter_context(open_entries(path)), path)
    if chosen[0].size > CSV_LIMIT:
        raise Failure(f"{path}: {chosen[0].name} would have {chosen[0].size / 2**30:.0f} GB; not FER-2013, {AGAIN}")
    return chosen[0].open()


class _Member(tarfile.TarInfo):
    """A file of a tar whose description is read only where it has a sensible size."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo | None:
        if self.type in _DESCRIPTIONS and self.size > HEADER_LIMIT:
            raise tarfile.ReadError(f"a file's description of {self.size:,} bytes")
        if self.type == tarfile.GNUTYPE_SPARSE:  # its description goes on as long as it likes
            raise tarfile.ReadError("a sparse file")
        return super()._proc_member(archive)  # type: ignore[misc]
