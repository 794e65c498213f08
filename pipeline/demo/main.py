"""The command ``ferpipe demo``: emotions in the faces before a webcam, in a picture, a video, a folder or a stream."""

import argparse
import sys
from pathlib import Path

from pipeline.demo.options import add_model_options
from pipeline.system.failure import Failure

# A picture of a camera is the best of so many frames, unless --frames says otherwise
LIVE_FRAMES = 30


def main(argv: list[str] | None = None) -> None:
    """Run the demo. Raises Failure with one line when a source, a model, a screen or a file is not to be had."""
    args = _arguments(argv)
    if args.headless and args.out is None:
        raise Failure("--headless shows nothing: say where to write with --out FILE (.webm, .mp4, .avi, .png or .jpg)")

    from pipeline.bundle.bundle import Bundle
    from pipeline.demo.output import PICTURES, open_output, players
    from pipeline.demo.play import KEYS, Player
    from pipeline.demo.see.open import open_detector
    from pipeline.demo.see.watcher import Watcher, look
    from pipeline.demo.show.about import about
    from pipeline.demo.show.annotate import Annotator, See, Tally
    from pipeline.demo.show.open import open_window
    from pipeline.demo.sources.open import open_source
    from pipeline.demo.sources.source import Source

    window = None if args.headless else open_window(args.window)
    bundle = Bundle.load(args.model)

    def seer(kind: str) -> See:
        detector = open_detector(args.detector, args.detector_model, bundle.crop_margin)
        if kind in ("picture", "folder"):
            return lambda frame, _: look(frame, detector, bundle, args.unsure_below)
        return Watcher(detector, bundle, args.unsure_below).see

    def another(index: int) -> tuple[Source, See]:
        return open_source(str(index), args.reconnect), seer("camera")

    with open_source(args.source, args.reconnect) as source:
        if args.out is not None and args.out.exists() and Path(args.source).exists() and args.out.samefile(args.source):
            raise Failure(f"{args.out}: is the source itself; name another file after --out")
        output = open_output(args.out, source.fps) if args.out is not None else None
        limit = args.frames
        if limit is None and source.live and args.headless and args.out.suffix.lower() in PICTURES:
            limit = LIVE_FRAMES
        tally = Tally()
        lines = about(bundle) if window is None else (*about(bundle), *KEYS)
        annotator = Annotator(seer(source.kind), bundle.classes, tally, about=lines,
                              mirror=source.kind == "camera" and not args.no_mirror, show_fps=window is not None)
        player = Player(source, annotator, output, window, another=another, limit=limit)
        player.play()
    for name in source.skipped:
        print(f"{args.source}: {name} is not a picture that can be read; left out", file=sys.stderr)
    print(tally.summary())
    if output is not None and tally.frames:
        print(f"written: {args.out}" + (f" ({words})" if (words := players(args.out)) else ""))
    if player.interrupted and window is None:
        raise SystemExit(130)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ferpipe demo",
        description="Find faces and show their emotions. In the window: q or Esc ends, s saves a picture, m mirrors, "
                    "space pauses, 1 to 9 take the first to ninth camera.",
    )
    parser.add_argument("source", metavar="SOURCE", nargs="?", default="0",
                        help="a webcam's number, a picture, a video, a folder of pictures or a URL (http, rtsp); "
                             "default: 0, the first webcam")
    parser.add_argument("--headless", action="store_true", help="open no window; needs --out")
    parser.add_argument("--window", choices=("opencv", "tk"), default="opencv", help="whose window (default: opencv)")
    parser.add_argument("--out", metavar="FILE", type=Path,
                        help="write an annotated video (.webm plays in browsers; .mp4, .avi) or picture (.png, .jpg: "
                             "the frame whose face is surest)")
    parser.add_argument("--frames", metavar="N", type=_positive, help="stop after N frames")
    parser.add_argument("--no-mirror", action="store_true", help="show a webcam's picture as others see you")
    parser.add_argument("--reconnect", metavar="SECONDS", type=float, default=300.0,
                        help="look so long for a camera or stream that is gone (default: 300; 0: end at once)")
    add_model_options(parser)
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of frames")
    return int(text)
