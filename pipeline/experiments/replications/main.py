"""``ferpipe replicate NAME ...``: train a replication's variants, measure them on PublicTest, and publish the result.

A variant and seed that reports/replications/NAME.csv holds is not trained again, and one that another replication has
trained with the same values is copied from there; so a replication can be spread over days.
"""

import argparse
from pathlib import Path

import numpy as np

from pipeline.experiments.log import log
from pipeline.experiments.prepare import downloaded, prepared, trained
from pipeline.experiments.replications import combined, page, picture, plan
from pipeline.experiments.replications.plan import Replication
from pipeline.faces.corruptions import CORRUPTIONS
from pipeline.faces.faces import EMOTIONS, Faces
from pipeline.params import params as parameters
from pipeline.params.params import Params
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


def train(name: str, variant: str, seed: int) -> None:
    """Train a variant and add its entry; an interrupted training resumes after its last epoch."""
    replication = plan.named(name)
    key = key_of(replication, variant, seed)
    params, share = configured(replication, variant, seed)
    faces = downloaded(params)
    if share < 1:
        faces = thinned(faces, share, params.seed)
    faces = prepared(params, faces)
    print(f"replicate: {name}, {variant}, seed {seed}: {params.train.epochs} epochs of "
          f"{int((faces.splits == 'Training').sum()):,} images", flush=True)
    with quiet():
        from pipeline.training import loop
    try:
        with trained(params, faces) as fitted:
            if replication.ensembles:
                file = combined.predictions_file(name, replication, variant, seed)
                combined.keep_predictions(file, fitted.net, faces)
            figures = measured(fitted, faces)
            if "corrupted" in replication.measures:
                figures["corrupted"] = corrupted(fitted, faces)
            add(name, key, figures)
    except loop.Diverged as error:
        print(f"replicate: {error}")
        add(name, key, diverged(params, faces))


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
        add(name, key_of(replication, row, 0), counts(right, public))
    return True


def measured(fitted, faces: Faces) -> dict:
    """The figures of a trained network, PrivateTest closed."""
    from pipeline.training import loop

    right = {}
    for split in ("PublicTest", "Training"):
        part = faces.split(split)
        right[split] = loop.predict(fitted.net, part.images).argmax(1) == part.labels
    seen = fitted.history[fitted.best_epoch - 1]["accuracy"]
    images = len(right["Training"])
    return {"epochs": len(fitted.history), "best_epoch": fitted.best_epoch, "parameters": fitted.net.count_params(),
            "minutes": f"{fitted.seconds / 60:.2f}", **counts(right["PublicTest"], faces),
            "training": f"{right['Training'].sum()}/{images}", "seen": f"{round(seen * images)}/{images}"}


def corrupted(fitted, faces: Faces) -> str:
    """PublicTest's accuracy under the fixed corruptions as ``hits/images``, the hits their mean over the corruptions:
    an interval then counts each image once."""
    from pipeline.training import loop

    public = faces.split("PublicTest")
    hits = [(loop.predict(fitted.net, corruption(public.images)).argmax(1) == public.labels).sum()
            for corruption in CORRUPTIONS]
    return f"{round(float(np.mean(hits)))}/{len(public.labels)}"


def diverged(params: Params, faces: Faces) -> dict:
    """The figures of a training that diverged: no image right."""
    from pipeline.training import models

    images = int((faces.splits == "Training").sum())
    net = models.build(classes=len(faces.classes), **params.model.model_dump())
    return {"epochs": "diverged", "best_epoch": "", "parameters": net.count_params(), "minutes": "0",
            **counts(np.zeros((faces.splits == "PublicTest").sum(), bool), faces),
            "training": f"0/{images}", "seen": f"0/{images}",
            "corrupted": f"0/{(faces.splits == 'PublicTest').sum()}"}


def counts(right: np.ndarray, faces: Faces) -> dict[str, str]:
    """PublicTest's accuracy and every class's recall as ``hits/images``, from which of its images are right."""
    labels = faces.split("PublicTest").labels
    parts = {name: right[labels == label] for label, name in enumerate(faces.classes)}
    return {"accuracy": f"{right.sum()}/{len(right)}",
            **{name: f"{part.sum()}/{len(part)}" for name, part in parts.items()}}


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
    options = parser.parse_args(argv)
    replications: dict[str, Replication] = {name: plan.named(name) for name in options.names}
    for name, replication in replications.items():
        for seed in options.seeds or replication.seeds:
            for variant in replication.variants:
                if replicate(name, variant, seed):
                    publish()
        if combine(name):
            publish()
    publish()
    print(f"replicate: {PAGE}")
