"""The record of what was promoted and refused: promotions.jsonl, one line each, in git; MLflow's aliases keep none."""

import json
from pathlib import Path

from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure
from pipeline.tracking import ledger

PROMOTED, REFUSED = "promoted", "refused"
# PrivateTest, as the ledger has it, stands in a line for information; its name says that it decided nothing
PUBLIC, PRIVATE = "PublicTest", "PrivateTest, not used"


def file(dataset: str) -> Path:
    """Where a data set's lines are; the drawn sample's are not in git."""
    return ledger.folder(dataset).parent / "promotions.jsonl"


def lines(dataset: str) -> list[dict]:
    """All lines, the oldest first."""
    path = file(dataset)
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as error:
        raise Failure(f"{path}: not lines of JSON ({error}); restore it from git") from error


def append(dataset: str, line: dict) -> None:
    """Add a line, unless it is a refusal that is on record or the promotion that was recorded last."""
    old = [one for one in lines(dataset) if one["model"] == line["model"]]
    on_record = old if line["decision"] == REFUSED else old[-1:]
    if any(_pair(one) == _pair(line) for one in on_record):
        return
    path = file(dataset)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    with atomic_file(path) as new:
        new.write_text(text + json.dumps(line) + "\n", encoding="utf-8")


def champions(dataset: str) -> dict[str, str]:
    """The bundle that was promoted last, per registered model."""
    return {line["model"]: line["challenger"]["bundle"] for line in lines(dataset) if line["decision"] == PROMOTED}


def describe(line: dict) -> str:
    """A line for a person: the verdict with its reasons, and a small table."""
    verb = "is the champion now" if line["decision"] == PROMOTED else "is refused"
    rows = [f"{line['model']} version {line['challenger']['version']} {verb}: {'; '.join(line['reasons'])}",
            f"{'':<12}{'bundle':<14}{'protocol':<12}{PUBLIC:>12}{PRIVATE:>23}"]
    for role in ("challenger", "champion"):
        if line[role]:
            public, private = (_share(line[split][role]) for split in (PUBLIC, PRIVATE))
            rows.append(f"{role:<12}{line[role]['bundle']:<14}{line[role]['protocol']:<12}{public:>12}{private:>23}")
    return "\n".join(rows)


def _share(accuracy: float | None) -> str:
    return "not in the ledger" if accuracy is None else f"{100 * accuracy:.2f} %"


def _pair(line: dict) -> tuple:
    champion = line["champion"]["bundle"] if line["champion"] else None
    return line["decision"], line["challenger"]["bundle"], champion
# The registered model whose champion is in git
IN_GIT = "fer2013-7"
