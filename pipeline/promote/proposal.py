"""A promotion that a person approves: ``promote --propose`` writes card and decision, ``promote --approve`` moves.

The proposal is a folder in reports/, made to be read in a pull request: proposal.json is the record, decision.md the
same for a person, beside the card.
"""

import json
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from pipeline.bundle.bundle import Bundle
from pipeline.faces.faces import Faces
from pipeline.params.params import Params
from pipeline.promote import challenge
from pipeline.promote.card import measured
from pipeline.promote.card import writing as cards
from pipeline.system.atomic import atomic_folder
from pipeline.system.failure import Failure
from pipeline.tracking import ledger, promotions, registry, shelves
from pipeline.tracking.entering import register
from pipeline.tracking.promotions import PromotionRecord

FILE = "proposal.json"
DECISION = """\
# {model}: bundle {challenger} is proposed as champion

```
{verdict}
```

[Its card](card.md) says what it predicts, for whom, how well, and where it fails. Nothing has moved.

* To approve it, on a machine that has the bundle or the registry: `ferpipe promote --approve {model}`; commit what that
  changes.
* To refuse it, delete this folder.
"""


@promotions.one_at_a_time()
def propose(params: Params, challenger: Bundle, faces: Faces) -> PromotionRecord | None:
    """Compare a bundle with the champion; where it would be promoted, write its card and the decision, and move
    nothing. None if it is the champion already; a refusal is on record as that of a challenge is.

    Args:
        faces: as they came, with seven labels.
    """
    record = challenge.compare(params, challenger, faces)
    if record is None:
        return None
    if record.decision == promotions.PROMOTED:
        record = record.model_copy(update={"decision": promotions.PROPOSED})
        measurement = measured.measure(challenger, faces, params.evaluate)
        facts = cards.facts(record.model, record.challenger.version, challenger, measurement.measured, record)
        with atomic_folder(promotions.card_folder(record.model, cards.PROPOSAL)) as folder:
            cards.write(folder, facts, cards.PROPOSAL, measurement, faces)
            (folder / FILE).write_text(json.dumps(record.as_json(), indent=1) + "\n", encoding="utf-8")
            decision = DECISION.format(model=record.model, challenger=challenger.id,
                                       verdict=promotions.describe(record))
            (folder / "decision.md").write_text(decision, encoding="utf-8")
            promotions.append(challenger.provenance.dataset, record)
    else:
        promotions.append(challenger.provenance.dataset, record)
    registry.decide(record, record.challenger.version)
    print(f"promote: {promotions.describe(record)}")
    if record.decision == promotions.PROPOSED:
        folder = promotions.card_folder(record.model, cards.PROPOSAL)
        print(f"promote: nothing has moved; read {folder / 'decision.md'}")
    return record


@promotions.one_at_a_time()
def approve(name: str, bundle: Bundle | None = None) -> PromotionRecord:
    """Make what was proposed as the champion of a registered model its champion.

    Args:
        bundle: the proposed one; where none is given, it is looked for in data/ and then in the registry.

    Raises Failure where nothing is proposed, the bundle is another one, or the champion has changed since.
    """
    folder = promotions.card_folder(name, cards.PROPOSAL)
    proposed = _read(folder, name)
    with tempfile.TemporaryDirectory() as scratch:
        champion = challenge.champion_of(name, Path(scratch, "champion"))
        before = proposed.champion.bundle if proposed.champion else None
        if (champion.id if champion else None) != before:
            raise Failure(f"{folder}: compared with the champion {before or '(none)'}, and {name} has "
                          f"{champion.id if champion else 'none'} now; propose it again with `ferpipe promote "
                          "--propose`")
        challenger = bundle or _challenger(proposed, Path(scratch, "challenger"))
        if challenger.id != proposed.challenger.bundle:
            raise Failure(f"{challenger.folder}: is bundle {challenger.id}, and {folder} proposes "
                          f"{proposed.challenger.bundle}; name that one's folder")
        kept = measured.read(folder)
        if kept is None or kept.bundle != challenger.id:
            raise Failure(f"{folder}: its card is not that of bundle {challenger.id}; propose it again with `ferpipe "
                          "promote --propose`")
        version = register(name, challenger)
        record = proposed.model_copy(update={
            "time": datetime.now(UTC).isoformat(timespec="seconds"), "decision": promotions.PROMOTED,
            "challenger": proposed.challenger.model_copy(update={"version": version}), "proposed": proposed.time})
        facts = cards.facts(name, version, challenger, kept, record)

        def move(card: Path) -> None:
            for file in folder.iterdir():
                if file.name not in (FILE, "decision.md"):
                    shutil.copyfile(file, card / file.name)
            cards.write_text(card, facts, cards.CHAMPION)

        challenge.crown(facts, record, move)
    shutil.rmtree(folder)
    print(f"promote: {promotions.describe(record)}")
    return record


def only(dataset: str) -> str:
    """The registered model of a data set that something is proposed for. Raises Failure where it is not one."""
    names = sorted(_record(file).model for file in ledger.folder(dataset).parent.glob(f"{cards.PROPOSAL}*/{FILE}"))
    if len(names) != 1:
        raise Failure(f"{ledger.folder(dataset).parent}: {'nothing is' if not names else ', '.join(names) + ' are'} "
                      "proposed; " + ("propose a bundle with `ferpipe promote --propose`" if not names else
                                      "name one: `ferpipe promote --approve NAME`"))
    return names[0]


def _read(folder: Path, name: str) -> PromotionRecord:
    path = folder / FILE
    if not path.exists():
        raise Failure(f"{path}: nothing is proposed for {name}; propose a bundle with `ferpipe promote --propose`")
    record = _record(path)
    if record.model != name or record.decision != promotions.PROPOSED:
        raise Failure(f"{path}: expected a proposal for {name}, found {record.model}, {record.decision}; restore it "
                      "from git")
    return record


def _record(path: Path) -> PromotionRecord:
    return PromotionRecord.read(path.read_bytes(), path, "a proposal", "restore it from git")


def _challenger(record: PromotionRecord, scratch: Path) -> Bundle:
    at_hand = shelves.bundles("promote")
    if record.challenger.bundle in at_hand:
        return at_hand[record.challenger.bundle]
    try:
        return registry.download_bundle(record.model, record.challenger.version, scratch)
    except Failure as error:
        raise Failure(f"bundle {record.challenger.bundle}: not in data/ and not in the registry ({error}); name its "
                      f"folder: `ferpipe promote BUNDLE --approve {record.model}`") from error
