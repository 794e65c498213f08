"""``ferpipe import-run OUT``: bring home what ``python -m pipeline.training`` made on another machine.

By the same door as a run trained here: a bundle, its figures, a ledger entry, an MLflow run.
"""

import argparse
import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pipeline.bundle.bundle import Bundle, check_faces
from pipeline.evaluate import measure
from pipeline.faces.faces import CLASS_SETS, Faces
from pipeline.params import params
from pipeline.params.params import Evaluate
from pipeline.system import project
from pipeline.system.failure import Failure
from pipeline.tracking import ledger, runs, shelves
from pipeline.training.importing import quiet

NEEDED = ("recipe", "seed", "dataset", "edition", "data_digest", "source_digest", "protocol", "class_set", "epochs_run",
          "epochs_asked", "best_epoch", "seconds", "finished", "hardware", "backend", "precision", "config")


@dataclass(frozen=True)
class Away:
    """What a run away from home left: the network's file and its hash, the curves, the provenance."""

    net: Path
    sha256: str
    history: list[dict]
    facts: dict


def read(out: Path) -> Away:
    """Read OUT. Raises Failure when a file or a fact is missing."""
    try:
        net = (out / "net.keras").read_bytes()
        history, facts = (json.loads((out / name).read_text(encoding="utf-8")) for name in ("history.json", "run.json"))
    except (OSError, ValueError) as error:
        raise Failure(f"{out}: not the output of `python -m pipeline.training` ({error}); name that folder") from error
    missing = [name for name in NEEDED if name not in facts] if isinstance(facts, dict) else list(NEEDED)
    if missing or not isinstance(history, list) or not history:
        raise Failure(f"{out}: run.json lacks {', '.join(missing) or 'nothing'}, history.json has "
                      f"{len(history)} epochs; let `python -m pipeline.training` finish there")
    if facts["class_set"] not in CLASS_SETS:
        raise Failure(f"{out}: run.json: there is no class set {facts['class_set']!r}; update this project")
    return Away(out / "net.keras", hashlib.sha256(net).hexdigest(), history, facts)


def import_run(away: Away, faces: Faces, settings: Evaluate) -> tuple[Bundle, Path]:
    """Make the bundle, measure it, record it; an import that was cut short goes on, a second one adds nothing.

    Args:
        faces: as they came, with seven labels.

    Returns the bundle and the ledger entry's file.
    """
    facts = away.facts
    check_faces(facts, faces.manifest, away.net.parent)
    shelf = project.root() / "data" / facts["dataset"] / "imported"
    bundle = next((one for one in map(Bundle.load, _bundles(shelf)) if one.provenance.get("net") == away.sha256), None)
    if bundle is None:
        bundle = _bundle(away, faces, shelf)
    found, _ = measure.evaluate(bundle, faces, settings)
    line = ledger.entry(bundle, found)
    runs.record_evaluation(line, bundle, [])
    return bundle, ledger.record(line)


def _bundles(shelf: Path) -> list[Path]:
    return sorted(file.parent for file in shelf.glob("*/bundle.json") if not file.parent.name.startswith("."))


def _bundle(away: Away, faces: Faces, shelf: Path) -> Bundle:
    """The bundle, with the id of a new run inside."""
    with quiet():
        import keras

        from pipeline.bundle.writing import write

    try:
        net = keras.saving.load_model(away.net, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise Failure(f"{away.net}: not a network of this project ({reason}); copy the folder again") from error
    facts = away.facts
    validation = faces.with_classes(facts["class_set"]).split("PublicTest")
    experiment = f"{facts['dataset']}-{facts['class_set']}"
    about = {name: facts[name] for name in runs.TAGS}
    with runs.start(runs.run_name(about), experiment,
                        {**about, "kind": "train", "imported": away.sha256},
                        run_id=runs.find(experiment, "imported", away.sha256)) as run:
        run.params(facts["config"])
        run.dataset({**facts, "digest": facts["data_digest"]})
        run.history(away.history)
        made = write(
            shelves.draft(shelf),
            net,
            classes=CLASS_SETS[facts["class_set"]][0],
            class_set=facts["class_set"],
            provenance={**facts, "tuned": facts.get("tuned", {}), "net": away.sha256, "run_id": run.id},
            history=away.history,
            validation=(validation.images, validation.labels),
        )
        bundle = Bundle.load(made.folder.rename(shelf / made.id))
        run.tags({"bundle": bundle.id})
        run.model(bundle.folder)
    return bundle


def main(argv: list[str] | None = None) -> None:
    """Bring home OUT of `python -m pipeline.training`: bundle, ledger entry, MLflow run."""
    parser = argparse.ArgumentParser("ferpipe import-run", description=main.__doc__)
    parser.add_argument("out", type=Path, help="the folder with net.keras, history.json and run.json")
    options = parser.parse_args(argv)
    mine, away = params.load(), read(options.out)
    faces = Faces.load(project.root() / "data" / away.facts["dataset"] / "faces")
    bundle, path = import_run(away, faces, mine.evaluate)
    print(f"import-run: bundle {bundle.id} in {bundle.folder}, entry {path}; `ferpipe promote \"{bundle.folder}\"` "
          "lets it challenge the champion")
