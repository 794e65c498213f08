"""What a training leaves for ``ferpipe import-run``: net.keras, history.json and run.json."""

import json
from datetime import UTC, datetime
from pathlib import Path

import keras

from pipeline.faces.faces import Faces
from pipeline.system.atomic import atomic_file, to_disk
from pipeline.training import hardware
from pipeline.training.config import ResolvedConfig
from pipeline.training.loop import Fitted


def leave(out: Path, config: ResolvedConfig, faces: Faces, fitted: Fitted) -> None:
    """Write net.keras, history.json and run.json, in this order: where run.json exists, the others are its run's."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "run.json").unlink(missing_ok=True)
    fitted.net.save(out / "net.keras")
    to_disk(out / "net.keras")
    for name, content in (("history.json", fitted.history), ("run.json", provenance(config, faces, fitted))):
        with atomic_file(out / name) as new:
            new.write_text(json.dumps(content, indent=1), encoding="utf-8")


def provenance(config: ResolvedConfig, faces: Faces, fitted: Fitted) -> dict:
    """The fields of bundle.manifest.Trained: data, config, epochs, machine, and what the weights started from."""
    manifest = faces.manifest
    return {
        **{name: manifest[name] for name in ("dataset", "edition", "protocol", "class_set")},
        "data_digest": manifest["digest"],
        "source_digest": manifest.get("source_digest", manifest["digest"]),
        "recipe": config["recipe"],
        "config": config,
        "seed": config["seed"],
        "epochs_run": len(fitted.history),
        "epochs_asked": config["train"]["epochs"],
        "best_epoch": fitted.best_epoch,
        "seconds": round(fitted.seconds, 1),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "hardware": hardware.describe(),
        "backend": keras.backend.backend(),
        "precision": fitted.precision,
        **({"weights": fitted.net.started_from} if hasattr(fitted.net, "started_from") else {}),
    }
