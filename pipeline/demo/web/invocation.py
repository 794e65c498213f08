"""``python -m pipeline.demo.web.invocation PICTURE...``: prints a request for `mlflow models serve`.

The registered model takes crops of faces, so the pictures' faces are detected and cropped here.
"""

import argparse
import json
from pathlib import Path

from pipeline.system import failure
from pipeline.system.failure import Failure


def main(argv: list[str] | None = None) -> None:
    """Print the request. Raises Failure when a picture cannot be read or no face is detected in any."""
    parser = argparse.ArgumentParser("python -m pipeline.demo.web.invocation", description="Print the faces of "
                                     "pictures as a request for `mlflow models serve`.")
    parser.add_argument("pictures", metavar="PICTURE", nargs="+", type=Path)
    args = parser.parse_args(argv)

    from pipeline.bundle.manifest import CROP_MARGIN
    from pipeline.demo.see.crop import crops
    from pipeline.demo.see.detector import BlazeFace
    from pipeline.demo.sources.pictures import read_picture

    detector, faces = BlazeFace(), []
    for picture in args.pictures:
        frame = read_picture(picture)
        faces += crops(frame, detector.find(frame), CROP_MARGIN)[..., None].tolist()
    if not faces:
        raise Failure(f"{', '.join(map(str, args.pictures))}: no face is detected")
    print(json.dumps({"inputs": {"image": faces}}))


if __name__ == "__main__":
    failure.run(main, "invocation")
