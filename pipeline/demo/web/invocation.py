"""``python -m pipeline.demo.web.invocation PICTURE...``: the request that `mlflow models serve` takes, on stdout.

The registered model knows crops of faces alone, so the pictures' faces are found and cut out here.
"""

import argparse
import json
from pathlib import Path

from pipeline.system import failure
from pipeline.system.failure import Failure


def main(argv: list[str] | None = None) -> None:
    """Print the request. Raises Failure when a picture cannot be read or no face is found in any."""
    parser = argparse.ArgumentParser("python -m pipeline.demo.web.invocation", description="Print the faces of "
                                     "pictures as the request that `mlflow models serve` takes.")
    parser.add_argument("pictures", metavar="PICTURE", nargs="+", type=Path)
    args = parser.parse_args(argv)

    from pipeline.demo.see.crop import to_gray
    from pipeline.demo.see.detector import HaarDetector
    from pipeline.demo.see.watcher import everywhere
    from pipeline.demo.sources.pictures import read_picture

    detector, faces = HaarDetector(), []
    for picture in args.pictures:
        frame = read_picture(picture)
        gray = to_gray(frame)
        faces += [detector.crop(gray, box)[..., None].tolist() for box in everywhere(frame, detector)]
    if not faces:
        raise Failure(f"{', '.join(map(str, args.pictures))}: no face is found there")
    print(json.dumps({"inputs": {"image": faces}}))


if __name__ == "__main__":
    failure.run(main, "invocation")
