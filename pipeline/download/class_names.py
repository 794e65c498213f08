"""A data set's classes, from their names as people write them."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pipeline.faces.fer2013 import EMOTIONS
from pipeline.system.failure import Failure

# The seven emotions as they are spelled in the wild
SPELLINGS = {name: name for name in EMOTIONS} | {
    "anger": "angry", "disgusted": "disgust", "fearful": "fear", "happiness": "happy", "sadness": "sad",
    "surprised": "surprise"}
# FER-2013's CSV has the emotions' numbers, and so have many data sets after it
NUMBERS = {str(number): name for number, name in enumerate(EMOTIONS)}
# MLflow's names of metrics end in the class, and predictions.csv has columns of these names
ALLOWED, COLUMNS = re.compile(r"[\w .-]+"), ("id", "split", "actual", "predicted")


class Classes(NamedTuple):
    """The classes' names in the order of the labels, each written name's class, and what a person should know."""

    names: tuple[str, ...]
    of: dict[str, str]
    notes: list[str]

    @property
    def are_emotions(self) -> bool:
        """Whether they are FER-2013's seven, so that its class sets apply."""
        return self.names == EMOTIONS


def classes_of(written: Iterable[str], where: Path) -> Classes:
    """The classes that these names mean.

    The seven emotions are known in any case and in their usual spellings, alone, beside others or in part, and by the
    numbers 0 to 6 where all seven are there. Other names stay as they are, in small letters. The emotions come first,
    in FER-2013's order, then the others by name.

    Raises Failure for fewer than two classes, and for a name that tables and MLflow cannot hold.
    """
    words = {name: plain_name(name) for name in sorted(set(written))}
    notes = []
    if set(words.values()) == NUMBERS.keys():
        of = {name: NUMBERS[number] for name, number in words.items()}
        notes.append("classes 0 to 6 are FER-2013's: " + ", ".join(f"{n} {name}" for n, name in NUMBERS.items()))
    else:
        of = {name: emotion_of(word) or word for name, word in words.items()}
        numbers = [name for name in words.values() if name.isdecimal()]
        if numbers:
            notes.append(f"the classes {', '.join(sorted(set(numbers), key=int))} keep their numbers as names: only 0 "
                         "to 6, all of them, are FER-2013's emotions; rename the folders or labels to see names")
    for name, known in of.items():
        if not ALLOWED.fullmatch(known) or known in COLUMNS:
            raise Failure(f"{where}: class {name!r}: expected a name of letters, digits, blanks, - and _ other than "
                          f"{', '.join(COLUMNS)}; rename it")
    rest = sorted(set(of.values()) - set(EMOTIONS), key=lambda name: (int(name) if name.isdecimal() else -1, name))
    names = (*(name for name in EMOTIONS if name in of.values()), *rest)
    if len(names) < 2:
        raise Failure(f"{where}: only one class, {', '.join(of)}; expected a folder or label for each of two or more")
    for known in names:
        spelled = sorted(name for name, meant in of.items() if meant == known)
        if len({name.casefold() for name in spelled}) > 1:
            notes.append(f"{' and '.join(spelled)} are one class, {known}")
    return Classes(names, of, notes)


def plain_name(name: str) -> str:
    """In small letters, composed, with single blanks; 3.0, as tables write numbers beside gaps, is 3."""
    words = " ".join(unicodedata.normalize("NFC", name).lower().split())
    return re.sub(r"^(\d+)\.0$", r"\1", words)


def emotion_of(word: str) -> str | None:
    """The emotion that a name means, also behind a number (0_angry, 3 - Happy)."""
    return SPELLINGS.get(re.sub(r"^\d+[ ._-]+", "", word))
