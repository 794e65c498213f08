"""What a card says, from the bundle, its ledger entry, the record of its promotion and the measurements: no numbers are
typed in the card's text."""

import os
import re
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
from pipeline.faces.protocols import title
from pipeline.params import resolved
from pipeline.promote import decision
from pipeline.promote.card.measured import Measured
from pipeline.promote.card.teachers import Teacher, extra_labels, teachers_of
from pipeline.tracking import ledger, promotions
from pipeline.tracking.entry import Entry
from pipeline.tracking.promotions import PromotionRecord

PROTOCOLS = {
    "published": "Training with the images that are copies of test images, as most published work has it",
    "leak-free": "Training without the images that are exact copies of test images",
    "copy-free": "Training without the images that are exact or near copies of test images",
}
# Shares of the faces that the card gives the accuracy for, as ``calibration.Calibration`` names them
COVERAGES = ("1.00", "0.90", "0.80", "0.70", "0.60", "0.50")


@dataclass(frozen=True)
class ClassRow:
    """A class's figures on a split; no precision where no answer names it."""

    name: str
    n: int
    recall: Estimate
    precision: Estimate | None
    f1: float


@dataclass(frozen=True)
class Gate:
    """A gate of promotion that a challenger passed.

    Attributes:
        faces: what it is about, in words.
        challengers: how many had been compared so by then, this one included.
        luck: the probability that the best of as many equal ones passes it.
    """

    faces: str
    challengers: int
    luck: float


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
        return tuple(teachers_of(self.entry))

    @property
    def challengers(self) -> int:
        """How many bundles had challenged on this PublicTest when this one was promoted, itself included."""
        return promotions.challengers_until(self.entry.dataset, self.record) if self.record else 0

    @property
    def succession(self) -> list[promotions.Champion]:
        """The champions up to this one, the oldest first."""
        return promotions.succession(self.entry.dataset, self.record) if self.record else []

    @property
    def reasons(self) -> tuple[str, ...]:
        """The record's; the number of challengers and their luck are left out, which ``gates`` has for the gate that
        was passed, where the first records gave them for the other one."""
        return tuple(re.sub(r" \((?:\d+ challengers so far|the first challenger) on [^)]*\)", "", reason)
                     for reason in self.record.reasons) if self.record else ()

    @property
    def gates(self) -> list[Gate]:
        """Those that it passed; none where there was no champion to compare it with."""
        record = self.record
        if record is None or record.champion is None:
            return []
        limits, passed = record.gates, []
        for faces, corrupted, gain, probability, least, name in (
                ("faces as they are", False, record.gain, record.probability, limits.get("min_gain", 0.0),
                 "confidence"),
                ("corrupted faces", True, record.corrupted_gain, record.corrupted_probability, 0.0,
                 "corrupted_confidence")):
            if gain is None or probability is None or name not in limits:
                continue
            if decision.passes(decision.Gain(gain, probability), least, limits[name]):
                count = promotions.challengers_until(self.entry.dataset, record, corrupted)
                passed.append(Gate(faces, count, decision.luck(count, limits[name])))
        return passed

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
        """Every class's figures in a single view, recall and precision with their intervals."""
        single = self.entry.figures[split]["single"]
        matrix = np.array(single["confusion"])
        hits, answers = np.diag(matrix).tolist(), matrix.sum(axis=0).tolist()
        return [ClassRow(name, row["n"], wilson(right, row["n"]), wilson(right, named) if named else None, row["f1"])
                for (name, row), right, named in zip(single["per_class"].items(), hits, answers, strict=True)
                if row["n"]]

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
    def corruptions(self) -> list[tuple[str, dict[str, dict[str, Any]]]]:
        """Every corruption in words with its accuracy on ``n`` images by split, the hardest on PrivateTest first."""
        measured = self.measured.robustness or {}
        rows = [(words, {split: {"n": of_split["n"], "accuracy": of_split["accuracy"][name]}
                         for split, of_split in measured.items()})
                for name, words in WORDS.items() if measured]
        return sorted(rows, key=lambda row: row[1][TESTS[-1]]["accuracy"])

    @property
    def harder_pictures(self) -> list[tuple[str, Quarter]]:
        """The quarters of PrivateTest whose accuracy is below what their classes would give, by more than its interval.

        One in forty is, by chance."""
        places = ("lowest", "second", "third", "highest")
        return [(f"{places[index]} quarter of {name}", quarter)
                for name, quarters in self.measured.conditions.get(TESTS[-1], {}).items()
                for index, quarter in enumerate(quarters) if quarter["interval"][1] < quarter["expected"]]

    @property
    def untrained(self) -> list[str]:
        """The kinds of faces that its training did not show it, by its config; empty for an ensemble, whose members
        have configs of their own."""
        if "members" in self.entry.config:
            return []
        augment, balance = self.entry.config.get("augment", {}), self.entry.config.get("balance", {})
        turned = max(augment.get("rotation", 0) * augment.get("strength", 1),
                     balance.get("rotation", 0) if balance.get("strategy", "none") != "none" else 0)
        shown = [part for part, name in (("the mouth", "mouth_hidden"), ("the eyes", "glasses")) if augment.get(name)]
        return ["from the side", f"turned by more than {turned:.0f} degrees" if turned else "turned",
                *([] if augment.get("blur") else ["blurred or smaller than about 48 pixels"]),
                f"covered elsewhere than at {' and '.join(shown)}" if shown else "covered"]

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


def relative(target: Path, folder: Path) -> str:
    """A link from a card's folder to a file of the project."""
    return Path(os.path.relpath(target, folder)).as_posix()
