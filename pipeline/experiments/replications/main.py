"""``ferpipe replicate NAME ...``: train a replication's variants, measure them on PublicTest, and publish the result.

A variant and seed that reports/replications/NAME.csv holds is not trained again, and one that another replication has
trained with the same values is copied from there; so a replication can be spread over days, or over a cluster's nodes.
"""

import argparse
from pathlib import Path

import numpy as np

from pipeline.experiments import elsewhere
from pipeline.experiments.log import log
from pipeline.experiments.prepare import brought_home, downloaded, prepared, trained
from pipeline.experiments.replications import combined, measuring, page, picture, plan
from pipeline.experiments.replications.plan import Replication
from pipeline.faces.faces import EMOTIONS, Faces
from pipeline.params import params as parameters
from pipeline.params.params import Params
from pipeline.params.resolved import resolve
from pipeline.system import project
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure
from pipeline.training.importing import quiet

FOLDER, PAGE = Path("reports/replications"), Path("reports/replications.md")
# Accuracies and recalls are written as hits/images
COLUMNS = ("variant", "recipe", "values", "seed", "epochs", "best_epoch", "parameters", "minutes", "accuracy",
           "training", "seen", *EMOTIONS, "corrupted")


def entries_of(name: str) -> list[dict[str, str]]:
    """The entries of a replication that were trained as its file asks for now."""
    replication = plan.named(name)
    current = {(row, *replication.identity(row)) for row in replication.rows}
    return [entry for entry in log(file=FOLDER / f"{name}.csv", columns=COLUMNS)
            if (entry["variant"], entry["recipe"], entry["values"]) in current]


def thinned(faces: Faces, share: float, seed: int) -> Faces:
    """This share of every class's Training images, at random, in their order; the other splits whole."""
    rng = np.random.default_rng(seed)
    kept = faces.splits != "Training"
    for label in np.unique(faces.labels):
        rows = np.flatnonzero((faces.splits == "Training") & (faces.labels == label))
        kept[rng.choice(rows, round(share * len(rows)), replace=False)] = True
    return faces.take(kept)


def key_of(replication: Replication, row: str, seed: int) -> dict[str, str]:
    """The columns that identify an entry of a replication."""
    recipe, values = replication.identity(row)
    return {"variant": row, "recipe": recipe, "values": values, "seed": str(seed)}


def has(name: str, key: dict[str, str]) -> bool:
    """Whether a replication's file has this entry."""
    return any(key.items() <= entry.items() for entry in entries_of(name))


def add(name: str, key: dict[str, str], figures: dict) -> None:
    """Add an entry to a replication's file, unless it has it."""
    if not has(name, key):
        log({**figures, **key}, FOLDER / f"{name}.csv", COLUMNS)


def replicate(name: str, variant: str, seed: int) -> bool:
    """Train a variant, or copy its entry from another replication; False when its entry existed."""
    replication = plan.named(name)
    key = key_of(replication, variant, seed)
    if has(name, key):
        return False
    same = {**key, "variant": ""}
    # An ensemble needs its networks' predictions, which another replication's entry does not have
    others = () if replication.ensembles else plan.names()
    for other in others:
        for entry in entries_of(other):
            if same.items() <= {**entry, "variant": ""}.items():
                print(f"replicate: {name}, {variant}, seed {seed}: trained before as {other}, {entry['variant']}")
                add(name, key, entry)
                return True
    train(name, variant, seed)
    return True


def configured(replication: Replication, variant: str, seed: int) -> tuple[Params, float]:
    """A variant's parameters and the share of Training that it learns from."""
    recipe, values = replication.training(variant)
    share = values.pop("training_share", 1.0)
    return parameters.load(recipe=recipe).override({"dataset": "fer2013", "seed": seed, **values}), share


def training_of(name: str, variant: str, seed: int) -> tuple[Params, Faces]:
    """A variant's parameters and the faces that it is trained on; says so."""
    params, share = configured(plan.named(name), variant, seed)
    faces = downloaded(params)
    if share < 1:
        faces = thinned(faces, share, params.seed)
    faces = prepared(params, faces)
    print(f"replicate: {name}, {variant}, seed {seed}: {params.train.epochs} epochs of "
          f"{int((faces.splits == 'Training').sum()):,} images", flush=True)
    return params, faces


def train(name: str, variant: str, seed: int) -> None:
    """Train a variant and add its entry; an interrupted training resumes after its last epoch."""
    params, faces = training_of(name, variant, seed)
    with quiet():
        from pipeline.training import loop
    try:
        with trained(params, faces) as fitted:
            enter(name, variant, seed, fitted, faces)
    except loop.Diverged as error:
        print(f"replicate: {error}")
        add(name, key_of(plan.named(name), variant, seed), measuring.diverged(params, faces))


def enter(name: str, variant: str, seed: int, fitted, faces: Faces) -> None:
    """Measure a trained variant and add its entry, and what its replication's ensembles need of it."""
    replication = plan.named(name)
    if replication.ensembles:
        file = combined.predictions_file(name, replication, variant, seed)
        combined.keep_predictions(file, fitted.net, faces)
    figures = measuring.measured(fitted, faces)
    if "corrupted" in replication.measures:
        figures["corrupted"] = measuring.corrupted(fitted, faces)
    add(name, key_of(replication, variant, seed), figures)


def train_elsewhere(trainings: list[tuple[str, str, int]], at: elsewhere.Where) -> None:
    """``train`` for many (replication, variant, seed) at a time, on a cluster.

    Raises Failure where some fail, after the others.
    """
    failed = []
    with elsewhere.connected(at, lambda line: print(f"replicate: {line}", flush=True)) as cluster:
        for name, variant, seed in trainings:
            params, faces = training_of(name, variant, seed)
            cluster.submit((name, variant, seed), f"{name}, {variant}, seed {seed}", resolve(params, faces.manifest),
                           faces)
        for result in cluster.results():
            name, variant, seed = result.tag
            if result.out is None and not result.diverged:
                failed.append(f"{name}, {variant}, seed {seed}: {result.error}")
                continue
            # made again: the faces of all trainings at a time may be more than fits into memory
            params, faces = training_of(name, variant, seed)
            if result.out is None:
                print(f"replicate: {result.error}")
                add(name, key_of(plan.named(name), variant, seed), measuring.diverged(params, faces))
            else:
                enter(name, variant, seed, brought_home(result.out), faces)
            publish()
    if failed:
        raise Failure("; ".join(failed))


def missing(seeds_of: dict[str, list[int]]) -> list[tuple[str, str, int]]:
    """What has to be trained for these replications with these seeds, each training once: (replication, variant, seed).

    One that another replication has trained, or is about to, is copied from there later on.
    """
    trainings: dict[tuple, tuple[str, str, int]] = {}
    for name, seeds in seeds_of.items():
        replication = plan.named(name)
        ensembles = replication.ensembles
        to_combine = bool(set(ensembles) - {entry["variant"] for entry in entries_of(name)})
        wanted = [(variant, seed) for seed in seeds for variant in replication.variants]
        for variant, seed in dict.fromkeys([*wanted, *(replication.pool if to_combine else [])]):
            key = key_of(replication, variant, seed)
            predicted = combined.predictions_file(name, replication, variant, seed).exists()
            if has(name, key) and (predicted or not to_combine or (variant, seed) not in replication.pool):
                continue
            same = {**key, "variant": ""}
            if not ensembles and any(same.items() <= {**entry, "variant": ""}.items() for other in plan.names()
                                     for entry in entries_of(other)):
                continue
            # an ensemble needs its own networks' predictions
            trainings.setdefault((key["recipe"], key["values"], seed, name if ensembles else ""), (name, variant, seed))
    return list(trainings.values())


def combine(name: str) -> bool:
    """Add the ensembles' entries to a replication's file; False when they existed. A network whose predictions are
    missing is trained again."""
    replication = plan.named(name)
    missing = set(replication.ensembles) - {entry["variant"] for entry in entries_of(name)}
    if not missing:
        return False
    files = [combined.predictions_file(name, replication, variant, seed) for variant, seed in replication.pool]
    for (variant, seed), file in zip(replication.pool, files, strict=True):
        if not file.exists():
            train(name, variant, seed)
        if not file.exists():
            raise Failure(f"replicate: {name}, {variant}, seed {seed} diverged, so that there is no network for its "
                          f"ensembles; change or remove the variant in {plan.file_of(name)}")
    params, _ = configured(replication, *replication.pool[0])
    public = downloaded(params).with_classes(params.classes)
    predictions = np.stack([np.load(file, allow_pickle=False) for file in files])
    for row in sorted(missing):
        ensemble = replication.ensembles[row]
        right = combined.cross_validated(predictions, public.split("PublicTest").labels, ensemble.size,
                                         ensemble.weighting)
        add(name, key_of(replication, row, 0), measuring.counts(right, public))
    return True


def publish() -> None:
    """Generate every picture and the page from the entries."""
    entries_by_name = {name: entries_of(name) for name in plan.names()}
    for name, entries in entries_by_name.items():
        if entries:
            picture.draw(project.root() / FOLDER / f"{name}.png", plan.named(name), entries)
    with atomic_file(project.root() / PAGE) as new:
        new.write_text(page.page(entries_by_name), encoding="utf-8")


def main(argv: list[str] | None = None) -> None:
    """Train the variants that these replications lack and regenerate the page; without a name, only regenerate it."""
    parser = argparse.ArgumentParser("ferpipe replicate", description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(plan.names()))
    parser.add_argument("--seeds", type=int, nargs="+", metavar="SEED",
                        help="default: the replication's own, 1 where it names none")
    elsewhere.add_options(parser)
    options = parser.parse_args(argv)
    at = elsewhere.where(options)
    seeds_of = {name: list(options.seeds or plan.named(name).seeds) for name in options.names}
    if at is not None and (trainings := missing(seeds_of)):
        train_elsewhere(trainings, at)
    for name, seeds in seeds_of.items():
        for seed in seeds:
            for variant in plan.named(name).variants:
                if replicate(name, variant, seed):
                    publish()
        if combine(name):
            publish()
    publish()
    print(f"replicate: {PAGE}")
