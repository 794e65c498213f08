"""The log of what was tried: a CSV file, one row per training."""

import csv
from collections.abc import Mapping
from pathlib import Path

from pipeline.system import project
from pipeline.system.atomic import atomic_file

LOG = Path("reports/speedrun.csv")
COLUMNS = ("idea", "values", "seed", "epochs", "parameters", "minutes", "single", "flip")


def log(row: Mapping[str, object] | None = None, file: Path = LOG,
        columns: tuple[str, ...] = COLUMNS) -> list[dict[str, str]]:
    """The rows of a log, a CSV file of these columns, after ``row`` has been added, where one is given."""
    path = project.root() / file
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.exists() else []
    if row is not None:
        rows.append({name: str(value) for name, value in row.items()})
        with atomic_file(path) as new, open(new, "w", newline="", encoding="utf-8") as opened:
            writer = csv.DictWriter(opened, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return rows
