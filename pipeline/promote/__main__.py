"""``python -m pipeline.promote``."""

import argparse
from pathlib import Path

from pipeline.system import failure


def main(argv: list[str] | None = None) -> None:
    """Let the trained bundle, or an imported one, challenge the champion; being refused is not an error."""
    from pipeline.bundle.bundle import Bundle
    from pipeline.faces.faces import Faces
    from pipeline.params import params as parameters
    from pipeline.promote.challenge import promote

    parser = argparse.ArgumentParser("ferpipe promote", description=main.__doc__)
    parser.add_argument("bundle", nargs="?", type=Path, help="a bundle's folder; default: what train made")
    options = parser.parse_args(argv)
    params = parameters.load()
    promote(params, Bundle.load(options.bundle or params.data / "bundle"), Faces.load(params.data / "faces"))


if __name__ == "__main__":
    failure.run(main, "promote")
