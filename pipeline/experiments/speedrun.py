"""``ferpipe speedrun``: the most accuracy that eight minutes of two cores buy, seed by seed; and the log of what was
tried for it (reports/speedrun.md).

``--try IDEA path=value ...`` trains the recipe with other values, measures it on PublicTest alone and adds a row to
the log. Without it the recipe ``speedrun`` is trained with every seed, from the prepared faces to a ledger entry.
"""

import argparse
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.experiments import elsewhere
from pipeline.experiments.elsewhere import Where
from pipeline.experiments.log import LOG, log
from pipeline.experiments.prepare import brought_home, prepared, recipe_on, trained
from pipeline.experiments.seeds import enter_all
from pipeline.faces.faces import Faces
from pipeline.params import params as parameters
from pipeline.params import recipe as recipes
from pipeline.params import resolved
from pipeline.params.overrides import values_of
from pipeline.params.params import Params
from pipeline.params.resolved import resolve
from pipeline.reporting.tables import results_table
from pipeline.system import project
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure
from pipeline.tracking import ledger
from pipeline.tracking.entry import Entry
from pipeline.training.importing import quiet

if TYPE_CHECKING:
    from pipeline.training.loop import Fitted

# The log's values are what differs from BASE
RECIPE, BASE = "speedrun", "compact"


def log_of(dataset: str) -> Path:
    """The log of what was tried on a data set; FER-2013's is in git."""
    return LOG if dataset == "fer2013" else Path("reports", dataset, LOG.name)


def page_of(dataset: str) -> Path:
    """The page that is generated from the log."""
    return log_of(dataset).with_suffix(".md")


def values_of_try(params: Params) -> str:
    """The values that differ from compact's, the epochs aside: ``train.optimizer=muon train.votes=0.4``."""
    config = {block: getattr(params, block).model_dump(mode="json") for block in resolved.BLOCKS}
    base = recipes.named(BASE)
    changes = resolved.changed(config, base)
    changes |= {} if params.classes == base["classes"] else {"classes": params.classes}
    return " ".join(f"{path}={value}" for path, value in sorted(changes.items()) if path != "train.epochs")


def logged(params: Params, idea: str) -> bool:
    """Whether the log has this try; where a rule may end it early, its epochs tell nothing."""
    same = {"idea": idea, "values": values_of_try(params), "seed": str(params.seed)}
    if not params.train.early_stopping:
        same["epochs"] = str(params.train.epochs)
    return any(same.items() <= row.items() for row in log(file=log_of(params.dataset)))


def attempt(seeds: list[Params], faces: Faces, idea: str, at: Where | None) -> None:
    """Train every seed that the log lacks, here or on a cluster, and measure it on PublicTest; a row of the log each.

    Raises Failure where trainings on a cluster fail, after the others.
    """
    if at is None:
        for params in seeds:
            with trained(params, prepared(params, faces)) as fitted:
                log(row(params, fitted, faces, idea), log_of(params.dataset))
            write_page(params.dataset)
        return
    failed = []
    with elsewhere.connected(at, lambda line: print(f"speedrun: {line}", flush=True)) as cluster:
        for params in seeds:
            balanced = prepared(params, faces)
            cluster.submit(params, f"{idea}, seed {params.seed}", resolve(params, balanced.manifest), balanced)
        for result in cluster.results():
            if result.out is None:
                failed.append(f"seed {result.tag.seed}: {result.error}")
                continue
            log(row(result.tag, brought_home(result.out), faces, idea), log_of(result.tag.dataset))
            write_page(result.tag.dataset)
    if failed:
        raise Failure(f"{idea}: {'; '.join(failed)}")


def row(params: Params, fitted: "Fitted", faces: Faces, idea: str) -> dict:
    """A training on PublicTest, as the log has it."""
    with quiet():
        from pipeline.training import loop, models

    public = faces.with_classes(params.classes).split("PublicTest")
    served = models.with_softmax(fitted.net)
    single, mirrored = (loop.predict(served, public.images, flip) for flip in (False, True))
    return {"idea": idea, "values": values_of_try(params), "seed": params.seed,
            "epochs": len(fitted.history), "parameters": fitted.net.count_params(),
            "minutes": f"{fitted.seconds / 60:.2f}",
            "single": f"{np.mean(single.argmax(1) == public.labels):.4f}",
            "flip": f"{np.mean((single + mirrored).argmax(1) == public.labels):.4f}"}


def page(tries: list[dict[str, str]], entries: list[Entry], dataset: str = "fer2013") -> str:
    """reports/speedrun.md: the recipe's row, and a row per idea with the mean and spread over its seeds."""
    if dataset == "fer2013":
        images = "(n = 3,589, one standard error 0.8 points)"
        base = ["The first is `compact` in twelve epochs, the others name what", "differs from it."]
    else:
        images, base = f"of {dataset}", ["The values name what differs from `compact`."]
    ideas = defaultdict(list)
    for attempted in tries:
        ideas[attempted["idea"], attempted["values"], attempted["epochs"], attempted["parameters"]].append(attempted)
    text = ["# The CPU speedrun", "",
            "What was tried to get the most accuracy out of a few minutes of two CPU cores. First the recipe as it is",
            "now; its 95 % intervals are Wilson's over the images with one seed, with several Student's t over the",
            "seeds for this fixed test set. Then every idea, in the order in which it was tried, on PublicTest",
            f"{images}. {base[0]}",
            f"{' '.join([*base[1:], 'Spread'])} is the standard deviation over seeds; minutes are the fastest run's, "
            "often on one", "core or beside other work, so compare the epochs instead. Every idea trains by the",
            "protocol *published* unless its values name `balance.drop_leaks`, and without extra labels unless",
            "they name `train.votes`.",
            "Generated by `ferpipe speedrun` from [speedrun.csv](speedrun.csv) and [the ledger](results).", "",
            results_table.table([entry for entry in entries if entry.recipe == RECIPE]), "",
            "| idea | values | PublicTest | flip | spread | seeds | epochs | parameters | minutes |",
            "|---|---|---|---|---|---|---|---|---|"]
    for (idea, values, epochs, count), group in ideas.items():
        single, flip = ([100 * float(attempted[view]) for attempted in group] for view in ("single", "flip"))
        spread = f"{np.std(single, ddof=1):.2f}" if len(group) > 1 else ""
        text.append(f"| {idea} | {values and f'`{values}`'} | {np.mean(single):.2f} | {np.mean(flip):.2f} | {spread} | "
                    f"{len(group)} | {epochs} | {int(count) / 1e6:.2f} M | "
                    f"{min(float(attempted['minutes']) for attempted in group):.1f} |")
    return "\n".join(text) + "\n"


def write_page(dataset: str) -> None:
    """Generate a data set's page, reports/speedrun.md for FER-2013, anew."""
    with atomic_file(project.root() / page_of(dataset)) as new:
        new.write_text(page(log(file=log_of(dataset)), ledger.entries(dataset), dataset), encoding="utf-8")


def main(argv: list[str] | None = None) -> None:
    """Train the speedrun's recipe with several seeds and enter them into the ledger; or try an idea on PublicTest."""
    parser = argparse.ArgumentParser("ferpipe speedrun", description=main.__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", metavar="SEED", default=[1, 2, 3], help="default: 1 2 3")
    parser.add_argument("--try", dest="idea", metavar="IDEA", help="a row for the log; PrivateTest stays closed")
    parser.add_argument("--page", action="store_true", help="only generate reports/speedrun.md anew")
    parser.add_argument("--dataset", metavar="DATASET", help="default: params.yaml's")
    parser.add_argument("values", nargs="*", metavar="path=value", help="with --try: train.optimizer=muon and the like")
    elsewhere.add_options(parser)
    options = parser.parse_intermixed_args(argv)
    at = elsewhere.where(options)
    values = values_of(options.values)
    if values and not options.idea and not options.page:
        raise Failure("ferpipe speedrun: other values make another recipe; name the idea with --try")
    dataset = options.dataset or parameters.load(recipe=RECIPE).dataset
    failed = 0
    if not options.page:
        recipe, faces = recipe_on(dataset, RECIPE, values)
        seeds = [recipe.override({"seed": seed}) for seed in options.seeds]
        if options.idea:
            for params in filter(lambda params: logged(params, options.idea), seeds):
                print(f"speedrun: {options.idea}, seed {params.seed}: is in {log_of(dataset)} already", flush=True)
            missing = [params for params in seeds if not logged(params, options.idea)]
            if missing:
                attempt(missing, faces, options.idea, at)
        else:
            for params, entered in enter_all(seeds, faces, at, "speedrun"):
                failed += isinstance(entered, Failure)
                print(f"speedrun: seed {params.seed}: {entered}", flush=True)
                write_page(dataset)
    write_page(dataset)
    print(f"speedrun: {page_of(dataset)}")
    if failed:
        raise Failure(f"{failed} of {len(options.seeds)} seeds failed; the same command trains those again")
