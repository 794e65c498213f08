"""The faces of every frame as rows of a file, as they are seen: ``ferpipe demo --log``."""

import csv
import json
from pathlib import Path

import numpy as np

from pipeline.demo.predict.answers import COLUMNS, row
from pipeline.demo.see.boxes import Face
from pipeline.demo.show.annotate import See
from pipeline.system.failure import Failure

ENDINGS = (".csv", ".jsonl")


class Log:
    """A CSV, or JSON lines, by the path's ending; use it in a ``with``.

    A row for every face of every frame: the frame's time in seconds, the face's number, its box and roll in the frame
    as it comes (not mirrored), its emotion, and the probability of every class. Each frame is written at once, so that
    the file can be followed, and holds everything up to then whatever ends the program.

    Raises Failure for another ending, OSError where it cannot be written.
    """

    def __init__(self, path: Path, classes: tuple[str, ...]):
        check(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._classes = classes
        self._file = open(path, "w", newline="", encoding="utf-8")  # noqa: SIM115
        self._writer = csv.writer(self._file, lineterminator="\n") if path.suffix.lower() == ".csv" else None
        if self._writer is not None:
            self._writer.writerow(["seconds", *COLUMNS, *classes])

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def recording(self, see: See) -> See:
        """``see``, whose faces are written too; those that the detector missed (``held``) are not."""
        def recorded(frame: np.ndarray, seconds: float) -> list[Face]:
            faces = see(frame, seconds)
            self._add([face for face in faces if not face.held], seconds)
            return faces
        return recorded

    def _add(self, faces: list[Face], seconds: float) -> None:
        if self._writer is not None:
            self._writer.writerows([f"{seconds:.3f}", *row(face, self._classes)] for face in faces)
        else:
            for face in faces:
                entry = {"seconds": round(seconds, 3), **face.as_json(self._classes)}
                self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        self._file.flush()


def check(path: Path) -> None:
    """Raise Failure where a log cannot have this name."""
    if path.suffix.lower() not in ENDINGS:
        raise Failure(f"{path}: a log's name ends in {' or '.join(ENDINGS)}")
    if path.is_dir():
        raise Failure(f"{path}: is a folder; give a file in it")
