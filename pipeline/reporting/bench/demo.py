"""``ferpipe bench-demo``: how fast the demo is on this machine, end to end and step by step."""

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from pipeline.demo.options import add_model_options
from pipeline.system import processor
from pipeline.system.atomic import atomic_file

T = TypeVar("T")
STEPS = ("decode", "find", "classify", "draw")
SIZE, FPS = (640, 480), 30
# Seconds of different frames; they are played forwards and backwards until there are enough
DRAWN_SECONDS = 2
# Frames before the clock starts
WARM = 15
# With fewer, the figures are too uncertain for a report
FRAMES, PAGE = 600, Path("reports/bench-demo.md")


def bench(file: Path, seer, classes: tuple[str, ...], sink) -> dict[str, float]:
    """Milliseconds a frame by step, and ``total``: a video from the disk to the drawn picture and into ``sink``.

    As in ``ferpipe demo``, decoding and finding faces are a frame ahead of the rest, in a thread of their own.
    """
    from pipeline.demo.see.ahead import ahead
    from pipeline.demo.show.view import draw
    from pipeline.demo.sources.open import open_source

    spent = dict.fromkeys((*STEPS, "out"), 0.0)

    def timed(step: str, call: Callable[..., T], *arguments, **options) -> T:
        begin = time.perf_counter()
        result = call(*arguments, **options)
        spent[step] += time.perf_counter() - begin
        return result

    def searched(source) -> Iterator[tuple]:
        frames = iter(source)
        while (item := timed("decode", next, frames, None)) is not None:
            yield *item, timed("find", seer.find, *item)

    count, start = 0, time.perf_counter()
    with open_source(str(file)) as source, closing(ahead(searched(source))) as items:
        for frame, seconds, boxes in items:
            faces = timed("classify", seer.read, frame, boxes, seconds)
            picture = timed("draw", draw, frame, faces, classes, fps=30.0)
            timed("out", sink, picture, faces, seconds)
            count += 1
            if count == WARM:
                spent, start = dict.fromkeys(spent, 0.0), time.perf_counter()
        total = time.perf_counter() - start
    measured = max(1, count - WARM)
    return {step: 1000 * seconds / measured for step, seconds in (*spent.items(), ("total", total))}


def write_clip(path: Path, people: int, count: int) -> None:
    """A video of drawn people, as a webcam would have filmed them."""
    import cv2

    from pipeline.download.drawn.clip import frames

    drawn = list(frames(DRAWN_SECONDS, FPS, SIZE, people=people))
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), FPS, SIZE)
    for frame in there_and_back(len(drawn), count):
        writer.write(drawn[frame])
    writer.release()


def there_and_back(length: int, count: int) -> Iterator[int]:
    """0, 1, ... length - 1, length - 2, ... 1, 0, 1, ... ``count`` times."""
    period = max(1, 2 * (length - 1))
    for number in range(count):
        step = number % period
        yield min(step, period - step)


def start(clip: Path, options: list[str]) -> float:
    """Seconds from the start of a new process to its first picture, written and the process ended."""
    before = time.perf_counter()
    command = [sys.executable, "-m", "pipeline.demo", str(clip), "--headless", "--frames", "1", *options]
    subprocess.run([*command, "--out", str(clip.with_suffix(".png"))], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - before


def main(argv: list[str] | None = None) -> None:
    """Frames a second from a file at 640x480, with one face and with four, and each step's share."""
    parser = argparse.ArgumentParser("ferpipe bench-demo", description=main.__doc__,
                                     epilog="out: into the window, or waiting for the encoder, which works beside the "
                                            "rest. The window is measured where there is a screen.")
    parser.add_argument("--frames", metavar="N", type=int, default=FRAMES,
                        help=f"frames per measurement (default: {FRAMES}); fewer are printed only")
    add_model_options(parser)
    args = parser.parse_args(argv)

    from pipeline.bundle.bundle import Bundle
    from pipeline.demo.output import VideoOutput
    from pipeline.demo.see.detector import BlazeFace
    from pipeline.demo.see.watcher import Watcher
    from pipeline.demo.show.annotate import Annotated
    from pipeline.demo.show.screen import check_screen
    from pipeline.demo.show.window import OpenCVWindow
    from pipeline.demo.sources.source import quiet
    from pipeline.system.failure import Failure

    quiet()
    bundle = Bundle.load(args.model)
    try:
        check_screen()
        screen = True
    except Failure:
        screen = False
    lines = [f"| faces | to | frames a second | {' | '.join((*STEPS, 'out'))} |", "|---:|---|---:|" + "---:|" * 5]
    print("\n".join(lines))
    with tempfile.TemporaryDirectory() as folder:
        for people in (1, 4):
            clip = Path(folder) / f"{people}.avi"
            write_clip(clip, people, args.frames + WARM)
            for name in ("nothing", *(("window",) if screen else ()), ".webm", ".mp4"):
                seer = Watcher(BlazeFace(), bundle)
                window = OpenCVWindow() if name == "window" else None
                output = VideoOutput(Path(folder) / f"out{name}", FPS) if name.startswith(".") else None

                def sink(picture, faces, seconds, window=window, output=output):
                    if window is not None:
                        window.show(picture)
                        window.key(0.0)
                    if output is not None:
                        output.add(Annotated(picture, faces, seconds))

                figures = bench(clip, seer, bundle.classes, sink)
                if window is not None:
                    window.close()
                if output is not None:
                    output.finish()
                total = figures.pop("total")
                shares = " | ".join(f"{value:.2f} ms" for value in figures.values())
                lines.append(f"| {people} | {name} | {1000 / total:.1f} | {shares} |")
                print(lines[-1], flush=True)
        ready = sorted(start(clip, ["--model", str(args.model)]) for _ in range(3))[1]
    print(f"from the start of the process to the first picture written: {ready:.2f} s, median of three")
    if args.frames >= FRAMES:
        with atomic_file(PAGE) as new:
            new.write_text(page("\n".join(lines), args, bundle.id, ready), encoding="utf-8")
        print(f"bench-demo: {PAGE}")


def page(table: str, args: argparse.Namespace, model: str, ready: float) -> str:
    """bench-demo.md."""
    import cv2

    return f"""# The demo's speed

{processor.describe()}, Python {platform.python_version()}, OpenCV {cv2.__version__}; model {model};
{args.frames} frames of drawn people at {SIZE[0]}x{SIZE[1]} from a file.

{table}

Each step's time of a frame. *Decode* and *find* are a frame ahead of the rest, in a thread of their own. *To*:
nothing, a window (where there is a screen) or an encoded file; *out* is waiting for it, the encoder works beside the
rest. From the start of the process to the first picture written:
{ready:.2f} s, median of three. Generated by `make bench-demo`.
"""
