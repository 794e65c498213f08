"""The results of ``ferpipe predict`` as a table for a person, as JSON and as CSV."""

import csv
import io
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.demo.see.boxes import Face

# A video's table has at most about this many lines per face, each for a second or more
LINES = 60


@dataclass
class Answer:
    """The faces of one file.

    Attributes:
        file: the path as it was given.
        fps: frames a second; 0 for a picture.
        frames: time in seconds and faces of every frame; a picture has one frame.
    """

    file: str
    fps: float = 0.0
    frames: list[tuple[float, list[Face]]] = field(default_factory=list)

    @property
    def video(self) -> bool:
        return self.fps > 0

    @property
    def seconds(self) -> float:
        return self.frames[-1][0] + 1 / self.fps if self.video and self.frames else 0.0

    def spans(self) -> list[tuple[float, Face]]:
        """A video in spans of a second or more: for each span and face its start, mean scores and last box."""
        span = max(1.0, np.ceil(self.seconds / LINES))
        rows: dict[tuple[int, int], list[Face]] = {}
        for seconds, faces in self.frames:
            for face in faces:
                rows.setdefault((int(seconds / span), face.id), []).append(face)
        return [(index * span, Face(faces[-1].box, np.mean([face.scores for face in faces], axis=0), number,
                                    unsure_below=faces[-1].unsure_below))
                for (index, number), faces in sorted(rows.items())]


def table(answers: list[Answer], classes: tuple[str, ...]) -> str:
    """A line for every face of a picture, and for every face and second of a video."""
    lines = [("file", "time", "face", "emotion", "probability", "box")]
    for answer in answers:
        rows = answer.spans() if answer.video else [(0.0, face) for face in answer.frames[0][1]]
        if not rows:
            lines.append((answer.file, "", "", "no face", "", ""))
        for seconds, face in rows:
            box = f"{face.box.width}x{face.box.height}+{face.box.x}+{face.box.y}"
            time = f"{int(seconds) // 60}:{int(seconds) % 60:02d}" if answer.video else ""
            lines.append((answer.file, time, str(face.id), face.says(classes), f"{face.scores[face.best]:.0%}", box))
    widths = [max(len(cells[column]) for cells in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
                     for cells in lines)


def as_json(answers: list[Answer], classes: tuple[str, ...], model: str) -> str:
    """Every face of every frame; ``model`` is the bundle's id."""
    files: list[dict[str, Any]] = []
    for answer in answers:
        frames = [{"seconds": round(seconds, 3), "faces": [face.as_json(classes) for face in faces]}
                  for seconds, faces in answer.frames]
        if answer.video:
            files.append({"file": answer.file, "frames_per_second": round(answer.fps, 3), "frames": frames})
        else:
            files.append({"file": answer.file, "faces": frames[0]["faces"]})
    return json.dumps({"model": model, "classes": list(classes), "files": files}, indent=1, ensure_ascii=False)


COLUMNS = ("face", "x", "y", "width", "height", "roll", "emotion", "sure")


def row(face: Face, classes: tuple[str, ...]) -> list[Any]:
    """A face's cells in a CSV: ``COLUMNS``, then the probability of every class."""
    plain = face.as_json(classes)
    return [face.id, *plain["box"].values(), plain["roll"], plain["emotion"], plain["sure"],
            *plain["probabilities"].values()]


def as_csv(answers: list[Answer], classes: tuple[str, ...]) -> str:
    """A row for every face of every frame; ``seconds`` is empty for a picture."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "seconds", *COLUMNS, *classes])
    for answer in answers:
        for seconds, faces in answer.frames:
            time = f"{seconds:.3f}" if answer.video else ""
            writer.writerows([answer.file, time, *row(face, classes)] for face in faces)
    return text.getvalue().rstrip("\n")
