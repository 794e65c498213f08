"""``python -m pipeline.promote``."""

import argparse
from pathlib import Path

from pipeline.system import failure


def main(argv: list[str] | None = None) -> None:
    """Let the trained bundle, or an imported one, challenge the champion; being refused is not an error."""
    from pipeline.bundle.bundle import Bundle
    from pipeline.faces.faces import Faces
    from pipeline.params import params as parameters
    from pipeline.promote import proposal
    from pipeline.promote.challenge import promote

    parser = argparse.ArgumentParser("ferpipe promote", description=main.__doc__)
    parser.add_argument("bundle", metavar="BUNDLE", nargs="?", type=Path,
                        help="a bundle's folder; default: what train made")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--propose", action="store_true",
                     help="write the card and the decision for a person to approve, and move nothing")
    way.add_argument("--approve", metavar="NAME", nargs="?", const="",
                     help="promote what was proposed for this registered model (fer2013-7); default: the only proposal")
    options = parser.parse_args(argv)
    params = parameters.load()
    if options.approve is not None:
        proposal.approve(options.approve or proposal.only(params.dataset),
                         Bundle.load(options.bundle) if options.bundle else None)
        return
    act = proposal.propose if options.propose else promote
    act(params, Bundle.load(options.bundle or params.data / "bundle"), Faces.load(params.data / "faces"))


if __name__ == "__main__":
    failure.run(main, "promote")
