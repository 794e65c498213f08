"""Processes files for ``ferpipe predict``: the faces of many frames are classified in one batch."""

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

# A batch is full when it has this many faces, frames, or bytes of frames that are kept for drawing
FACES, FRAMES, BYTES = 64, 64, 64_000_000


class Detected(NamedTuple):
    """A frame whose faces are detected and not yet classified.

    Attributes:
        seconds: its time in a video; 0 for a picture.
        crops: uint8 ``(N, 48, 48)``, one for each of the N boxes.
        frame: the BGR frame, when it will be drawn; else None, to free its memory.
    """

    file: Path
    seconds: float
    boxes: list[Box]
    crops: np.ndarray
    frame: np.ndarray | None


class FileReader:
    """Processes files one after the other.

    Args:
        annotate: folder for annotated pictures and videos; None: none are written.
        plots: folder for the videos' diagrams; None: none are written.

    Attributes:
        answers: the faces of each file, in the files' order.
        written: the files that were written.
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
        """Process all files. A file that cannot be read is added to ``failed``."""
        with tqdm(total=len(files), unit="file", disable=None, leave=False) as bar:
            for pictures, group in groupby(files, key=_is_picture):
                if pictures:
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
        def detect() -> Iterator[Detected]:
            for file in files:
                try:
                    frame = read_picture(file)
                except Failure as failure:
                    self.failed.append(str(failure))
                else:
                    yield self._detected(file, 0.0, frame, everywhere(frame, self.detector))
                bar.update()

        for item, scores in classified(detect(), self.bundle):
            faces = [Face(box, row, number, unsure_below=self.unsure_below)
                     for number, (box, row) in enumerate(zip(item.boxes, scores, strict=True), 1)]
            self.answers.append(Answer(str(item.file), frames=[(0.0, faces)]))
            if item.frame is not None and self._annotate is not None:
                ending = ".jpg" if item.file.suffix.lower() in (".jpg", ".jpeg") else ".png"
                _, data = cv2.imencode(ending, draw(item.frame, faces, self.bundle.classes))
                with atomic_file(self._output_path(self._annotate, item.file, f"-faces{ending}")) as new:
                    new.write_bytes(data.tobytes())

    def _read_video(self, file: Path, source: Source) -> None:
        search, tracks, main = Search(self.detector), Tracks(), None
        answer = Answer(str(file), source.fps)
        output = None
        if self._annotate is not None:
            output = VideoOutput(self._output_path(self._annotate, file, "-faces.webm"), source.fps)

        def detect() -> Iterator[Detected]:
            for frame, seconds in tqdm(source, total=source.length, unit="frame", disable=None, leave=False):
                if frame is not None:
                    yield self._detected(file, seconds, frame, search.find(frame, seconds))

        try:
            for item, scores in classified(detect(), self.bundle):
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
            # After Ctrl-C, too: the faces so far are reported, and the video so far plays
            if answer.frames:
                self.answers.append(answer)
            if output is not None:
                output.finish()
        if self._plots is not None:
            path = self._output_path(self._plots, file, "-emotions.png")
            timeline.plot(path, answer, self.bundle.classes, self.bundle.id)

    def _detected(self, file: Path, seconds: float, frame: np.ndarray, boxes: list[Box]) -> Detected:
        gray = to_gray(frame) if boxes else frame
        crops = [self.detector.crop(gray, box) for box in boxes]
        return Detected(file, seconds, boxes, np.array(crops, "uint8").reshape(-1, 48, 48),
                        frame if self._annotate is not None else None)

    def _output_path(self, folder: Path, file: Path, ending: str) -> Path:
        """A path in the folder that was not written yet: files of different folders may have equal names."""
        path, number = folder / f"{file.stem}{ending}", 1
        while path in self.written:
            number += 1
            path = folder / f"{file.stem}-{number}{ending}"
        self.written.append(path)
        return path


def classified(items: Iterable[Detected], model: Model) -> Iterator[tuple[Detected, np.ndarray]]:
    """The frames in their order with the scores ``(N, C)`` of their N faces, classified in batches."""
    batch: list[Detected] = []
    for item in items:
        batch.append(item)
        size = sum(waiting.frame.nbytes for waiting in batch if waiting.frame is not None)
        if sum(len(waiting.crops) for waiting in batch) >= FACES or len(batch) >= FRAMES or size >= BYTES:
            yield from _classify(batch, model)
            batch = []
    yield from _classify(batch, model)


def _classify(batch: list[Detected], model: Model) -> Iterator[tuple[Detected, np.ndarray]]:
    if batch:
        scores = classify(model, np.concatenate([item.crops for item in batch]))
        ends = np.cumsum([len(item.crops) for item in batch])[:-1]
        yield from zip(batch, np.split(scores, ends), strict=True)


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in ENDINGS
