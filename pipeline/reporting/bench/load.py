"""``ferpipe bench-load``: how many clients the page and the API bear, how long they wait, and in how much memory."""

import argparse
import asyncio
import contextlib
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np

from pipeline.demo.options import add_model_option
from pipeline.demo.web.bounds import Bounds
from pipeline.reporting.bench import clients
from pipeline.reporting.bench.clients import BUSY, FPS, PAUSE, VISIT, Client, Picture, Tally
from pipeline.system import processor
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure

KINDS = {"api": "API", "live": "live"}
CLIENTS = (1, 8, 32)
# With fewer minutes, the figures are too uncertain for a report
MINUTES, PAGE = 5.0, Path("reports/load.md")
# Width and height, people, format: from a thumbnail to a photograph, one of them of nobody
PICTURES = (((320, 240), 1, ".jpg"), ((640, 480), 1, ".jpg"), ((640, 480), 4, ".webp"), ((640, 480), 0, ".png"),
            ((1280, 720), 2, ".png"), ((1920, 1080), 4, ".jpg"))
# The camera's films: seconds that are different, people
SIZE, FILM_SECONDS, FILM_PEOPLE = (640, 480), 1.0, (1, 4)
# Seconds between two looks at the server's memory, and from the last answer to the last look
LOOK, REST = 0.2, 1.0


@dataclass(frozen=True)
class Row:
    """A measurement.

    Attributes:
        kind: a key of ``KINDS``.
        seconds: how long it took, until the last answer.
        busy: the clients' own processor time as a share of a core.
        megabytes: resident in the server before it, at most, and ``REST`` after it.
    """

    kind: str
    tallies: list[Tally]
    seconds: float
    busy: float
    megabytes: tuple[float, float, float]

    @property
    def errors(self) -> Counter[str]:
        return sum((tally.errors for tally in self.tallies), Counter())

    def cells(self) -> list[str]:
        """As in ``HEAD``."""
        answers = [1000 * seconds for tally in self.tallies for seconds in tally.seconds]
        p50, p99 = (f"{np.quantile(answers, share):.1f}" if answers else "-" for share in (0.5, 0.99))
        refused, errors = sum(tally.refused for tally in self.tallies), self.errors.total()
        fewest = min(len(tally.seconds) for tally in self.tallies)
        longest = max(tally.longest for tally in self.tallies)
        return [KINDS[self.kind], str(len(self.tallies)), f"{len(answers):,}", f"{len(answers) / self.seconds:.1f}",
                p50, p99, f"{refused:,}", f"{errors:,}", f"{fewest:,}", f"{longest:.1f}",
                *(f"{amount:.0f}" for amount in self.megabytes), f"{100 * self.busy:.0f} %"]


HEAD = ("kind", "clients", "answers", "a second", "p50 ms", "p99 ms", "refused", "errors", "fewest", "longest s",
        "MB before", "MB peak", "MB after", "clients' CPU")


@dataclass(frozen=True)
class Served:
    """A running server."""

    address: str
    process: subprocess.Popen

    def megabytes(self) -> float:
        """Resident. Raises Failure when the server has ended."""
        import psutil

        if self.process.poll() is not None:
            raise Failure(f"the server has ended, exit code {self.process.returncode}")
        return psutil.Process(self.process.pid).memory_info().rss / 1e6


@contextlib.contextmanager
def serving(model: Path) -> Iterator[Served]:
    """``ferpipe web`` in a process of its own on a free port. Raises Failure when it does not start."""
    command = [sys.executable, "-m", "pipeline.cli", "web", "--port", "0", "--model", str(model)]
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log,
                                                           text=True) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            if len(words) < 3:
                process.wait()
                log.seek(0)
                reasons = log.read().decode(errors="replace").strip().splitlines() or ["it gave no reason"]
                raise Failure(f"the server does not start: {reasons[-1]}")
            yield Served(words[2], process)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def drawn() -> list[bytes]:
    """The pictures of ``PICTURES``, encoded."""
    import cv2

    from pipeline.download.drawn import clip
    from pipeline.download.drawn.sample import backdrop

    wall = (backdrop(*size, np.random.default_rng(3)).clip(0, 255).astype("uint8") for size, _, _ in PICTURES)
    frames = (next(clip.frames(1, 1, size, people=people)) if people else empty
              for (size, people, _), empty in zip(PICTURES, wall, strict=True))
    return [cv2.imencode(kind, frame)[1].tobytes() for frame, (_, _, kind) in zip(frames, PICTURES, strict=True)]


def films() -> list[list[bytes]]:
    """For each of ``FILM_PEOPLE`` the frames of a camera as the page sends them, there and back."""
    import cv2

    from pipeline.download.drawn import clip

    forwards = [[cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
                 for frame in clip.frames(FILM_SECONDS, FPS, SIZE, people=people)] for people in FILM_PEOPLE]
    return [frames + frames[-2:0:-1] for frames in forwards]


async def alone(address: str, data: list[bytes]) -> list[Picture]:
    """The pictures with their answers, asked for one after the other. Raises Failure where one is refused."""
    pictures = []
    async with clients.session() as session:
        for picture in data:
            status, _, content = await clients.predict(session, address, picture)
            if status != 200:
                raise Failure(f"the server refuses a picture, status {status}: {content.get('error')}")
            pictures.append(Picture(picture, content))
    return pictures


async def measured(served: Served, kind: str, client: Client, count: int, seconds: float) -> Row:
    """So many clients at the server for so many seconds. Raises Failure when the server ends."""
    from tqdm import tqdm

    before, begun, worked = served.megabytes(), time.perf_counter(), time.process_time()
    peak = before
    crowd = asyncio.create_task(clients.crowd(client, count, seconds))
    with tqdm(total=round(seconds), desc=f"{KINDS[kind]}, {count} client{'s' * (count > 1)}", unit="s", disable=None,
              leave=False) as bar:
        while not crowd.done():
            await asyncio.wait([crowd], timeout=LOOK)
            peak = max(peak, served.megabytes())
            bar.update(min(bar.total, round(time.perf_counter() - begun)) - bar.n)
    took, busy = time.perf_counter() - begun, time.process_time() - worked
    await asyncio.sleep(REST)
    return Row(kind, await crowd, took, busy / took, (before, peak, served.megabytes()))


def main(argv: list[str] | None = None) -> None:
    """Answers a second, waiting times, refusals, errors and memory of `ferpipe web` under 1, 8 and 32 clients."""
    parser = argparse.ArgumentParser("ferpipe bench-load", description=main.__doc__)
    parser.add_argument("--minutes", metavar="N", type=float, default=MINUTES,
                        help=f"of each measurement (default: {MINUTES:g}); fewer are printed only")
    parser.add_argument("--clients", metavar="N", type=int, nargs="+", default=CLIENTS,
                        help=f"at a time (default: {' '.join(map(str, CLIENTS))})")
    parser.add_argument("--kinds", choices=KINDS, nargs="+", default=tuple(KINDS),
                        help="pictures to the API, frames over the live connection (default: both)")
    add_model_option(parser)
    args = parser.parse_args(argv)
    if not args.minutes > 0 or min(args.clients) < 1:
        parser.error("--minutes is above 0 and --clients at least 1")

    from pipeline.bundle.bundle import Bundle

    bundle = Bundle.load(args.model)
    with serving(args.model) as served:
        pictures = asyncio.run(alone(served.address, drawn()))
        kinds = {"api": clients.caller(served.address, pictures), "live": clients.camera(served.address, films())}
        lines = [f"| {' | '.join(HEAD)} |", "|---|" + "---:|" * (len(HEAD) - 1)]
        print("\n".join(lines), flush=True)
        rows = []
        for kind in args.kinds:
            for count in args.clients:
                rows.append(asyncio.run(measured(served, kind, kinds[kind], count, 60 * args.minutes)))
                lines.append(f"| {' | '.join(rows[-1].cells())} |")
                print(lines[-1], flush=True)
    for line in (verdict := told(rows)):
        print(line)
    if args.minutes >= MINUTES:
        with atomic_file(PAGE) as new:
            new.write_text(page("\n".join(lines), "\n".join(verdict), args, bundle.id), encoding="utf-8")
        print(f"bench-load: {PAGE}")


def told(rows: list[Row]) -> list[str]:
    """A line for every kind of error, and one for clients without an answer; or one that there was neither."""
    lines = [f"* {KINDS[row.kind]}, {len(row.tallies)} clients: {count:,} x {error}"
             for row in rows for error, count in row.errors.most_common()]
    starved = [(row, sum(not tally.seconds for tally in row.tallies)) for row in rows]
    lines += [f"* {KINDS[row.kind]}, {len(row.tallies)} clients: {count} of them got no answer"
              for row, count in starved if count]
    return lines or ["There was no error, and every client got answers."]


def page(table: str, verdict: str, args: argparse.Namespace, model: str) -> str:
    """load.md."""
    command = f"ferpipe bench-load --minutes {args.minutes:g} --clients {' '.join(map(str, args.clients))}"
    packages = ", ".join(f"{name} {version(name)}" for name in ("uvicorn", "fastapi", "onnxruntime", "opencv-python"))
    sizes = ", ".join(f"{width}x{height} {kind[1:].upper()} of {people}" for (width, height), people, kind in PICTURES)
    people = " or ".join(map(str, FILM_PEOPLE))
    return f"""# The server under load

{processor.describe()}, Python {platform.python_version()}, {packages}; {date.today()}; model {model}.
`{command}`: one `ferpipe web`, {args.minutes:g} minutes for each row.

{table}

{verdict}

Clients and server share the machine's cores; the last column is what the clients took of one core. A client sends its
next request when the last one is answered, without a pause.

*API*: `POST /predict` with drawn pictures, {sizes}
people; every answer is compared with the one that the picture gets while nobody else asks. *Live*: a camera of {FPS}
frames a second at {SIZE[0]}x{SIZE[1]}, of {people} people, over the page's WebSocket; a visitor stays {VISIT:g} seconds
and comes back after {PAUSE:g}. The server takes {Bounds().cameras} cameras at a time.

*p50*, *p99*: milliseconds from a request to its answer. *Refused*: "try again later", which is 503 with Retry-After or
a live connection closed with code {BUSY}; the client does. *Errors*: everything else that is no answer. *Fewest*: the
answers of the client that got the fewest. *Longest*: the seconds that a client waited for an answer, refusals included.
*MB*: resident in the server. Generated by `make bench-load`.
"""
