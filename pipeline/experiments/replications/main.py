"""``ferpipe study NAME ...``: train a study's variants, measure them on PublicTest, and tell what came out.

A variant and seed that reports/studies/NAME.csv holds is not trained again, and one that another study has trained
with the same values is taken from there; so a study can be spread over days.
"""

import argparse
from pathlib import Path

import numpy as np

from pipeline.experiments.log import log
from pipeline.experiments.prepare import downloaded, prepared, trained
from pipeline.experiments.replications import combined, page, picture, plan
from pipeline.experiments.replications.plan import Study
from pipeline.faces.faces import EMOTIONS, Faces
from pipeline.params import params as parameters
from pipeline.params.params import Params
from pipeline.system import project
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure
from pipeline.training.importing import quiet

FOLDER, PAGE = Path("reports/studies"), Path("reports/studies.md")
# Accuracies and recalls stand as hits/images
COLUMNS = ("variant", "recipe", "values", "seed", "epochs", "best_epoch", "parameters", "minutes", "accuracy",
           "training", "seen", *EMOTIONS)


def lines_of(name: str) -> list[dict]:
    """The lines of a study that were trained as its file says now."""
    study = plan.named(name)
    asked = {(row, *study.asked(row)) for row in study.rows}
    return [line for line in log(file=FOLDER / f"{name}.csv", columns=COLUMNS)
            if (line["variant"], line["recipe"], line["values"]) in asked]


def thinned(faces: Faces, share: float, seed: int) -> Faces:
    """This share of every class's Training images, at random, in their order; the other splits whole."""
    rng = np.random.default_rng(seed)
    kept = faces.splits != "Training"
    for label in np.unique(faces.labels):
        rows = np.flatnonzero((faces.splits == "Training") & (faces.labels == label))
        kept[rng.choice(rows, round(share * len(rows)), replace=False)] = True
    return faces.take(kept)


def facts_of(study: Study, row: str, seed: int) -> dict:
    """The columns by which a line of a study is known."""
    recipe, values = study.asked(row)
    return {"variant": row, "recipe": recipe, "values": values, "seed": str(seed)}


def there(name: str, facts: dict) -> bool:
    """Whether a study's file has this line."""
    return any(facts.items() <= line.items() for line in lines_of(name))


def add(name: str, facts: dict, figures: dict) -> None:
    """Bring a line into a study's file, unless it is there."""
    if not there(name, facts):
        log({**figures, **facts}, FOLDER / f"{name}.csv", COLUMNS)


def run(name: str, variant: str, seed: int) -> bool:
    """Bring one line into a study's file; False when it was there."""
    study = plan.named(name)
    facts = facts_of(study, variant, seed)
    if there(name, facts):
        return False
    same = {**facts, "variant": ""}
    # an ensemble needs its networks' answers, which another study's line has not
    others = () if study.ensembles else plan.names()
    for other in others:
        for line in lines_of(other):
            if same.items() <= {**line, "variant": ""}.items():
                print(f"study: {name}, {variant}, seed {seed}: trained before as {other}, {line['variant']}")
                add(name, facts, line)
                return True
    train(name, variant, seed)
    return True


def configured(study: Study, variant: str, seed: int) -> tuple[Params, float]:
    """A variant's parameters and the share of Training that it learns from."""
    recipe, values = study.training(variant)
    share = values.pop("training_share", 1.0)
    return parameters.load(recipe=recipe).override({"dataset": "fer2013", "seed": seed, **values}), share


def train(name: str, variant: str, seed: int) -> None:
    """Train a variant and add its line; a training that was cut goes on from its last epoch."""
    study = plan.named(name)
    facts = facts_of(study, variant, seed)
    mine, share = configured(study, variant, seed)
    faces = downloaded(mine)
    if share < 1:
        faces = thinned(faces, share, mine.seed)
    faces = prepared(mine, faces)
    print(f"study: {name}, {variant}, seed {seed}: {mine.train.epochs} epochs of "
          f"{int((faces.splits == 'Training').sum()):,} images", flush=True)
    with quiet():
        from pipeline.training import loop
    try:
        with trained(mine, faces) as fitted:
            if study.ensembles:
                combined.keep(combined.answers_of(name, study, variant, seed), fitted.net, faces)
            add(name, facts, measured(fitted, faces))
    except loop.Diverged as error:
        print(f"study: {error}")
        add(name, facts, nothing(mine, faces))


def combine(name: str) -> bool:
    """Bring the ensembles' lines into a study's file; False when they were there. A network whose answers are not at
    hand is trained again."""
    study = plan.named(name)
    missing = set(study.ensembles) - {line["variant"] for line in lines_of(name)}
    if not missing:
        return False
    files = [combined.answers_of(name, study, *one) for one in study.pool]
    for (variant, seed), file in zip(study.pool, files, strict=True):
        if not file.exists():
            train(name, variant, seed)
        if not file.exists():
            raise Failure(f"study: {name}, {variant}, seed {seed} came to no network, so there are no ensembles of it")
    mine, _ = configured(study, *study.pool[0])
    public = downloaded(mine).with_classes(mine.classes)
    opinions = np.stack([np.load(file, allow_pickle=False) for file in files])
    for row in sorted(missing):
        how = study.ensembles[row]
        hits = combined.crossed(opinions, public.split("PublicTest").labels, how.size, how.weighting)
        add(name, facts_of(study, row, 0), shares(hits, public))
    return True


def measured(fitted, faces: Faces) -> dict:
    """The figures of a trained network, PrivateTest closed."""
    from pipeline.training import loop

    hits = {}
    for split in ("PublicTest", "Training"):
        part = faces.split(split)
        hits[split] = loop.predict(fitted.net, part.images).argmax(1) == part.labels
    seen = fitted.history[fitted.best_epoch - 1]["accuracy"]
    images = len(hits["Training"])
    return {"epochs": len(fitted.history), "best_epoch": fitted.best_epoch, "parameters": fitted.net.count_params(),
            "minutes": f"{fitted.seconds / 60:.2f}", **shares(hits["PublicTest"], faces),
            "training": f"{hits['Training'].sum()}/{images}", "seen": f"{round(seen * images)}/{images}"}


def nothing(mine: Params, faces: Faces) -> dict:
    """The line of a training that came to no network."""
    from pipeline.training import models

    images = int((faces.splits == "Training").sum())
    net = models.build(classes=len(faces.classes), **mine.model.model_dump())
    return {"epochs": "diverged", "best_epoch": "", "parameters": net.count_params(), "minutes": "0",
            **shares(np.zeros((faces.splits == "PublicTest").sum(), bool), faces),
            "training": f"0/{images}", "seen": f"0/{images}"}


def shares(hits: np.ndarray, faces: Faces) -> dict:
    """PublicTest's accuracy and every class's recall as ``hits/images``."""
    labels = faces.split("PublicTest").labels
    parts = {name: hits[labels == place] for place, name in enumerate(faces.classes)}
    return {"accuracy": f"{hits.sum()}/{len(hits)}",
            **{name: f"{part.sum()}/{len(part)}" for name, part in parts.items()}}


def publish() -> None:
    """Every picture and the page, from the lines as they stand."""
    found = {name: lines_of(name) for name in plan.names()}
    for name, lines in found.items():
        if lines:
            picture.draw(project.root() / FOLDER / f"{name}.png", plan.named(name), lines)
    with atomic_file(project.root() / PAGE) as new:
        new.write_text(page.page(found), encoding="utf-8")


def main(argv: list[str] | None = None) -> None:
    """Train the variants of studies that are still missing and tell what came out; without a name only the latter."""
    parser = argparse.ArgumentParser("ferpipe study", description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(plan.names()))
    parser.add_argument("--seeds", type=int, nargs="+", help="default: 1, or those that the study's ensembles are of")
    options = parser.parse_args(argv)
    studies: dict[str, Study] = {name: plan.named(name) for name in options.names}
    for name, study in studies.items():
        for seed in options.seeds or study.seeds:
            for variant in study.variants:
                if run(name, variant, seed):
                    publish()
        if combine(name):
            publish()
    publish()
    print(f"study: {PAGE}")
