"""A card's folder: card.md, card.html, its pictures, predictions.csv and measurements.json."""

import json
from pathlib import Path
from typing import Any

from pipeline.bundle.bundle import Bundle
from pipeline.evaluate.calibration import BINS
from pipeline.evaluate.intervals import wilson
from pipeline.evaluate.measure import Evaluation, write_predictions
from pipeline.faces.faces import Faces
from pipeline.promote.card import pictures
from pipeline.promote.card.facts import COVERAGES, Facts, relative
from pipeline.promote.card.measured import FILE, Measured, Measurement
from pipeline.system import page, project
from pipeline.system.failure import Failure
from pipeline.tracking import ledger, promotions
from pipeline.tracking.promotions import PromotionRecord

# Of description.md, for MLflow's column
MOST_CHARACTERS = 5_000
CHAMPION, PROPOSAL = "champion", "proposal"
STATUS = {CHAMPION: "The champion.", PROPOSAL: "A proposal: not the champion unless a person approves it."}


def facts(name: str, version: str, bundle: Bundle, measured: Measured, record: PromotionRecord | None) -> Facts:
    """What a card says of a bundle.

    Raises Failure where neither the ledger nor the measurements have its figures.
    """
    entry = ledger.recorded(bundle)
    known = entry or measured.entry
    if known is None:
        raise Failure(f"{promotions.card_folder(name) / FILE}: bundle {bundle.id} has no entry in the ledger any more; "
                      "measure it with `ferpipe card --again`")
    return Facts(name, version, bundle, known, entry is not None, measured, record)


def markdown(facts: Facts, kind: str, drawn: frozenset[str]) -> str:
    """card.md; the same facts give the same text.

    Args:
        drawn: the names of the pictures that there are.
    """
    folder, entries = promotions.card_folder(facts.name, kind), ledger.folder(facts.entry.dataset)

    def link(target: str | Path) -> str:
        return relative(project.root() / target if isinstance(target, str) else target, folder)

    return _render("card.md.jinja", facts, kind, pictures=drawn, link=link, entries=entries, bins=BINS,
                   coverages=COVERAGES,
                   entry_path=ledger.path_of(facts.entry), in_git=facts.name == promotions.IN_GIT,
                   promotions=link(promotions.file(facts.entry.dataset)))


def description(facts: Facts, kind: str = CHAMPION) -> str:
    """The card's short form for the registry, at most ``MOST_CHARACTERS``."""
    folder = relative(promotions.card_folder(facts.name, kind), project.root())
    text = _render("description.md.jinja", facts, kind, folder=folder)
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"


def write(folder: Path, facts: Facts, kind: str, measurement: Measurement, faces: Faces) -> None:
    """Write everything into an empty folder.

    Args:
        faces: as they came, which the measurement is of.
    """
    evaluation = Evaluation(facts.entry.figures, measurement.probabilities, facts.entry.milliseconds or 0.0,
                            facts.measured.robustness)
    write_predictions(folder / "predictions.csv", faces, facts.bundle, evaluation)
    pictures.draw(folder, facts, evaluation)
    (folder / FILE).write_text(json.dumps(facts.measured.as_json(), indent=1) + "\n", encoding="utf-8")
    write_text(folder, facts, kind)


def write_text(folder: Path, facts: Facts, kind: str) -> None:
    """Write card.md, card.html and description.md beside the pictures."""
    text = markdown(facts, kind, frozenset(path.name for path in folder.glob("*.png")))
    (folder / "card.md").write_text(text, encoding="utf-8")
    (folder / promotions.DESCRIPTION).write_text(description(facts, kind), encoding="utf-8")
    (folder / "card.html").write_text(page.page(f"Model card: {facts.title}", page.body(text)), encoding="utf-8")


def _render(template: str, facts: Facts, kind: str, **names: Any) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True,
                              undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["thousands"] = lambda number: f"{number:,}"
    environment.filters["percent"] = _percent
    # the ledger's first entries have intervals of another method
    environment.filters["wilson"] = lambda figures: wilson(round(figures["accuracy"] * figures["n"]), figures["n"])
    return environment.get_template(template).render(facts=facts, status=STATUS[kind], **names)


def _percent(share: float | None, digits: int = 2) -> str:
    return "not measured" if share is None else f"{100 * share:.{digits}f}"
