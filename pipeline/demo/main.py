"""The command ``ferpipe demo``: emotions in the faces before a webcam, in a picture, a video, a folder or a stream."""

import argparse
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.failure import Failure

if TYPE_CHECKING:
    from pipeline.demo.output import Output
    from pipeline.demo.source import Source
    from pipeline.demo.window import Window

CHAMPION = Path("data/champion")
# A picture of a camera is the best of so many frames, unless --frames says otherwise
LIVE_FRAMES = 30


def main(argv: list[str] | None = None) -> None:
    """Run the demo. Raises Failure with one line when a source, a model, a screen or a file is not to be had."""
    args = _arguments(argv)
    if args.headless and args.out is None:
        raise Failure("--headless shows nothing: say where to write with --out FILE (.mp4, .avi, .png or .jpg)")

    from pipeline.bundle import Bundle
    from pipeline.demo.about import about
    from pipeline.demo.annotate import Tally, annotate
    from pipeline.demo.detector import HaarDetector
    from pipeline.demo.output import PICTURES, open_output
    from pipeline.demo.source import open_source
    from pipeline.demo.window import Window, check_screen

    if not args.headless:
        check_screen()
    bundle = Bundle.load(args.model)
    with open_source(args.source) as source:
        if args.out is not None and args.out.exists() and Path(args.source).exists() and args.out.samefile(args.source):
            raise Failure(f"{args.out}: is the source itself; name another file after --out")
        output = open_output(args.out, source.fps) if args.out is not None else None
        limit = args.frames
        if limit is None and source.live and args.headless and args.out.suffix.lower() in PICTURES:
            limit = LIVE_FRAMES
        tally = Tally()
        lines = about(bundle) if args.headless else (*about(bundle), "q or Esc ends")
        frames = annotate(source, HaarDetector(bundle.crop_margin), bundle, tally, about=lines,
                          mirror=source.kind == "camera" and not args.no_mirror, show_fps=not args.headless)
        window = None if args.headless else Window()
        interrupted = _play(islice(frames, limit), source, output, window, limit)
    for name in source.skipped:
        print(f"{args.source}: {name} is not a picture that can be read; left out", file=sys.stderr)
    print(tally.summary())
    if output is not None and tally.frames:
        print(f"written: {args.out}")
    if interrupted and window is None:
        raise SystemExit(130)


def _play(frames, source: "Source", output: "Output | None", window: "Window | None", limit: int | None) -> bool:
    """Send every frame to the file and the window, to the end or until the person ends it; True after Ctrl-C."""
    from tqdm import tqdm

    interrupted = False
    known = [count for count in (limit, source.length) if count is not None]
    total = min(known) if known else None
    try:
        with tqdm(frames, total=total, unit="frame", disable=True if window else None, leave=False) as bar:
            for frame in bar:
                if output is not None:
                    output.add(frame)
                if window is not None and not window.show(frame.picture, None if source.live else frame.seconds):
                    break
            else:
                if window is not None and source.kind == "picture":
                    window.hold()
    except KeyboardInterrupt:
        interrupted = True
    except BaseException:
        if output is not None:
            output.discard()
        raise
    finally:
        if window is not None:
            window.close()
    if output is not None:
        output.finish()
    return interrupted


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ferpipe demo",
        description="Find faces and show their emotions. In the window, q or Esc ends.",
    )
    parser.add_argument("source", metavar="SOURCE", nargs="?", default="0",
                        help="a webcam's number, a picture, a video, a folder of pictures or a URL (default: 0)")
    parser.add_argument("--headless", action="store_true", help="open no window; needs --out")
    parser.add_argument("--out", metavar="FILE", type=Path,
                        help="write an annotated video (.mp4, .avi) or picture (.png, .jpg: the frame whose face is "
                             "surest)")
    parser.add_argument("--model", metavar="DIR", type=Path, default=CHAMPION,
                        help=f"a model bundle (default: {CHAMPION.as_posix()})")
    parser.add_argument("--frames", metavar="N", type=_positive, help="stop after N frames")
    parser.add_argument("--no-mirror", action="store_true", help="show a webcam's picture as others see you")
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of frames")
    return int(text)
