"""The command ``ferpipe predict``: the emotions in pictures, folders and videos, as table, JSON, CSV and pictures."""

import argparse
import sys
from pathlib import Path

from pipeline.demo.options import add_model_options
from pipeline.system import extras
from pipeline.system.failure import Failure


def main(argv: list[str] | None = None) -> None:
    """Process every file. Raises Failure at the end when one could not be read, after writing the others' results."""
    args = _arguments(argv)
    from pipeline.bundle.bundle import Bundle
    from pipeline.demo.predict import answers as formats
    from pipeline.demo.predict.files import expand
    from pipeline.demo.predict.reader import FileReader
    from pipeline.demo.sources.source import quiet
    from pipeline.system.atomic import atomic_file

    selection = expand(args.paths, [folder for folder in (args.annotate, args.plot) if folder is not None])
    for note in selection.notes():
        print(f"ferpipe predict: {note}", file=sys.stderr)
    files = selection.files
    if not files:
        raise Failure(f"{', '.join(args.paths)}: no picture or video there")
    bundle = Bundle.load(args.model)
    quiet()
    plots = args.plot or args.annotate
    if plots and not all(map(FileReader.is_picture, files)) and not extras.installed("matplotlib"):
        if args.plot:
            raise extras.missing("matplotlib")
        print(f"ferpipe predict: no diagram of the emotions over time: {extras.missing('matplotlib')}", file=sys.stderr)
        plots = None
    reader = FileReader(bundle, args.unsure_below, args.annotate, plots, args.face)
    interrupted = False
    try:
        reader.read(files)
    except KeyboardInterrupt:
        interrupted = True
    if args.json:
        text = formats.as_json(reader.answers, bundle.classes, bundle.id)
    elif args.csv:
        text = formats.as_csv(reader.answers, bundle.classes)
    else:
        text = formats.table(reader.answers, bundle.classes)
    if args.out is None:
        print(text)
    else:
        with atomic_file(args.out) as new:
            new.write_text(text + "\n", encoding="utf-8")
    for path in (*reader.written, *([args.out] if args.out else [])):
        print(f"written: {path}", file=sys.stderr)
    if interrupted:
        raise SystemExit(130)
    if reader.failed:
        raise Failure(f"{len(reader.failed)} of {len(files)} could not be read: {'; '.join(reader.failed)}")


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ferpipe predict",
        description="Detect faces in pictures and videos and classify their emotions: a table, or every face of every "
                    "frame as JSON or CSV.",
    )
    parser.add_argument("paths", metavar="PATH", nargs="+", help="pictures, videos, folders of them (with "
                                                                 "subfolders) and globs such as 'album/**/*.jpg'")
    parser.add_argument("--face", action="store_true", help="every picture is one face already, as FER-2013's are: its "
                                                            "largest square in the middle is classified, no face is "
                                                            "looked for")
    output_format = parser.add_mutually_exclusive_group()
    output_format.add_argument("--json", action="store_true", help="JSON instead of the table")
    output_format.add_argument("--csv", action="store_true", help="CSV instead of the table")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the result here (default: the terminal)")
    parser.add_argument("--annotate", metavar="DIR", type=Path,
                        help="write every picture and video (.webm, for browsers) with its faces marked here, and a "
                             "diagram of each video's emotions over time where matplotlib is installed")
    parser.add_argument("--plot", metavar="DIR", type=Path, help="write the videos' diagrams here; without --annotate, "
                                                                 "only those; needs the extra plots")
    add_model_options(parser)
    return parser.parse_args(argv)
