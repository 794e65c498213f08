"""``ferpipe labels``: reports/labels.md, which labels of FER-2013 are probably wrong and what can be reached on them.

The ranking and the faces go to data/fer2013/labels.csv and labels.html, outside of git.
"""

import argparse
import csv
import io
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.bundle.bundle import Bundle, check_faces
from pipeline.evaluate.intervals import wilson
from pipeline.faces import copies, teachers
from pipeline.faces.faces import CLASS_SETS, EMOTIONS, SPLITS, Faces
from pipeline.faces.manifest import Manifest
from pipeline.faces.protocols import phrase
from pipeline.reporting import compare, figures
from pipeline.reporting.compare import Difference
from pipeline.reporting.labels import ceiling, issues
from pipeline.reporting.labels.issues import Issues
from pipeline.reporting.labels.page import models, page
from pipeline.reporting.tables import headline_table
from pipeline.system import project
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure
from pipeline.tracking import ledger
from pipeline.validate import sheet

# Whose answers for Training are taken: the recipe's with a net for each fold
TEACHERS = "strong"
# Pictures of each split on the local page
PICTURES = 60
NAMES = (*CLASS_SETS["8"][0], "none")


@dataclass(frozen=True)
class Judged:
    """The faces of a split with what a model says of them that did not learn from their labels, or not alone.

    Attributes:
        probabilities: ``(N, 7)``.
        missed: bool ``(N,)``, the faces that every one of several models gets wrong; None of fewer than two.
        judges: what those models are, each beginning with its recipe.
    """

    faces: Faces
    probabilities: np.ndarray
    missed: np.ndarray | None
    judges: tuple[str, ...]

    @cached_property
    def issues(self) -> Issues:
        return issues.find(self.probabilities, self.faces.labels)

    @cached_property
    def majority(self) -> np.ndarray:
        """See ``ceiling.majority``."""
        assert self.faces.votes is not None
        return ceiling.majority(self.faces.votes)


def judged(faces: Faces, champion: Bundle) -> dict[str, Judged]:
    """Each split: the tests by the champion, Training by ``TEACHERS``.

    Raises:
        Failure: There are no votes, the champion has other classes, or there are no answers for Training.
    """
    if faces.votes is None:
        raise Failure("labels: these faces have no FER+ votes; put fer2013new.csv into data/external/ and run "
                      "`dvc repro validate`")
    check_faces(champion.provenance, faces.manifest, champion.folder)
    if champion.classes != EMOTIONS:
        raise Failure(f"{champion.folder}: knows {len(champion.classes)} classes; expected the seven emotions")
    entries = [entry for entry in ledger.entries("fer2013") if entry.class_set == "7"
               and entry.source_digest == faces.manifest["digest"]]
    kept = {entry.bundle: found for entry in entries if (found := ledger.probabilities(entry)) is not None}
    # an int8 model gives nearly its float32 model's answers: one judge
    twins = {entry.quantised.bundle for entry in entries if entry.quantised and entry.bundle in kept}
    named = {entry.bundle: f"`{entry.recipe}` (seed {entry.seed}, {entry.bundle})" for entry in entries
             if entry.bundle in kept and entry.bundle not in {champion.id, *twins}}
    by_split = {}
    for split in SPLITS:
        part = faces.split(split)
        if split == "Training":
            answers = [_of_teachers(faces, name) for name in (TEACHERS, "hour")]
            missed = np.all([answer.argmax(axis=1) != part.labels for answer in answers], axis=0)
            by_split[split] = Judged(part, answers[0], missed, (f"`{TEACHERS}`", "`hour`"))
            continue
        own = kept[champion.id][split] if champion.id in kept else champion.predict(part.images)
        wrong = [answer.argmax(axis=1) != part.labels for answer in (own, *(kept[bundle][split] for bundle in named))]
        by_split[split] = Judged(part, own, np.all(wrong, axis=0) if named else None,
                                 (f"`{champion.provenance.recipe}` (the champion)", *named.values()))
    return by_split


def _of_teachers(faces: Faces, name: str) -> np.ndarray:
    """The teachers' probabilities of the Training faces, in the table's order."""
    path = project.root() / teachers.file_of(name, "published")
    balanced: Manifest = {**faces.manifest, "source_digest": faces.manifest["digest"], "protocol": "published"}
    training = Faces(faces.images, faces.ids, faces.splits, faces.labels, balanced).split("Training")
    answers = teachers.with_teacher(training, path).teacher
    assert answers is not None
    return answers


def ranking(by_split: dict[str, Judged]) -> str:
    """labels.csv: every probable label error, those first whose label has the lowest probability."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "split", "label", "suggested", "probability_of_label", "probability_of_suggested",
                     "ferplus_majority"))
    rows: list[tuple[str, ...]] = []
    for split, part in by_split.items():
        for row, suggested in zip(part.issues.rows.tolist(), part.issues.suggested.tolist(), strict=True):
            label = part.faces.labels[row]
            rows.append((str(part.faces.ids[row]), split, EMOTIONS[label], EMOTIONS[suggested],
                         f"{part.probabilities[row, label]:.4f}", f"{part.probabilities[row, suggested]:.4f}",
                         NAMES[part.majority[row]]))
    rows.sort(key=lambda row: float(row[4]))
    writer.writerows(rows)
    return text.getvalue()


def pictures(by_split: dict[str, Judged]) -> str:
    """labels.html: the first faces of the ranking, and those that no model gets."""
    sections = {}
    for split, part in by_split.items():
        sections[f"{split}: labels that are probably wrong, the least probable ones first"] = [
            _picture(part, row, f"suggested {EMOTIONS[suggested]}") for row, suggested in
            zip(part.issues.rows[:PICTURES].tolist(), part.issues.suggested[:PICTURES].tolist(), strict=True)]
        if part.missed is not None:
            drawn = np.random.default_rng(0).permutation(np.flatnonzero(part.missed))[:PICTURES]
            sections[f"{split}: faces that none of {models(split, part.judges)} gets, drawn at random"] = [
                _picture(part, row, f"answer {EMOTIONS[part.probabilities[row].argmax()]}") for row in drawn.tolist()]
    return sheet.contact_sheet("Labels", "Faces whose label, model's answer and FER+ votes differ.", sections)


def _picture(part: Judged, row: int, answer: str) -> sheet.Picture:
    return sheet.Picture(sheet.data_uri(part.faces.images[row]), (
        f"label {EMOTIONS[part.faces.labels[row]]}", answer, f"FER+ {NAMES[part.majority[row]]}",
        str(part.faces.ids[row])))


def report(by_split: dict[str, Judged], near: copies.Copies | None, faces: Faces, champion: str) -> str:
    """reports/labels.md."""
    agreement, suggestions, missed, swaps = [], [], [], []
    for split, part in by_split.items():
        labels, predicted = part.faces.labels, part.probabilities.argmax(axis=1)
        wrong = predicted != labels
        backed = wrong & (part.majority == predicted)
        agreement.append((split, len(labels), _share(part.majority == labels), _share(~wrong),
                          *((_share(backed[wrong]), _share(~wrong | backed)) if split != "Training" else ("", "")),
                          _share(part.majority == predicted)))
        rows, suggested = part.issues.rows, part.issues.suggested
        first = rows[: max(1, len(labels) // 100)]
        suggestions.append((split, len(rows), f"{100 * len(rows) / len(labels):.1f} %",
                            f"{100 * part.issues.wrong_share:.1f} %",
                            _share(part.majority[rows] == suggested), _share(part.majority[rows] == labels[rows]),
                            f"{_share(part.majority[first] != labels[first])}, n = {len(first)}"))
        if part.missed is not None:
            missed.append((split, len(part.judges), int(part.missed.sum()), f"{100 * part.missed.mean():.1f} %",
                           _share(part.majority[part.missed] != labels[part.missed])))
        common = Counter(zip(labels[rows].tolist(), suggested.tolist(), strict=True)).most_common(5)
        swaps.append((split, ", ".join(f"{EMOTIONS[label]} → {EMOTIONS[other]} {count}"
                                       for (label, other), count in common)))
    judges = {split: part.judges for split, part in by_split.items() if part.missed is not None}
    reached, gains = _ceiling(by_split, faces)
    return page(champion, agreement, suggestions, swaps, missed, judges, reached, gains, _larger(),
                None if near is None else ceiling.labelled_alike(faces, near))


def _larger() -> str:
    """What the ledger's larger network, ``TEACHERS``, reaches; empty where it was not trained."""
    group = headline_table.chosen(TEACHERS, ledger.entries("fer2013"))
    if group is None:
        return ""
    cells = [f"{figures.cell(group.seeds, split, 'single')} on {split}" for split in ("PublicTest", "PrivateTest")]
    seeds = len(group.seeds)
    return f"`{TEACHERS}`, a larger network, reaches {' and '.join(cells)} (published protocol, seeds: {seeds})"


def _ceiling(by_split: dict[str, Judged], faces: Faces) -> tuple[list[tuple[object, ...]], dict[str, Difference]]:
    """For each test split: what follows from the votes, from the model, and from both; and by how much both are more
    often right than the model."""
    votes = faces.votes
    rows: list[tuple[object, ...]] = []
    gains = {}
    assert votes is not None
    training = faces.splits == "Training"
    probabilities = np.zeros((len(faces), len(EMOTIONS)), "float32")
    for split, part in by_split.items():
        probabilities[faces.splits == split] = part.probabilities
    for split, other in (("PublicTest", "PrivateTest"), ("PrivateTest", "PublicTest")):
        here, there = faces.splits == split, faces.splits == other
        part = by_split[split]
        alone = part.probabilities.argmax(axis=1) == part.faces.labels
        both = ceiling.from_votes(votes, faces.labels, there, here, probabilities)
        gain = gains[split] = compare.difference(both, alone)
        rows.append((split, _share(alone), _share(ceiling.from_votes(votes, faces.labels, training, here)),
                     _share(both), f"{compare.points(gain)}, p = {compare.p_value(gain.p)}"))
    return rows, gains


def _share(right: np.ndarray) -> str:
    """A share in per cent with Wilson's 95 % interval."""
    if not len(right):
        return "none"
    estimate = wilson(int(right.sum()), len(right))
    return f"{100 * estimate.mean:.1f} [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"


def main(argv: list[str] | None = None) -> None:
    """Rank FER-2013's probable label errors and estimate the ceiling; write reports/labels.md and, outside of git,
    the ranking and the pictures."""
    argparse.ArgumentParser("ferpipe labels", description=main.__doc__).parse_args(argv)
    data = project.root() / "data" / "fer2013"
    if not (data / "faces").is_dir():
        raise Failure(f"{data / 'faces'}: missing; run `make run FER2013=PATH` first, or `dvc repro validate` alone")
    faces = Faces.load(data / "faces")
    champion = Bundle.load(project.champion_folder())
    by_split = judged(faces, champion)
    provenance = champion.provenance
    name = f"{provenance.recipe}, seed {provenance.seed}, {phrase(provenance.protocol)}, bundle {champion.id}"
    texts = {project.root() / "reports" / "labels.md": report(by_split, copies.at_hand(faces), faces, name),
             data / "labels.csv": ranking(by_split), data / "labels.html": pictures(by_split)}
    for path, text in texts.items():
        with atomic_file(path) as new:
            new.write_text(text, encoding="utf-8")
    print("labels: " + ", ".join(map(str, texts)))
