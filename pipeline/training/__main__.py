"""Training on a machine that has only keras and numpy::

    python -m pipeline.training CONFIG.json FACES OUT

CONFIG.json is a resolved recipe (``ferpipe resolve``), FACES a folder with images.npy and faces.csv,
OUT receives net.keras, history.json and run.json, which ``ferpipe import-run OUT`` brings home.
"""

import json
import sys
from pathlib import Path

from pipeline.faces.faces import Faces
from pipeline.system import failure
from pipeline.system.failure import Failure
from pipeline.training.importing import quiet


def main(argv: list[str] | None = None) -> None:
    """Train from a resolved recipe and a faces folder; the result is for ``ferpipe import-run``."""
    arguments = sys.argv[1:] if argv is None else argv
    if len(arguments) != 3:
        raise Failure("usage: python -m pipeline.training CONFIG.json FACES OUT")
    config_file, faces_folder, out = map(Path, arguments)
    try:
        config = json.loads(config_file.read_text(encoding="utf-8"))
        missing = [name for name in ("recipe", "seed", "classes", "model", "augment", "train") if name not in config]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")
    except (OSError, ValueError, TypeError) as error:
        raise Failure(f"{config_file}: not a resolved recipe ({error}); make one with `ferpipe resolve`") from error
    with quiet():
        from pipeline.training import checkpoint, hardware
        from pipeline.training.loop import fit_faces
        from pipeline.training.output import leave

    hardware.share_devices(config["train"]["batch_size"])
    faces = Faces.load(faces_folder)
    with checkpoint.held(out / "checkpoint", config, faces.manifest["digest"]) as state:
        leave(out, config, faces, fit_faces(config, faces, checkpoint=state))
    print(f"{out}: bring it home with `ferpipe import-run {out}`")


if __name__ == "__main__":
    failure.run(main, "training")
