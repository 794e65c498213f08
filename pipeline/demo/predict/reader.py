"""Reads files for ``ferpipe predict``: faces of many frames go to the classifier together."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from pipeline.bundle.bundle import Bundle
from pipeline.demo.output import VideoOutput
from pipeline.demo.predict import timeline
from pipeline.demo.predict.answers import Answer
from pipeline.demo.see.boxes import Box, Face
from pipeline.demo.see.classifier import Model, classify
from pipeline.demo.see.crop import to_gray
from pipeline.demo.see.detector import Detector
from pipeline.demo.see.tracks import Tracks
from pipeline.demo.see.watcher import Search, everywhere
from pipeline.demo.show.annotate import Annotated, main_first
from pipeline.demo.show.view import draw
from pipeline.demo.sources.open import open_source
from pipeline.demo.sources.pictures import ENDINGS, read_picture
from pipeline.demo.sources.source import Source
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure

# Frames wait for each other until they have so many faces, are so many, or take so many bytes
FACES, FRAMES, BYTES = 64, 64, 64_000_000


class Found(NamedTuple):
    """A frame whose faces ``crops (N, 48, 48)`` wait for the classifier."""

    file: Path
    seconds: float
    boxes: list[Box]
    crops: np.ndarray
    frame: np.ndarray | None  # where it is to be drawn


class Reader:
    """Reads files one after the other.

    Args:
        annotate: the folder for annotated pictures and videos, if wanted.
        plots: the folder for the videos' diagrams, if wanted.

    Attributes:
        answers: what was found, in the files' order.
        written: what was written.
        failed: one line for each file that could not be read.
    """

    def __init__(self, bundle: Bundle, detector: Detector, unsure_below: float, annotate: Path | None = None,
                 plots: Path | None = None):
        self.bundle, self.detector, self.unsure_below = bundle, detector, unsure_below
        self.answers: list[Answer] = []
        self.written: list[Path] = []
        self.failed: list[str] = []
        self._annotate, self._plots = annotate, plots

    def read(self, files: list[Path]) -> None:
        """Read them all; the ones that could not be read are in ``failed``."""
        with tqdm(total=len(files), unit="file", disable=None, leave=False) as bar:
            for still, group in groupby(files, key=_is_picture):
                if still:
                    self._read_pictures(list(group), bar)
                    continue
                for file in group:
                    try:
                        with open_source(str(file)) as source:
                            self._read_video(file, source)
                    except Failure as failure:
                        self.failed.append(str(failure))
                    bar.update()

    def _read_pictures(self, files: list[Path], bar: tqdm) -> None:
        def found() -> Iterator[Found]:
            for file in files:
                try:
                    frame = read_picture(file)
                except Failure as failure:
                    self.failed.append(str(failure))
                else:
                    yield self._found(file, 0.0, frame, everywhere(frame, self.detector))
                bar.update()

        for item, scores in classified(found(), self.bundle):
            faces = [Face(box, row, place, unsure_below=self.unsure_below)
                     for place, (box, row) in enumerate(zip(item.boxes, scores, strict=True), 1)]
            self.answers.append(Answer(str(item.file), frames=[(0.0, faces)]))
            if item.frame is not None and self._annotate is not None:
                ending = ".jpg" if item.file.suffix.lower() in (".jpg", ".jpeg") else ".png"
                _, data = cv2.imencode(ending, draw(item.frame, faces, self.bundle.classes))
                with atomic_file(self._place(self._annotate, item.file, f"-faces{ending}")) as new:
                    new.write_bytes(data.tobytes())

    def _read_video(self, file: Path, source: Source) -> None:
        search, tracks, main = Search(self.detector), Tracks(), None
        answer = Answer(str(file), source.fps)
        output = None
        if self._annotate is not None:
            output = VideoOutput(self._place(self._annotate, file, "-faces.webm"), source.fps)

        def found() -> Iterator[Found]:
            for frame, seconds in tqdm(source, total=source.length, unit="frame", disable=None, leave=False):
                if frame is not None:
                    yield self._found(file, seconds, frame, search.find(frame, seconds))

        try:
            for item, scores in classified(found(), self.bundle):
                faces = tracks.update(item.boxes, scores, item.seconds, self.unsure_below)
                answer.frames.append((item.seconds, [face for face in faces if not face.held]))
                if item.frame is not None and output is not None:
                    shown = main_first(faces, main)
                    main = shown[0].id if shown else main
                    output.add(Annotated(draw(item.frame, shown, self.bundle.classes), shown, item.seconds))
        except BaseException as error:
            if output is not None and not isinstance(error, KeyboardInterrupt):
                output.discard()
                self.written.remove(output.path)
            raise
        finally:
            # After Ctrl-C, too, what was read until then is told and plays
            if answer.frames:
                self.answers.append(answer)
            if output is not None:
                output.finish()
        if self._plots is not None:
            timeline.plot(self._place(self._plots, file, "-emotions.png"), answer, self.bundle.classes, self.bundle.id)

    def _found(self, file: Path, seconds: float, frame: np.ndarray, boxes: list[Box]) -> Found:
        gray = to_gray(frame) if boxes else frame
        crops = [self.detector.crop(gray, box) for box in boxes]
        return Found(file, seconds, boxes, np.array(crops, "uint8").reshape(-1, 48, 48),
                     frame if self._annotate is not None else None)

    def _place(self, folder: Path, file: Path, ending: str) -> Path:
        """A new name in the folder: files of equal names come from different folders."""
        path, number = folder / f"{file.stem}{ending}", 1
        while path in self.written:
            number += 1
            path = folder / f"{file.stem}-{number}{ending}"
        self.written.append(path)
        return path


def classified(items: Iterable[Found], model: Model) -> Iterator[tuple[Found, np.ndarray]]:
    """The same frames in the same order with their faces' scores ``(N, C)``."""
    held: list[Found] = []
    for item in items:
        held.append(item)
        kept = sum(one.frame.nbytes for one in held if one.frame is not None)
        if sum(len(one.crops) for one in held) >= FACES or len(held) >= FRAMES or kept >= BYTES:
            yield from _together(held, model)
            held = []
    yield from _together(held, model)


def _together(held: list[Found], model: Model) -> Iterator[tuple[Found, np.ndarray]]:
    if held:
        scores = classify(model, np.concatenate([item.crops for item in held]))
        ends = np.cumsum([len(item.crops) for item in held])[:-1]
        yield from zip(held, np.split(scores, ends), strict=True)


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in ENDINGS
