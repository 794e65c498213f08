"""Training on a machine that has only keras and numpy::

    python -m pipeline.training CONFIG.json FACES OUT

CONFIG.json is a resolved config (``ferpipe resolve``), FACES a folder with images.npy and faces.csv,
OUT receives net.keras, history.json and run.json, which ``ferpipe import-run OUT`` brings home.
"""

import sys
from pathlib import Path

from pipeline.faces.faces import Faces
from pipeline.system import failure
from pipeline.system.failure import Failure
from pipeline.training import config as configs
from pipeline.training.importing import quiet


def main(argv: list[str] | None = None) -> None:
    """Train from a resolved config and a faces folder; the result is for ``ferpipe import-run``."""
    arguments = sys.argv[1:] if argv is None else argv
    if len(arguments) != 3:
        raise Failure("usage: python -m pipeline.training CONFIG.json FACES OUT")
    config_file, faces_folder, out = map(Path, arguments)
    config = configs.read(config_file)
    faces = Faces.load(faces_folder)
    if list(faces.classes) != config["classes"]:
        raise Failure(f"{config_file}: its classes are {', '.join(config['classes'])}, those of {faces_folder} are "
                      f"{', '.join(faces.classes)}; make both with one `ferpipe resolve --faces DIR`")
    with quiet():
        from pipeline.training import checkpoint, hardware
        from pipeline.training.loop import fit_faces
        from pipeline.training.output import leave

    hardware.share_devices(config["train"]["batch_size"])
    with checkpoint.held(out / "checkpoint", config, faces.manifest["digest"]) as state:
        leave(out, config, faces, fit_faces(config, faces, checkpoint=state))
    print(f"{out}: bring it home with `ferpipe import-run {out}`")


if __name__ == "__main__":
    failure.run(main, "training")
