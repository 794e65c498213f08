"""``ferpipe promote``: the trained model challenges the champion, on PublicTest, now, with evidence.

A command, not a stage: DVC skips the side effects of cached stages. Running it twice changes nothing the second time.
"""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.bundle.bundle import LEFT_OUT, PROMOTION, Bundle, check_faces
from pipeline.evaluate import robustness
from pipeline.faces.faces import Faces
from pipeline.params.params import Evaluate, Params
from pipeline.promote.card import measured
from pipeline.promote.card import writing as cards
from pipeline.promote.card.facts import Facts
from pipeline.promote.decision import MOST_BYTES, RESAMPLES, Answers, Decision, decide
from pipeline.system.atomic import atomic_folder
from pipeline.system.project import champion_folder
from pipeline.tracking import ledger, promotions, registry
from pipeline.tracking.entering import register, register_champion
from pipeline.tracking.entry import Figures
from pipeline.tracking.promotions import (
    IN_GIT,
    Accuracies,
    Challenger,
    Contender,
    FacesUsed,
    PromotionRecord,
)


@dataclass(frozen=True)
class Score:
    """A bundle on PublicTest: right or wrong on each image, and its recall per class."""

    bundle: Bundle
    answers: Answers
    recalls: dict[str, float]

    @property
    def accuracy(self) -> float:
        return round(float(self.answers.clean.mean()), 6)

    @property
    def corrupted(self) -> float | None:
        """The mean accuracy on corrupted faces; None where that was not measured."""
        corrupted = self.answers.corrupted
        return None if corrupted is None else round(float(corrupted.mean()), 6)

    @property
    def contender(self) -> Contender:
        """The bundle as a promotion's record has it."""
        provenance = self.bundle.provenance
        return Contender(bundle=self.bundle.id, run_id=self.bundle.run_id, recipe=provenance.recipe,
                         seed=provenance.seed, protocol=provenance.protocol, edition=provenance.edition)


def scores(bundles: list[Bundle], faces: Faces, settings: Evaluate) -> list[Score]:
    """Bundles of one class set, single view, on faces as they came (seven labels).

    On corrupted ones too, unless a bundle is too large for it.
    """
    public = faces.with_classes(bundles[0].class_set).split("PublicTest")
    corrupted: list[np.ndarray | None] = [None] * len(bundles)
    if all(robustness.is_measured(bundle, settings) for bundle in bundles):
        corrupted = [*robustness.correct(bundles, public)]
    return [_score(bundle, public, views) for bundle, views in zip(bundles, corrupted, strict=True)]


def _score(bundle: Bundle, public: Faces, corrupted: np.ndarray | None) -> Score:
    correct = bundle.predict(public.images).argmax(axis=1) == public.labels
    recalls = {name: float(correct[public.labels == index].mean()) if (public.labels == index).any() else 0.0
               for index, name in enumerate(bundle.classes)}
    return Score(bundle, Answers(correct, corrupted), recalls)


@promotions.one_at_a_time()
def promote(params: Params, challenger: Bundle, faces: Faces) -> PromotionRecord | None:
    """Let a bundle challenge the champion of its registered model; None if it is the champion already.

    Only one process does this at a time: what it compares with stays the champion until it has decided.

    Args:
        faces: as they came, with seven labels.
    """
    record = compare(params, challenger, faces)
    if record is None:
        return None
    if record.decision == promotions.PROMOTED:
        measurement = measured.measure(challenger, faces, params.evaluate)
        facts = cards.facts(record.model, record.challenger.version, challenger, measurement.measured, record)
        crown(facts, record, lambda folder: cards.write(folder, facts, cards.CHAMPION, measurement, faces))
    else:
        promotions.append(challenger.provenance.dataset, record)
        registry.decide(record, record.challenger.version)
    print(f"promote: {promotions.describe(record)}")
    return record


def compare(params: Params, challenger: Bundle, faces: Faces) -> PromotionRecord | None:
    """The decision on a bundle that challenges the champion; it moves nothing and is not on record yet. None if it is
    the champion already."""
    check_faces(challenger.provenance, faces.manifest, challenger.folder)
    dataset = challenger.provenance.dataset
    name = f"{dataset}-{challenger.class_set}"
    with tempfile.TemporaryDirectory() as folder:
        champion = champion_of(name, Path(folder))
        if champion is not None and champion.id == challenger.id:
            print(f"promote: {challenger.id} is already champion of {name}; nothing changes")
            return None
        new, *others = scores([challenger, champion] if champion else [challenger], faces, params.evaluate)
    old = others[0] if others else None
    version = register(name, challenger)
    challengers, challengers_corrupted = (
        promotions.challengers(dataset, name, faces.manifest["digest"], challenger.id, corrupted)
        for corrupted in (False, True))
    registry.alias(name, "challenger", version)
    decision = decide(new.answers, old.answers if old else None, new.recalls, params.promote, params.seed,
                      _bytes_to_serve(challenger) if name == IN_GIT else None, _size_advice(challenger), challengers,
                      challengers_corrupted)
    return _record(name, version, new, old, decision, params, faces, challengers)


def crown(facts: Facts, record: PromotionRecord, write_card: Callable[[Path], None]) -> None:
    """Make a bundle the champion: in the registry with its card, on record, and for ``IN_GIT`` in git.

    Args:
        facts: of its card.
        record: of its promotion.
        write_card: writes the card into an empty folder.
    """
    challenger, dataset = facts.bundle, facts.bundle.provenance.dataset
    card = promotions.card_folder(record.model)
    with atomic_folder(card) as draft:
        write_card(draft)
        if record.model == IN_GIT:
            # the folder in git is replaced only when the record is written too
            with atomic_folder(champion_folder()) as folder:
                copy(challenger, folder)
                (folder / PROMOTION).write_text(json.dumps(_caption(record)) + "\n", encoding="utf-8")
                promotions.append(dataset, record)
        else:
            promotions.append(dataset, record)
    registry.decide(record, record.challenger.version)
    registry.describe(record.model, record.challenger.version, card)


def _caption(record: PromotionRecord) -> dict[str, Any]:
    """What lies beside the champion in git, for the demo: see ``bundle.PROMOTION``."""
    robust = record.corrupted.challenger if record.corrupted else None
    return {"name": record.model, "version": int(record.challenger.version), "PublicTest": record.public.challenger,
            **({} if robust is None else {"corrupted": robust}), "challengers": record.challengers,
            "protocol": record.challenger.protocol, "edition": record.challenger.edition,
            "bundle": record.challenger.bundle}


def _private(score: Score | None) -> Figures | None:
    """A bundle's single-view figures on PrivateTest, from the ledger: a promotion does not open that split."""
    entry = ledger.recorded(score.bundle) if score else None
    return entry.figures.get("PrivateTest", {}).get("single") if entry else None


def champion_of(name: str, folder: Path) -> Bundle | None:
    """The champion: for fer2013-7 the committed one, which is registered where it is not yet; else the alias's."""
    known = registry.champion(name)
    if name == IN_GIT and (champion_folder() / "bundle.json").exists():
        bundle = Bundle.load(champion_folder())
        if known is None or known[1] != bundle.id:
            register_champion(name, bundle)
        return bundle
    return registry.download_bundle(name, known[0], folder) if known else None


def _served(bundle: Bundle) -> list[str]:
    """The files of a bundle that serving needs."""
    return [name for name in ("bundle.json", *bundle.manifest.files) if name not in LEFT_OUT]


def copy(bundle: Bundle, folder: Path) -> None:
    """Copy the files of a bundle that serving needs into an empty folder.

    Raises Failure where the bundle's folder has another one by now.
    """
    for name in _served(bundle):
        shutil.copyfile(bundle.folder / name, folder / name)
    bundle.check_unchanged(folder)


def _bytes_to_serve(bundle: Bundle) -> int:
    return sum((bundle.folder / name).stat().st_size for name in _served(bundle))


def _size_advice(bundle: Bundle) -> str:
    """What helps where a bundle is too large for git."""
    if bundle.provenance.recipe == ledger.ENSEMBLE:
        folder = f"data/{bundle.provenance.dataset}/ensembles/{bundle.id}"
        return f"the committed champion stays small; show the ensemble with `ferpipe demo --model {folder}`"
    return "train a smaller network (model.width in params.yaml)"


def _record(name: str, version: str, new: Score, old: Score | None, decision: Decision, params: Params,
            faces: Faces, challengers: int) -> PromotionRecord:
    new_private, old_private = _private(new), _private(old)
    measured = new_private or old_private
    return PromotionRecord(
        format=promotions.FORMAT,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        model=name,
        decision=promotions.PROMOTED if decision.promote else promotions.REFUSED,
        reasons=decision.reasons,
        gain=round(decision.clean.gain, 6) if decision.clean else None,
        probability=decision.clean.probability if decision.clean else None,
        corrupted_gain=round(decision.corrupted.gain, 6) if decision.corrupted else None,
        corrupted_probability=decision.corrupted.probability if decision.corrupted else None,
        challengers=challengers,
        gates={**params.promote.model_dump(), "resamples": RESAMPLES, "seed": params.seed,
               "most_bytes": MOST_BYTES if name == IN_GIT else None},
        challenger=Challenger(**dict(new.contender), version=version,
                              recalls={label: round(recall, 6) for label, recall in new.recalls.items()}),
        champion=old.contender if old else None,
        public=Accuracies(n=len(new.answers.clean), challenger=new.accuracy, champion=old.accuracy if old else None),
        corrupted=Accuracies(n=None if new.corrupted is None else len(new.answers.clean), challenger=new.corrupted,
                             champion=old.corrupted if old else None),
        private=Accuracies(n=measured["n"] if measured else None,
                           challenger=new_private["accuracy"] if new_private else None,
                           champion=old_private["accuracy"] if old_private else None),
        faces=FacesUsed(edition=faces.manifest["edition"], digest=faces.manifest["digest"]),
    )
