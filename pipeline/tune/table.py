"""reports/DATASET/trials.csv: the study's trials, a row each."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.system.atomic import atomic_file
from pipeline.tune.slots import epochs_run


def write(path: Path, trials: Mapping[int, Any], dimensions: Iterable[str]) -> None:
    """Write the trials that count, sorted by slot: nothing in it depends on who ran them, and when.

    Its columns are slot, state (complete, pruned), PublicTest accuracy after so many epochs, the values by path, and
    in a study that weighs speed the milliseconds per face.
    """
    columns = list(dimensions)
    speed = ["milliseconds"] if any(len(trial.values or ()) > 1 for trial in trials.values()) else []
    with atomic_file(path) as new, new.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["slot", "state", "accuracy", "epochs", *columns, *speed])
        for slot, trial in sorted(trials.items()):
            accuracy, milliseconds = [*(round(figure, 6) for figure in trial.values or ()), "", ""][:2]
            table.writerow([slot, trial.state.name.lower(), accuracy, epochs_run(trial),
                            *(trial.params.get(column, "") for column in columns), *([milliseconds] if speed else [])])
