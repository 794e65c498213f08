"""The command ``ferpipe demo``: the emotions in faces from a webcam, picture, video, folder or stream."""

import argparse
import contextlib
import sys
from pathlib import Path

from pipeline.demo.options import add_model_options
from pipeline.system.failure import Failure

# Without --frames, a picture from a camera is the best of this many frames
LIVE_FRAMES = 30
# Of a folder's files that are no pictures, as many are named
MOST_NAMES = 5


def main(argv: list[str] | None = None) -> None:
    """Run the demo. Raises Failure when the source, model, screen or output file cannot be opened."""
    args = _arguments(argv)
    if args.headless and args.out is None and args.log is None:
        raise Failure("--headless opens no window; add --out FILE to write a file (.webm, .mp4, .avi, .png or .jpg), "
                      "or --log FILE (.csv or .jsonl)")

    from pipeline.bundle.bundle import Bundle
    from pipeline.demo.film import Film
    from pipeline.demo.log import Log, check
    from pipeline.demo.notice import NOTICE
    from pipeline.demo.output import PICTURES, open_output, players
    from pipeline.demo.play import KEYS, Player
    from pipeline.demo.see.detector import BlazeFace
    from pipeline.demo.see.watcher import Watcher, look
    from pipeline.demo.show.about import about
    from pipeline.demo.show.annotate import Annotator, See, Tally
    from pipeline.demo.show.explainer import Explainer
    from pipeline.demo.show.open import open_window
    from pipeline.demo.sources.open import open_source
    from pipeline.demo.sources.source import Source

    window = None if args.headless else open_window(args.window)
    bundle = Bundle.load(args.model)
    if args.log is not None:
        check(args.log)
    detector, explainer = BlazeFace(), Explainer(bundle)
    log: Log | None = None

    def opened(name: str) -> tuple[Source, See]:
        """A source, and what detects and classifies the faces in it; tracks belong to one source."""
        source = open_source(name, args.reconnect)
        explainer.pictures = source.kind in ("picture", "folder")
        if explainer.pictures:
            return source, recorded(lambda frame, _: look(frame, detector, bundle, args.unsure_below))
        watcher = Watcher(detector, bundle, args.unsure_below)
        if source.live:
            return source, recorded(watcher.see)
        film = Film(source, watcher)
        return film, recorded(film.see)

    def recorded(see: See) -> See:
        return lambda frame, seconds: (see if log is None else log.recording(see))(frame, seconds)

    source, see = opened(args.source)
    print(NOTICE)
    with contextlib.ExitStack() as stack:
        stack.enter_context(source)
        for path in (args.out, args.log):
            if path is not None and path.exists() and Path(args.source).exists() and path.samefile(args.source):
                raise Failure(f"{path}: is the source itself; give another file")
        output = open_output(args.out, source.fps) if args.out is not None else None
        log = stack.enter_context(Log(args.log, bundle.classes)) if args.log is not None else None
        limit = args.frames
        if limit is None and source.live and args.headless and args.out and args.out.suffix.lower() in PICTURES:
            limit = LIVE_FRAMES
        tally = Tally()
        panel = about(bundle) if window is None else (*about(bundle), *KEYS)
        annotator = Annotator(see, bundle.classes, tally, about=panel, show_fps=window is not None, explainer=explainer,
                              mirror=source.kind == "camera" and not args.no_mirror)
        player = Player(source, annotator, output, window, open_camera=lambda index: opened(str(index)),
                        limit=limit)
        player.play()
    for name in source.skipped[:MOST_NAMES]:
        print(f"{args.source}: {name} is not a picture that can be read; skipped", file=sys.stderr)
    if (more := len(source.skipped) - MOST_NAMES) > 0:
        print(f"{args.source}: {more} more files are no pictures that can be read; skipped", file=sys.stderr)
    print(tally.summary())
    if output is not None and tally.frames:
        print(f"written: {args.out}" + (f" ({words})" if (words := players(args.out)) else ""))
    if args.log is not None:
        print(f"written: {args.log}")
    if player.interrupted and window is None:
        raise SystemExit(130)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ferpipe demo",
        description="Detect faces and show their emotions. Keys in the window: q or Esc quits, s saves a picture, m "
                    "mirrors, f fills the screen (f or Esc leaves it), e shows which parts of the main face the answer "
                    "rests on, space pauses, 1 to 9 choose a camera.",
    )
    parser.add_argument("source", metavar="SOURCE", nargs="?", default="0",
                        help="a webcam's number or path (/dev/v4l/by-id/...), a picture, a video, a folder of pictures "
                             "or a URL (http, rtsp); default: 0, the first webcam")
    parser.add_argument("--headless", action="store_true", help="open no window; needs --out or --log")
    parser.add_argument("--window", choices=("opencv", "tk"), default="opencv",
                        help="library for the window (default: opencv)")
    parser.add_argument("--out", metavar="FILE", type=Path,
                        help="write an annotated video (.webm plays in browsers; .mp4, .avi) or picture (.png, .jpg: "
                             "the frame with the most probable emotion)")
    parser.add_argument("--log", metavar="FILE", type=Path,
                        help="write every face of every frame as a row (.csv or .jsonl): time, number, box, roll, "
                             "probabilities")
    parser.add_argument("--frames", metavar="N", type=_positive, help="stop after N frames")
    parser.add_argument("--no-mirror", action="store_true", help="do not mirror a webcam's picture")
    parser.add_argument("--reconnect", metavar="SECONDS", type=float, default=300.0,
                        help="how long to try to reconnect to a lost camera or stream (default: 300; 0: not at all)")
    add_model_options(parser)
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of frames")
    return int(text)
