"""What a card says, from the bundle, its ledger entry, the record of its promotion and the measurements: no numbers are
typed in the card's text."""

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.bundle.bundle import Bundle
from pipeline.evaluate.conditions import Quarter
from pipeline.evaluate.details import FREE, Part
from pipeline.evaluate.intervals import Estimate, wilson
from pipeline.evaluate.robustness import TESTS, WORDS
from pipeline.faces import teachers
from pipeline.faces.protocols import title
from pipeline.params import resolved
from pipeline.promote import decision
from pipeline.promote.card.measured import Measured
from pipeline.system import plain_json, project
from pipeline.tracking import ledger, promotions
from pipeline.tracking.entry import Entry
from pipeline.tracking.promotions import PromotionRecord
from pipeline.training import start

PROTOCOLS = {
    "published": "Training with the images that are copies of test images, as most published work has it",
    "leak-free": "Training without the images that are exact copies of test images",
    "copy-free": "Training without the images that are exact or near copies of test images",
}
# Shares of the faces that the card gives the accuracy for, as ``calibration.Calibration`` names them
COVERAGES = ("1.00", "0.90", "0.80", "0.70", "0.60", "0.50")


@dataclass(frozen=True)
class Teacher:
    """A trained model whose answers this one learned from.

    Attributes:
        fold: of Training, that it was trained without; empty where it saw all of it.
        entry: its file in the ledger; None where the ledger has none.
    """

    bundle: str
    recipe: str
    seed: int
    fold: str
    entry: Entry | None

    @property
    def extra_labels(self) -> str:
        """What it learned from itself, beside the data set's labels."""
        return "; ".join(extra_labels(self.entry.config)) or "none" if self.entry else ""


@dataclass(frozen=True)
class ClassRow:
    """A class's figures on a split."""

    name: str
    n: int
    recall: Estimate
    precision: float
    f1: float


@dataclass(frozen=True)
class Confusion:
    """How often images of a class are taken for another."""

    true: str
    predicted: str
    count: int
    share: float


@dataclass(frozen=True)
class Facts:
    """A card's content.

    Attributes:
        name: of the registered model.
        version: in the registry; empty where it has none.
        recorded: whether the entry is in the ledger; if not, it was measured for the card.
        record: of its promotion or proposal; None for a champion that was put in its place by hand.
    """

    name: str
    version: str
    bundle: Bundle
    entry: Entry
    recorded: bool
    measured: Measured
    record: PromotionRecord | None

    @property
    def title(self) -> str:
        number = f" version {self.version}" if self.version else ""
        return f"{self.name}{number}, recipe {self.entry.recipe}{' in int8' if self.entry.quantised else ''}"

    @property
    def splits(self) -> tuple[str, ...]:
        """The test splits that have figures."""
        return tuple(split for split in TESTS if "single" in self.entry.figures.get(split, {}))

    @property
    def protocol(self) -> str:
        """What the model was trained on, in words."""
        return f"*{title(self.entry.protocol)}*: {PROTOCOLS.get(self.entry.protocol, 'see the manifest of its data')}"

    @property
    def copy_free(self) -> Part | None:
        """The accuracy on the images of the last split without any copy in Training; None where near ones are not
        known."""
        return self.measured.copies.get(self.splits[-1], {}).get(FREE) if self.splits else None

    @property
    def extra_labels(self) -> tuple[str, ...]:
        return tuple(extra_labels(self.entry.config))

    @property
    def teachers(self) -> tuple[Teacher, ...]:
        return tuple(_teachers(self.entry))

    @property
    def challengers(self) -> int:
        """How many bundles had challenged on this PublicTest when this one was promoted, itself included."""
        return promotions.challengers_until(self.entry.dataset, self.record) if self.record else 0

    @property
    def luck(self) -> float | None:
        """The probability that the best of as many equal challengers passes the gate; None without a gate."""
        confidence = self.record.gates.get("confidence") if self.record and self.record.champion else None
        return None if confidence is None else decision.luck(self.challengers, confidence)

    @cached_property
    def seeds(self) -> list[Entry]:
        """The ledger's seeds of this very training, the most accurate on PublicTest first; of a seed that was trained
        again the last run, but for this one."""
        same = [other for other in ledger.entries(self.entry.dataset) if _training(other) == _training(self.entry)]
        same.sort(key=lambda other: (other.bundle == self.entry.bundle, other.finished))
        by_seed = {other.seed: other for other in same}
        return sorted(by_seed.values(), key=lambda other: -other.figures[TESTS[0]]["single"]["accuracy"])

    @property
    def rank(self) -> int:
        """Which of ``seeds`` this one is, from 1; 0 where the ledger does not have it."""
        return next((rank for rank, other in enumerate(self.seeds, 1) if other.bundle == self.entry.bundle), 0)

    def per_class(self, split: str) -> list[ClassRow]:
        """Every class's figures in a single view, recall with its interval."""
        rows = self.entry.figures[split]["single"]["per_class"]
        return [ClassRow(name, row["n"], wilson(round(row["recall"] * row["n"]), row["n"]), row["precision"], row["f1"])
                for name, row in rows.items() if row["n"]]

    def confusions(self, split: str, most: int) -> list[Confusion]:
        """The most frequent ones, by the share of the true class, the largest first."""
        matrix = np.array(self.entry.figures[split]["single"]["confusion"])
        if matrix.shape != (len(self.bundle.classes),) * 2:
            return []
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        np.fill_diagonal(shares, 0)
        pairs = [divmod(int(index), len(matrix)) for index in np.argsort(-shares, axis=None, kind="stable")[:most]]
        names = self.bundle.classes
        return [Confusion(names[true], names[predicted], int(matrix[true, predicted]), float(shares[true, predicted]))
                for true, predicted in pairs if shares[true, predicted]]

    @property
    def corruptions(self) -> list[tuple[str, dict[str, float]]]:
        """Every corruption in words with its accuracy by split, the hardest on PrivateTest first."""
        measured = self.measured.robustness or {}
        rows = [(words, {split: of_split["accuracy"][name] for split, of_split in measured.items()})
                for name, words in WORDS.items() if measured]
        return sorted(rows, key=lambda row: row[1][TESTS[-1]])

    @property
    def harder_pictures(self) -> list[tuple[str, Quarter]]:
        """The quarters of PrivateTest whose accuracy is below what their classes would give, by more than its interval.

        One in forty is, by chance."""
        places = ("lowest", "second", "third", "highest")
        return [(f"{places[index]} quarter of {name}", quarter)
                for name, quarters in self.measured.conditions.get(TESTS[-1], {}).items()
                for index, quarter in enumerate(quarters) if quarter["interval"][1] < quarter["expected"]]

    @property
    def differences(self) -> list[str]:
        """Where predictions that were made again differ from the ledger's figures, in words."""
        return [f"{split}: the ledger has {100 * single['accuracy']:.2f} %, the predictions made again for this card "
                f"are right for {100 * self.measured.accuracy[split]:.2f} %: processors round differently."
                for split in self.splits if split in self.measured.accuracy
                for single in [self.entry.figures[split]["single"]]
                if single["n"] and abs(single["accuracy"] - self.measured.accuracy[split]) > 1e-4]

    @property
    def group_size(self) -> int:
        """How many faces a group of people would need for a difference of five points to be found, two-sided at 5 %
        with a power of 80 %: 2 (1.96 + .84)^2 p (1 - p) / .05^2 for the accuracy p."""
        accuracy = self.entry.figures[self.splits[-1]]["single"]["accuracy"] if self.splits else 0.5
        return round(2 * (1.96 + 0.84) ** 2 * accuracy * (1 - accuracy) / 0.05**2)


def _training(entry: Entry) -> tuple[object, ...]:
    """What entries have in common that differ in nothing but the seed, the epochs run and the processor."""
    config = {name: value for name, value in resolved.comparable(entry.config).items() if name != "seed"}
    return (entry.recipe, entry.class_set, entry.protocol, entry.source_digest, entry.quantised is not None,
            entry.tuned, config)


def extra_labels(config: dict[str, Any]) -> Iterator[str]:
    """What a training learned from beside the data set's labels, in words; of an ensemble, what any member did."""
    train = config.get("train", {})
    if train.get("votes"):
        yield f"FER+ votes, weight {train['votes']}"
    if train.get("teacher"):
        yield f"answers of the teachers `{train.get('teachers') or 'hour'}`, weight {train['teacher']}"
    weights = config.get("model", {}).get("weights")
    if weights in start.names():
        about = start.about(weights)
        learned = [*(["FER+ votes"] if about["votes"] else []),
                   *([f"the teachers `{about['teachers']}`"] if about["teachers"] else [])]
        kept = f" ({100 * share:g} % of them kept)" if (share := train.get("start_share")) else ""
        yield (f"weights to start from{kept}, of `{about['recipe']}` seed {about['seed']} (`{about['bundle']}`), which "
               f"had learned from {' and '.join(learned) or 'no extra labels'}")
    if "members" in config:
        yield "those of its members, see their ledger entries"


def _teachers(entry: Entry) -> Iterator[Teacher]:
    train = entry.config.get("train", {})
    if not train.get("teacher"):
        return
    path = project.root() / teachers.file_of(train.get("teachers") or "hour", entry.protocol, entry.dataset)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            members = plain_json.parse(str(arrays["about"]))["members"]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return  # the card names them all the same; the training has checked the file
    by_id = {other.bundle: other for other in ledger.entries(entry.dataset)}
    for member in members:
        yield Teacher(member["bundle"], member["recipe"], member["seed"], member.get("without", ""),
                      by_id.get(member["bundle"]))


def relative(target: Path, folder: Path) -> str:
    """A link from a card's folder to a file of the project."""
    return Path(os.path.relpath(target, folder)).as_posix()
