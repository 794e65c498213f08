"""The record of promotions and refusals: promotions.jsonl, one line each, in git; MLflow's aliases keep no history."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pipeline.bundle.record import Name, Record
from pipeline.faces.protocols import title
from pipeline.system.atomic import atomic_file
from pipeline.system.lock import exclusive
from pipeline.system.project import root
from pipeline.tracking import ledger

FORMAT: Literal[1] = 1
PROMOTED: Literal["promoted"] = "promoted"
REFUSED: Literal["refused"] = "refused"
# Good enough, and waiting for a person to approve it
PROPOSED: Literal["proposed"] = "proposed"
# PrivateTest, as the ledger has it, is in a record for information; its name says that it decided nothing
PUBLIC, CORRUPTED, PRIVATE = "PublicTest", "PublicTest, corrupted", "PrivateTest, not used"
# In a card's folder: its short form, which the registry shows; MLflow's column takes 5,000 characters
DESCRIPTION = "description.md"
# The registered model whose champion is in git
IN_GIT = "fer2013-7"


class Contender(Record):
    """A bundle in a promotion."""

    bundle: Name
    run_id: str | None
    recipe: str
    seed: int
    protocol: str
    edition: str


class Challenger(Contender):
    """The bundle that wants to become champion, its version in the registry and its recall per class."""

    version: str
    recalls: dict[str, float]


class Accuracies(Record):
    """Single-view accuracies on a split of ``n`` images; None without a champion or without a figure in the ledger."""

    n: int | None
    challenger: float | None
    champion: float | None


class FacesUsed(Record):
    """The faces that both were compared on."""

    edition: str
    digest: str


class PromotionRecord(Record):
    """A challenge, its evidence and its outcome.

    Attributes:
        time: ISO 8601.
        model: the registered model, ``fer2013-7``.
        gain: in accuracy on PublicTest; None without a champion, as is ``probability``, that of the gain exceeding the
            gate.
        corrupted_gain: the same on PublicTest under the corruptions, in the mean over them; None also where a model is
            too large to be measured on them. The first records lack it, as they do its probability and ``corrupted``.
        challengers: how many models have been compared on these faces of PublicTest, this one included: the more, the
            likelier the best is lucky. The first records lack it.
        gates: what the challenger had to reach.
        private: PrivateTest, which decided nothing.
        proposed: when a promotion that a person approved was proposed, ISO 8601.
    """

    format: Literal[1] = FORMAT
    time: str
    model: Name
    decision: Literal["promoted", "refused", "proposed"]
    reasons: tuple[str, ...]
    gain: float | None
    probability: float | None
    corrupted_gain: float | None = None
    corrupted_probability: float | None = None
    challengers: int | None = None
    gates: dict[str, Any]
    challenger: Challenger
    champion: Contender | None
    public: Accuracies = Field(validation_alias=PUBLIC, serialization_alias=PUBLIC)
    corrupted: Accuracies | None = Field(None, validation_alias=CORRUPTED, serialization_alias=CORRUPTED)
    private: Accuracies = Field(validation_alias=PRIVATE, serialization_alias=PRIVATE)
    faces: FacesUsed
    proposed: str | None = None

    @property
    def pair(self) -> tuple[str, str | None]:
        """The bundles that were compared."""
        return self.challenger.bundle, self.champion.bundle if self.champion else None


def file(dataset: str) -> Path:
    """Where a data set's records are; the drawn sample's are not in git."""
    return ledger.folder(dataset).parent / "promotions.jsonl"


def card_folder(model: str, kind: str = "champion") -> Path:
    """Where the card of a registered model's champion, or of its ``proposal``, lies.

    Those of the champion in git are in reports/champion and reports/proposal; other models' are outside git.
    """
    dataset, _, class_set = model.rpartition("-")
    return ledger.folder(dataset).parent / (kind if model == IN_GIT else f"{kind}-{class_set}")


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Whoever compares models with a champion, replaces it or adds a record holds this, also as a decorator."""
    with exclusive(root() / "data" / ".promote.lock", "promote"):
        yield


def records(dataset: str) -> list[PromotionRecord]:
    """All records, the oldest first. Raises Failure for a line that is not one."""
    path = file(dataset)
    text = path.read_bytes() if path.exists() else b""
    return [PromotionRecord.read(line, f"{path}, line {number}", "the record of a promotion", "restore it from git")
            for number, line in enumerate(text.splitlines(), 1) if line.strip()]


@one_at_a_time()
def append(dataset: str, record: PromotionRecord) -> None:
    """Add a record, unless it is there already: a refusal ever, a proposal since the last promotion, a promotion as
    the last record."""
    earlier = [other for other in records(dataset) if other.model == record.model]
    # a model that lost the title may win it back, which is news; a refusal never is
    if record.decision == PROMOTED:
        earlier = earlier[-1:]
    elif record.decision == PROPOSED:
        last = max((index for index, other in enumerate(earlier) if other.decision == PROMOTED), default=-1)
        earlier = earlier[last + 1 :]
    if any((other.decision, other.pair) == (record.decision, record.pair) for other in earlier):
        return
    path = file(dataset)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if text and not text.endswith("\n"):  # an editor may leave that out
        text += "\n"
    with atomic_file(path) as new:
        new.write_text(text + record.to_line(), encoding="utf-8")


def champions(dataset: str) -> dict[str, str]:
    """The bundle that was promoted last, per registered model."""
    return {record.model: record.challenger.bundle for record in records(dataset) if record.decision == PROMOTED}


@dataclass(frozen=True)
class Champion:
    """A bundle that was promoted or proposed, with its accuracies; None for what was not measured. ``record`` is of its
    promotion or proposal, None where the champion was put in its place by hand."""

    record: PromotionRecord | None
    contender: Contender
    public: float | None
    corrupted: float | None
    private: float | None


def succession(dataset: str, last: PromotionRecord) -> list[Champion]:
    """The champions of a registered model on the same faces, the oldest first, up to the challenger of a record.

    What a champion reached on corrupted faces may first have been measured when it was challenged.
    """
    known = [record for record in records(dataset)
             if (record.model, record.faces.digest) == (last.model, last.faces.digest)]
    measured = {record.champion.bundle: record.corrupted.champion for record in known
                if record.champion and record.corrupted}
    until = known[: known.index(last)] if last in known else known
    line = [Champion(record, record.challenger, record.public.challenger,
                     record.corrupted.challenger if record.corrupted else measured.get(record.challenger.bundle),
                     record.private.challenger)
            for record in [*(record for record in until if record.decision == PROMOTED), last]]
    before = last.champion
    if before and (len(line) == 1 or line[-2].contender.bundle != before.bundle):
        line.insert(-1, Champion(None, before, last.public.champion, measured.get(before.bundle) or (
            last.corrupted.champion if last.corrupted else None), last.private.champion))
    return line


def challengers(dataset: str, model: str, digest: str, bundle: str, corrupted: bool = False) -> int:
    """How many different bundles have challenged for a registered model on these faces, ``bundle`` included.

    Args:
        digest: of the faces.
        corrupted: count those alone that were compared on corrupted faces too.
    """
    return _challengers(records(dataset), model, digest, bundle, corrupted)


def challengers_until(dataset: str, record: PromotionRecord, corrupted: bool = False) -> int:
    """How many different bundles had challenged when this record was made, its own included; ``corrupted`` as of
    ``challengers``. Where the record does not say it, it is counted from the records up to it."""
    if record.challengers is not None and not corrupted:
        return record.challengers
    known = records(dataset)
    until = known[: known.index(record) + 1] if record in known else known
    return _challengers(until, record.model, record.faces.digest, record.challenger.bundle, corrupted)


def _challengers(known: list[PromotionRecord], model: str, digest: str, bundle: str, corrupted: bool) -> int:
    return len({bundle} | {record.challenger.bundle for record in known
                           if (record.model, record.faces.digest) == (model, digest)
                           and not (corrupted and record.corrupted_gain is None)})


def describe(record: PromotionRecord) -> str:
    """A record for a person: the verdict with its reasons, and a small table."""
    corrupted = record.corrupted or Accuracies(n=None, challenger=None, champion=None)
    verbs = {PROMOTED: "is the champion now", REFUSED: "is refused", PROPOSED: "is proposed as champion"}
    rows = [f"{record.model} version {record.challenger.version} {verbs[record.decision]}: {'; '.join(record.reasons)}",
            f"{'':<12}{'bundle':<14}{'protocol':<22}{PUBLIC:>12}{CORRUPTED:>23}{PRIVATE:>23}"]
    roles = [("challenger", record.challenger, record.public.challenger, corrupted.challenger,
              record.private.challenger),
             ("champion", record.champion, record.public.champion, corrupted.champion, record.private.champion)]
    for role, contender, public, robust, private in roles:
        if contender is not None:
            rows.append(f"{role:<12}{contender.bundle:<14}{title(contender.protocol):<22}{_percent(public):>12}"
                        f"{_percent(robust, 'not measured'):>23}{_percent(private):>23}")
    return "\n".join(rows)


def _percent(accuracy: float | None, missing: str = "not in the ledger") -> str:
    return missing if accuracy is None else f"{100 * accuracy:.2f} %"
