"""Training on a machine that has only keras and numpy::

    python -m pipeline.training CONFIG.json FACES OUT

CONFIG.json is a resolved recipe (``ferpipe resolve``), FACES a folder with images.npy and faces.csv,
OUT receives net.keras, history.json and run.json, which ``ferpipe import-run OUT`` brings home.
"""

import json
import sys
from pathlib import Path

from pipeline import failure
from pipeline.faces import Faces
from pipeline.failure import Failure
from pipeline.training import checkpoint, hardware
from pipeline.training.loop import fit_faces
from pipeline.training.output import leave


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
    hardware.share_devices(config["train"]["batch_size"])
    train_into(out, config, Faces.load(faces_folder))
    print(f"{out}: bring it home with `ferpipe import-run {out}`")


def train_into(out: Path, config: dict, faces: Faces) -> None:
    """Train a resolved recipe on prepared faces and leave net.keras, history.json and run.json in ``out``."""
    with checkpoint.held(out / "checkpoint", config, faces.manifest["digest"]) as state:
        leave(out, config, faces, fit_faces(config, faces, checkpoint=state))


if __name__ == "__main__":
    failure.run(main, "training")
