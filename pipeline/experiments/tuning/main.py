"""``ferpipe bench-tune``: does the search pay, and how does it scale with its workers?"""

import argparse
from pathlib import Path
from typing import Any

from pipeline.experiments.log import log
from pipeline.experiments.tuning import arm, page, pictures, workers
from pipeline.experiments.tuning.evidence import of_arm
from pipeline.experiments.tuning.plan import ARMS, MINUTES, RECIPE, REPEATS, reports
from pipeline.params import params as parameters
from pipeline.system import project
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure

COLUMNS = ("arm", "repeat", "minutes", "trials", "pruned", "search", "slot", "epochs", "best_epoch", "length", "chosen",
           "held_out", "values", "study", "machine")
WORKERS = ("storage", "workers", "trials", "waits", "computes", "seconds", "per_minute", "cores", "load")


def rows_of(dataset: str) -> list[dict[str, str]]:
    """The arms' repeats that have been run."""
    return log(file=reports(dataset) / "tuning.csv", columns=COLUMNS)


def workers_of(dataset: str) -> list[dict[str, str]]:
    """What has been measured of the workers: of each storage and number the last."""
    rows = log(file=reports(dataset) / "tuning-workers.csv", columns=WORKERS)
    return list({(row["storage"], row["workers"]): row for row in rows}.values())


def write_page(dataset: str) -> Path:
    """Generate the page and its pictures anew; the page's path."""
    folder = project.root() / reports(dataset)
    rows, scaling = rows_of(dataset), workers_of(dataset)
    if rows:
        pictures.draw_arms(folder / "tuning.png", rows)
    if searches := of_arm(rows, "tpe"):
        pictures.draw_search(folder / "tuning", searches[0]["study"], dataset)
    if scaling:
        pictures.draw_workers(folder / "tuning-workers.png", scaling)
    seen = [f"tuning/{path.name}" for path in sorted((folder / "tuning").glob("*.png"))]
    text = page.page(rows, scaling, any("votes" in row["values"] for row in rows), seen)
    with atomic_file(folder / "tuning.md") as new:
        new.write_text(text, encoding="utf-8")
    return reports(dataset) / "tuning.md"


def compare(names: list[str], repeats: list[int], minutes: float, dataset: str) -> None:
    """Run what is missing of the arms and repeats; with another budget than the page's their rows are printed only."""
    for repeat in repeats:
        for name in names:
            done = {(row["arm"], row["repeat"]) for row in rows_of(dataset)}
            if minutes == MINUTES and (name, str(repeat)) in done:
                print(f"bench-tune: {ARMS[name].title}, repeat {repeat}: is in {reports(dataset) / 'tuning.csv'}",
                      flush=True)
                continue

            def record(row: dict[str, Any]) -> None:
                print("bench-tune: " + ", ".join(f"{column} {value}" for column, value in row.items()), flush=True)
                if minutes == MINUTES:
                    log(row, reports(dataset) / "tuning.csv", COLUMNS)
                    write_page(dataset)

            print(f"bench-tune: {ARMS[name].title}, repeat {repeat}", flush=True)
            arm.run(name, repeat, minutes, dataset, record)


def scale(counts: list[int], trials: int, dataset: str) -> None:
    """Measure with so many workers, each number in turn; of each the page has the last measurement."""
    for count in counts:
        row = workers.measured(count, trials, dataset)
        print("bench-tune: " + ", ".join(f"{column} {value}" for column, value in row.items()), flush=True)
        if trials < workers.TRIALS:
            continue
        log(row, reports(dataset) / "tuning-workers.csv", WORKERS)
        write_page(dataset)


def main(argv: list[str] | None = None) -> None:
    """Compare TPE, random search and more epochs of the recipe's own values at the same CPU time: nine times forty
    CPU-minutes, which the same command continues after every trial; or measure how the search scales with workers."""
    parser = argparse.ArgumentParser("ferpipe bench-tune", description=main.__doc__)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="default: all three")
    parser.add_argument("--repeats", type=int, nargs="+", metavar="SEED", default=list(REPEATS), help="default: 1 2 3")
    parser.add_argument("--minutes", type=float, default=MINUTES,
                        help=f"of CPU time (default {MINUTES:g}); with another number the figures are printed only")
    parser.add_argument("--workers", type=int, nargs="+", metavar="N",
                        help="cheap trials with so many workers instead, in the storage in force (OPTUNA_STORAGE)")
    parser.add_argument("--trials", type=int, default=workers.TRIALS,
                        help=f"with --workers (default {workers.TRIALS}); with fewer the figures are printed only")
    parser.add_argument("--page", action="store_true", help="only generate reports/tuning.md anew")
    parser.add_argument("--dataset", metavar="DATASET", help="default: params.yaml's")
    options = parser.parse_args(argv)
    if options.minutes <= 0 or options.trials < 1 or min(options.workers or [1]) < 1:
        parser.error("--minutes, --trials and --workers above 0")
    if unknown := set(options.repeats) - set(REPEATS):
        parser.error(f"--repeats: {min(unknown)} is not of the plan, which has {', '.join(map(str, REPEATS))}")
    dataset = options.dataset or parameters.load(recipe=RECIPE).dataset
    if options.workers:
        scale(options.workers, options.trials, dataset)
    elif not options.page:
        compare(options.arms, options.repeats, options.minutes, dataset)
    elif not rows_of(dataset) and not workers_of(dataset):
        raise Failure(f"ferpipe bench-tune: {reports(dataset)} has no figures of it; run it without --page")
    if options.page or (options.trials >= workers.TRIALS and options.minutes == MINUTES):
        print(f"bench-tune: {write_page(dataset)}")
