"""The pictures of reports/tuning.md: every arm with its interval, what a search saw, and trials a minute by workers."""

from contextlib import suppress
from pathlib import Path

from pipeline.experiments.tuning.evidence import Rows, counts, estimate, of_arm
from pipeline.experiments.tuning.plan import ARMS
from pipeline.system.atomic import atomic_folder
from pipeline.system.failure import Failure
from pipeline.system.plotting import BLUE, GRAY, GREEN, ORANGE, bare, save
from pipeline.tune import storage as studies
from pipeline.tune.report import pictures as report
from pipeline.tune.report.facts import of_study

FIGURES = {"held_out": "held-out half of PublicTest", "public": "all of PublicTest"}
COLOURS = dict(zip(ARMS, (BLUE, ORANGE, GREEN), strict=True))


def draw_arms(path: Path, rows: Rows) -> None:
    """The arms that have rows: mean and interval over the repeats, and the repeats as points."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots(1, len(FIGURES), sharey=True)
    for axis, (name, title) in zip(axes, FIGURES.items(), strict=True):
        for height, arm in enumerate(ARMS):
            whole = estimate(rows, arm, name)
            if whole is None:
                continue
            repeats = [100 * hits / images for hits, images in (counts(row, name) for row in of_arm(rows, arm))]
            axis.errorbar(100 * whole.mean, height, fmt="o", markersize=7, capsize=4, color=COLOURS[arm],
                          xerr=[[100 * (whole.mean - whole.low)], [100 * (whole.high - whole.mean)]])
            if len(repeats) > 1:
                axis.plot(repeats, [height + 0.16] * len(repeats), "o", markersize=3.5, color=GRAY)
        axis.set(yticks=range(len(ARMS)), yticklabels=[arm.title for arm in ARMS.values()],
                 ylim=(len(ARMS) - 0.5, -0.5), xlabel="accuracy, %")
        axis.set_title(title, fontsize=11)
        bare(axis)
    save(path, figure)


def draw_search(folder: Path, study: str, dataset: str) -> None:
    """A study's pictures, as the stage tune leaves them; they stay as they are where the study is not at hand."""
    import optuna

    where = studies.address(dataset)
    if where.file and not where.file.exists():
        return
    with suppress(Failure), studies.in_one_line(where):
        storage = studies.open_storage(where)
        if study in optuna.get_all_study_names(storage):
            facts = of_study(optuna.load_study(study_name=study, storage=storage))
            with atomic_folder(folder) as new:
                report.write(new, facts, report.importances(facts))
        storage.engine.dispose()


def draw_workers(path: Path, rows: Rows) -> None:
    """Trials a minute against workers, a line a storage, beside what as many workers would do that never wait."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axis = figure.subplots()
    most = max(int(row["workers"]) for row in rows)
    alone = 60 / (float(rows[0]["waits"]) + float(rows[0]["computes"]))
    axis.plot([1, most], [alone, most * alone], "--", color=GRAY, label="trials alone")
    storages = sorted({row["storage"] for row in rows})
    for storage, colour, mark in zip(storages, (BLUE, ORANGE), "os", strict=False):
        points = sorted((int(row["workers"]), float(row["per_minute"])) for row in rows if row["storage"] == storage)
        axis.plot(*zip(*points, strict=True), mark + "-", color=colour, label=storage)
    axis.set(xlabel="workers", ylabel="trials a minute", xticks=sorted({int(row["workers"]) for row in rows}),
             ylim=(0, None))
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    save(path, figure)
