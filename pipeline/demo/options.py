"""The options that every command with faces and a model has."""

import argparse
from pathlib import Path

from pipeline.system.project import CHAMPION, model_folder


def add_model_option(parser: argparse.ArgumentParser) -> None:
    """The option that names the model."""
    parser.add_argument("--model", metavar="DIR", type=Path, default=model_folder(),
                        help=f"a model bundle (default: {CHAMPION.as_posix()} here, else the one that was installed)")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """The options that every command that shows faces with a model's answers has."""
    add_model_option(parser)
    parser.add_argument("--unsure-below", metavar="P", type=_share, default=0.5,
                        help="a face whose highest probability is below P is called unsure (default: 0.5; the "
                             "probabilities are calibrated)")


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a probability, 0 to 1")
    return value
