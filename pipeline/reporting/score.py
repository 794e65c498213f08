"""``ferpipe score FOLDER``: how good a model is on any folder of labelled faces, a folder per class."""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.demo.options import add_model_option
from pipeline.system.failure import Failure

if TYPE_CHECKING:
    from pipeline.bundle.bundle import Bundle
    from pipeline.tracking.entry import Figures


@dataclass(frozen=True)
class Score:
    """What was measured.

    Attributes:
        figures: of the pictures with a face, each averaged with its mirror image as predict does; macro-F1 is that of
            the classes with pictures.
        pictures: how many there are of the model's classes.
        missed: those of them in which the detector finds no face.
        of_all: the accuracy's share of all pictures, where a missed one counts as wrong.
        unreadable: one line each.
        unknown: folders that are none of the model's classes, with their number of pictures.
    """

    figures: "Figures"
    pictures: int
    missed: int
    of_all: float
    unreadable: list[str]
    unknown: dict[str, int]


def main(argv: list[str] | None = None) -> None:
    """Print the figures. Raises Failure when the folder has no classes that the model knows, or no readable picture."""
    args = _arguments(argv)
    from pipeline.bundle.bundle import Bundle
    from pipeline.demo.sources.source import quiet
    from pipeline.system.atomic import atomic_file

    quiet()
    bundle = Bundle.load(args.model)
    result = score(args.folder, bundle, args.face)
    for line in result.unreadable:
        print(f"ferpipe score: left out: {line}", file=sys.stderr)
    text = json.dumps(as_json(result, bundle, args.folder, args.face), indent=1) if args.json else \
        report(result, bundle, args.face)
    if args.out is None:
        print(text)
        return
    with atomic_file(args.out) as new:
        new.write_text(text + "\n", encoding="utf-8")
    print(f"written: {args.out}", file=sys.stderr)


def score(folder: Path, bundle: "Bundle", face: bool = False) -> Score:
    """Measure a model on ``folder/CLASS/PICTURE``, below a class also in further folders.

    Args:
        face: every picture is one face already; else the largest face that the detector finds is classified.

    Raises Failure when no folder is one of the model's classes, or no picture with a face can be read.
    """
    import numpy as np
    from tqdm import tqdm

    from pipeline.demo.see.batches import Detected, classified, detected
    from pipeline.demo.see.crop import middle
    from pipeline.demo.see.detector import BlazeFace
    from pipeline.demo.sources.pictures import read_picture
    from pipeline.evaluate.metrics import figures

    labelled, unknown = pictures_in(folder, bundle)
    detector, margin = BlazeFace(), 1.0 if face else bundle.crop_margin
    unreadable: list[str] = []

    def crops() -> Iterator[Detected]:
        for path in tqdm(labelled, unit="picture", disable=None, leave=False):
            try:
                frame = read_picture(path)
            except Failure as failure:
                unreadable.append(str(failure))
            else:
                boxes = [middle(frame)] if face else detector.find(frame)[:1]
                yield detected(path, 0.0, frame, boxes, margin, keep=False)

    probabilities, labels, missed = [], [], 0
    for item, scores in classified(crops(), bundle):
        missed += not len(scores)
        probabilities += list(scores)
        labels += [labelled[item.file]] * len(scores)
    if not labels:
        raise Failure(f"{folder}: no face in any of its {len(labelled)} pictures; if each is one face already, as "
                      "FER-2013's are, add --face")
    measured = figures(np.array(probabilities), np.array(labels), bundle.classes, confidence=0.95)
    present = [row["f1"] for row in measured["per_class"].values() if row["n"]]
    if len(present) < len(bundle.classes):
        # A class without pictures has no F1
        measured["macro_f1"] = round(float(np.mean(present)), 6)
    pictures = len(labels) + missed
    return Score(measured, pictures, missed, round(measured["accuracy"] * len(labels) / pictures, 6), unreadable,
                 unknown)


def pictures_in(folder: Path, bundle: "Bundle") -> tuple[dict[Path, int], dict[str, int]]:
    """Every picture with its class's index, and how many there are in folders that are none of the model's classes."""
    from pipeline.demo.sources import content

    if not folder.is_dir():
        raise Failure(f"{folder}: no such folder; expected one with a folder of pictures for each class")
    folders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    labels = class_indices([path.name for path in folders], bundle)
    labelled: dict[Path, int] = {}
    unknown: dict[str, int] = {}
    for path in folders:
        files = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith(".")
                       and content.kind_of(file) in ("picture", "unread"))
        label = labels[path.name]
        if label is None:
            unknown[path.name] = len(files)
        else:
            labelled |= dict.fromkeys(files, label)
    if not labelled:
        found = ", ".join(path.name for path in folders) or "no folders"
        raise Failure(f"{folder}: no pictures in folders of the model's classes ({', '.join(bundle.classes)}), found "
                      f"{found}; name the folder right above them")
    return labelled, unknown


def class_indices(names: list[str], bundle: "Bundle") -> dict[str, int | None]:
    """The index of the model's class that each name means; None where it has none.

    Names count in any case, in their usual spellings and behind a number (``0_angry``); the numbers 0 to 6 are
    FER-2013's where there are no other names. A class that the model merged into another, as its six classes do
    disgust, is the one that it went to.
    """
    from pipeline.download.class_names import NUMBERS, emotion_of, plain_name
    from pipeline.faces.faces import CLASS_SETS, EMOTIONS

    mapping = CLASS_SETS.get(bundle.class_set, ((), None))[1]
    merged = {name: bundle.classes[index] for name, index in zip(EMOTIONS, mapping or (), strict=False)
              if index < len(bundle.classes)}
    known = {name.casefold(): index for index, name in enumerate(bundle.classes)}
    numbers = {plain_name(name) for name in names} <= NUMBERS.keys()

    def index_of(name: str) -> int | None:
        word = plain_name(name)
        if word in known:
            return known[word]
        word = NUMBERS[word] if numbers else emotion_of(word) or re.sub(r"^\d+[ ._-]+", "", word)
        return known.get(merged.get(word, word))

    return {name: index_of(name) for name in names}


def as_json(result: Score, bundle: "Bundle", folder: Path, face: bool) -> dict[str, Any]:
    """Everything that was measured; the confusion matrix has true classes as rows."""
    return {"folder": str(folder), "model": bundle.id, "classes": list(bundle.classes), "whole_pictures": face,
            "pictures": result.pictures, "without_face": result.missed, "accuracy_of_all": result.of_all,
            "unreadable": result.unreadable, "unknown_folders": result.unknown, **result.figures}


def report(result: Score, bundle: "Bundle", face: bool) -> str:
    """The same for a person."""
    figures = result.figures
    low, high = figures["interval"]
    lines = [f"accuracy {figures['accuracy']:.2%} [{low:.1%}, {high:.1%}], n = {figures['n']}; macro-F1 "
             f"{figures['macro_f1']:.2%}; model {bundle.id}, averaged with the mirror image"]
    if not face:
        lines.append(f"no face found in {result.missed} of {result.pictures} pictures; of all, {result.of_all:.2%} are "
                     "right")
    lines += [f"left out: {name}, {count} pictures: none of the model's classes"
              for name, count in result.unknown.items()]
    width = max(map(len, bundle.classes))
    lines += ["", f"{'class':<{width}}  {'n':>6}  recall  precision     F1"]
    for name, row in figures["per_class"].items():
        shares = f"{row['recall']:>6.1%}  {row['precision']:>9.1%}  {row['f1']:>5.1%}" if row["n"] else "not there"
        lines.append(f"{name:<{width}}  {row['n']:>6}  {shares}")
    cell = max(width, len(str(figures["n"])))
    lines += ["", "confusion: rows are the folders' classes, columns the model's answers",
              "  ".join([" " * width, *(f"{name:>{cell}}" for name in bundle.classes)])]
    lines += ["  ".join([f"{name:<{width}}", *(f"{count:>{cell}}" for count in row)])
              for name, row in zip(bundle.classes, figures["confusion"], strict=True)]
    return "\n".join(lines)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("ferpipe score", description="Measure a model on a folder of labelled faces, "
                                     "FOLDER/CLASS/PICTURE: accuracy with its 95 % interval, figures per class, "
                                     "confusion matrix. Classes as people write them: happy, Happiness, 3.")
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("--face", action="store_true", help="every picture is one face already, as FER-2013's are; "
                                                            "no face is looked for")
    parser.add_argument("--json", action="store_true", help="JSON instead of the tables")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the result here (default: the terminal)")
    add_model_option(parser)
    return parser.parse_args(argv)
