"""``ferpipe compare A B``: two models on the same faces, image by image: difference, McNemar's test, every class."""

import argparse
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.bundle.bundle import Bundle, check_faces
from pipeline.evaluate.intervals import Estimate, holm, mcnemar, paired, wilson
from pipeline.evaluate.robustness import TESTS
from pipeline.faces.faces import Faces
from pipeline.faces.protocols import phrase, title
from pipeline.reporting import figures
from pipeline.reporting.extra_labels import extra_labels
from pipeline.system import project
from pipeline.system.failure import Failure
from pipeline.tracking import ledger
from pipeline.tracking.entry import Entry

CHAMPION = "champion"
NOTE = """\
Single view; differences in points, with 95 % intervals paired by image (Bonett & Price 2012); p by McNemar's test
(mid-p), those of the classes adjusted for their number (Holm). They hold for these two trained models: another seed of
either is another model, and recipes are compared over several seeds. PublicTest chooses, PrivateTest reports."""


@dataclass(frozen=True)
class Model:
    """A model with its predictions, float32 ``(N, C)`` by test split; ``entry`` may be of one that is not recorded."""

    entry: Entry
    predictions: dict[str, np.ndarray]

    def __str__(self) -> str:
        entry = self.entry
        form = " in int8" if entry.quantised else ""
        return (f"{figures.title(entry).replace('`', '')}{form}, seed {entry.seed}, {phrase(entry.protocol)}, extra "
                f"labels: {extra_labels(entry).replace('`', '')}; bundle {entry.bundle}")


@dataclass(frozen=True)
class Difference:
    """Of ``n`` images: how many each model gets right, how many one of them alone, and the accuracy of the first less
    that of the second."""

    n: int
    first: int
    second: int
    gained: int
    lost: int
    estimate: Estimate
    p: float


def difference(first: np.ndarray, second: np.ndarray) -> Difference:
    """Of two models' right and wrong answers, bool ``(N,)`` each, N at least 1."""
    gained, lost = int((first & ~second).sum()), int((second & ~first).sum())
    return Difference(len(first), int(first.sum()), int(second.sum()), gained, lost, paired(gained, lost, len(first)),
                      mcnemar(gained, lost))


def named(name: str) -> Model:
    """The model that a ledger entry's file or bundle, a bundle's folder or ``champion`` names.

    Its predictions are those beside its entry, else computed from its bundle. Raises Failure where there is neither.
    """
    entry, bundle = _found(name)
    kept = ledger.probabilities(entry)
    if kept is not None:
        return Model(entry, kept)
    from pipeline.tracking import shelves  # MLflow comes with it, which takes seconds

    at_hand = bundle or shelves.bundles("compare").get(entry.bundle)
    if at_hand is None:
        raise Failure(f"{entry.filename}: no predictions beside this ledger entry, as the first entries have none, and "
                      "its bundle is not in data/; name the bundle's folder, and they are computed from it")
    faces = _faces(entry)
    check_faces(at_hand.provenance, faces.manifest, at_hand.folder)
    return Model(entry, {split: at_hand.predict(faces.split(split).images) for split in TESTS})


def _found(name: str) -> tuple[Entry, Bundle | None]:
    """The entry that a name means, and the bundle where it is one's folder."""
    folder = project.champion_folder() if name == CHAMPION else Path(name)
    if (folder / "bundle.json").exists():
        bundle = Bundle.load(folder)
        return ledger.recorded(bundle) or ledger.unmeasured(bundle), bundle
    entries = [entry for dataset in ledger.datasets() for entry in ledger.entries(dataset)]
    stem = re.sub(r"\.(json|npz)$", "", Path(name).name)
    matching = [entry for entry in entries if stem in (entry.filename.removesuffix(".json"), entry.bundle)]
    if not matching and re.fullmatch("[0-9a-f]{4,11}", stem):
        matching = [entry for entry in entries if entry.bundle.startswith(stem)]
    if len(matching) == 1:
        return matching[0], None
    if matching:
        raise Failure(f"{name}: {len(matching)} ledger entries begin so: "
                      f"{', '.join(sorted(entry.bundle for entry in matching))}; name one of them")
    from pipeline.tracking import shelves

    with tempfile.TemporaryDirectory() as downloads:
        try:
            bundle = shelves.find_one(name, shelves.bundles("compare"), Path(downloads))
        except Failure as failure:
            raise Failure(f"{name}: no entry of the ledger (reports/results/NAME.json, or its bundle's id), no "
                          "bundle's folder or id, and not `champion`") from failure
    return ledger.recorded(bundle) or ledger.unmeasured(bundle), bundle


def _faces(entry: Entry) -> Faces:
    """The faces that an entry was measured on, with its classes. Raises Failure where others are there."""
    folder = project.root() / "data" / entry.dataset / "faces"
    faces = Faces.load(folder)
    if faces.manifest["digest"] != entry.source_digest:
        raise Failure(f"{folder}: {faces.manifest['edition']} ({faces.manifest['digest'][:8]}), but {entry.bundle} was "
                      f"measured on {entry.edition} ({entry.source_digest[:8]}); get the same edition")
    return faces.with_classes(entry.class_set)


def compare(first: Model, second: Model) -> dict[str, tuple[Difference, dict[str, Difference]]]:
    """By test split the difference of all images and of every class that has some.

    Raises Failure for models of other classes or faces.
    """
    one, two = first.entry, second.entry
    for what, left, right in (("classes", one.classes, two.classes),
                              ("faces", (one.dataset, one.source_digest[:8]), (two.dataset, two.source_digest[:8]))):
        if left != right:
            raise Failure(f"{one.bundle} and {two.bundle}: expected the same {what}, found {', '.join(left)} and "
                          f"{', '.join(right)}; only models that were measured on the same images can be paired")
    faces = _faces(one)
    compared = {}
    for split in TESTS:
        labels = faces.split(split).labels
        answered: list[np.ndarray] = []
        for model in (first, second):
            answers = model.predictions.get(split)
            if answers is None or answers.shape != (len(labels), len(one.classes)):
                raise Failure(f"{ledger.path_of(model.entry).with_suffix('.npz')}: expected predictions for the "
                              f"{len(labels)} faces of {split}, found {'none' if answers is None else answers.shape}; "
                              "restore it from git")
            answered.append(answers.argmax(axis=1) == labels)
        of_class = {name: difference(*(right[labels == label] for right in answered))
                    for label, name in enumerate(one.classes) if (labels == label).any()}
        compared[split] = difference(*answered), of_class
    return compared


def report(first: Model, second: Model) -> str:
    """What the command prints."""
    lines = [f"A  {first}", f"B  {second}"]
    for split, (overall, of_class) in compare(first, second).items():
        estimates = [wilson(count, overall.n) for count in (overall.first, overall.second)]
        lines += ["", f"{split}, n = {overall.n:,}: " + ", ".join(
            f"{name} {100 * one.mean:.2f} % [{100 * one.low:.1f}, {100 * one.high:.1f}]"
            for name, one in zip("AB", estimates, strict=True)),
            f"A - B {points(overall)}; A alone right on {overall.gained}, B alone on {overall.lost}: p = "
            f"{p_value(overall.p)}", "", f"{'class':<12}{'n':>6}{'A, %':>8}{'B, %':>8}  {'A - B':<24}{'p':>8}"]
        adjusted = holm([one.p for one in of_class.values()])
        lines += [f"{name:<12}{one.n:>6}{100 * one.first / one.n:>8.1f}{100 * one.second / one.n:>8.1f}  "
                  f"{points(one):<24}{p_value(p):>8}"
                  for (name, one), p in zip(of_class.items(), adjusted, strict=True)]
    return "\n".join([*lines, "", NOTE, *_unlike(first.entry, second.entry)])


def _unlike(one: Entry, two: Entry) -> list[str]:
    """Why the difference may be one of data and not of models."""
    reasons = [f"{what} ({left} against {right})".replace("`", "") for what, left, right in (
        ("protocol", title(one.protocol), title(two.protocol)), ("extra labels", extra_labels(one), extra_labels(two)))
        if left != right]
    return [f"The two differ in {' and in '.join(reasons)}."] if reasons else []


def points(difference: Difference) -> str:
    """The difference with its interval."""
    estimate = difference.estimate
    return f"{100 * estimate.mean:+.2f} [{100 * estimate.low:+.2f}, {100 * estimate.high:+.2f}]"


def p_value(value: float) -> str:
    """A p-value as it is printed."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def main(argv: list[str] | None = None) -> None:
    """Print how two models differ on the same test faces; nothing is recorded."""
    parser = argparse.ArgumentParser("ferpipe compare", description=main.__doc__)
    for name in "AB":
        parser.add_argument(name, metavar=name, help="a ledger entry's file or bundle's id, a bundle's folder, or "
                                                     "champion")
    options = parser.parse_args(argv)
    print(report(named(options.A), named(options.B)))
