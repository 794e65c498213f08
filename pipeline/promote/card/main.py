"""``ferpipe card``: the model card of the champion in git, in reports/champion/."""

import argparse
import json
from typing import TYPE_CHECKING

from pipeline.system.failure import Failure

if TYPE_CHECKING:
    from pipeline.bundle.bundle import Bundle
    from pipeline.faces.faces import Faces
    from pipeline.params.params import Evaluate
    from pipeline.promote.card.facts import Facts
    from pipeline.promote.card.measured import Measured


def main(argv: list[str] | None = None) -> None:
    """Write the champion's card again: the text from what was measured for it, and that too where it is missing."""
    parser = argparse.ArgumentParser("ferpipe card", description=main.__doc__)
    parser.add_argument("--again", action="store_true",
                        help="measure again what the ledger does not have, on the faces in data/DATASET/faces")
    options = parser.parse_args(argv)

    from pipeline.bundle.bundle import Bundle
    from pipeline.promote.card import measured, writing
    from pipeline.system.atomic import atomic_folder
    from pipeline.system.project import champion_folder
    from pipeline.tracking.promotions import IN_GIT

    bundle, folder = Bundle.load(champion_folder()), writing.folder_of(IN_GIT)
    kept = None if options.again else measured.read(folder)
    if kept is not None and kept.bundle == bundle.id:
        writing.write_text(folder, champion(bundle, kept), writing.CHAMPION)
        print(f"card: {folder}: the text, from {measured.FILE}; --again measures")
        return
    faces, settings = _faces(bundle)
    measurement = measured.measure(bundle, faces, settings)
    with atomic_folder(folder) as draft:
        writing.write(draft, champion(bundle, measurement.measured), writing.CHAMPION, measurement, faces)
    print(f"card: {folder}: bundle {bundle.id}, predictions {measurement.measured.source}")


def champion(bundle: "Bundle", measured: "Measured") -> "Facts":
    """What the card says of the champion in git."""
    from pipeline.bundle.bundle import PROMOTION
    from pipeline.promote.card import writing
    from pipeline.tracking import promotions

    path = bundle.folder / PROMOTION
    caption = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    record = next((record for record in reversed(promotions.records(bundle.provenance.dataset))
                   if record.decision == promotions.PROMOTED and record.challenger.bundle == bundle.id), None)
    return writing.facts(promotions.IN_GIT, str(caption.get("version", "")), bundle, measured, record)


def _faces(bundle: "Bundle") -> "tuple[Faces, Evaluate]":
    from pipeline.faces.faces import Faces
    from pipeline.params import params as parameters
    from pipeline.system import project

    folder = project.root() / "data" / bundle.provenance.dataset / "faces"
    if not (folder / "faces.csv").exists():
        raise Failure(f"{folder}: the faces to measure bundle {bundle.id} on are missing; "
                      "`dvc repro download` makes them")
    return Faces.load(folder), parameters.load().evaluate
