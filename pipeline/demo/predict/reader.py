"""Processes files for ``ferpipe predict``: the faces of many frames are classified in one batch."""

from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pipeline.bundle.bundle import Bundle
from pipeline.demo.output import VideoOutput
from pipeline.demo.predict import timeline
from pipeline.demo.predict.answers import Answer
from pipeline.demo.predict.marking import encoded
from pipeline.demo.see.ahead import ahead
from pipeline.demo.see.batches import Detected, classified, detected
from pipeline.demo.see.boxes import Box, numbered
from pipeline.demo.see.crop import middle
from pipeline.demo.see.detector import BlazeFace
from pipeline.demo.see.tracks import Tracks
from pipeline.demo.see.watcher import Search
from pipeline.demo.show.annotate import Annotated, main_first
from pipeline.demo.show.view import draw
from pipeline.demo.sources import content
from pipeline.demo.sources.open import open_source
from pipeline.demo.sources.pictures import is_animated, read_picture
from pipeline.demo.sources.source import Source
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure


class FileReader:
    """Processes files one after the other.

    Args:
        annotate: folder for annotated pictures and videos; None: none are written.
        plots: folder for the videos' diagrams; None: none are written.
        whole: every picture and frame is one face; none is looked for.

    Attributes:
        answers: the faces of each file, in the files' order.
        written: the files that were written.
        failed: one line for each file that could not be read.
    """

    def __init__(self, bundle: Bundle, unsure_below: float, annotate: Path | None = None,
                 plots: Path | None = None, whole: bool = False):
        self.bundle, self.unsure_below, self._detector = bundle, unsure_below, BlazeFace()
        self.answers: list[Answer] = []
        self.written: list[Path] = []
        self.failed: list[str] = []
        self._annotate, self._plots, self._whole = annotate, plots, whole
        # A box's share of its crop
        self._margin = 1.0 if whole else bundle.crop_margin
        self._sources: set[Path] = set()

    @staticmethod
    def is_picture(file: Path) -> bool:
        """Whether a file is a single picture, by its content; one that cannot be read counts as it should be."""
        try:
            return content.kind_of(file) in ("picture", "unread") and not is_animated(file)
        except Failure:
            return True

    def read(self, files: list[Path]) -> None:
        """Process all files. A file that cannot be read is added to ``failed``."""
        self._sources = {file.resolve() for file in files}
        with tqdm(total=len(files), unit="file", disable=None, leave=False) as bar:
            for pictures, group in groupby(files, key=self.is_picture):
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
        keep = self._annotate is not None

        def detect() -> Iterator[Detected]:
            for file in files:
                try:
                    frame = read_picture(file)
                except Failure as failure:
                    self.failed.append(str(failure))
                else:
                    boxes = [middle(frame)] if self._whole else self._detector.find(frame)
                    yield detected(file, 0.0, frame, boxes, self._margin, keep)
                bar.update()

        for item, scores in classified(detect(), self.bundle):
            faces = numbered(item.boxes, scores, self.unsure_below)
            self.answers.append(Answer(str(item.file), frames=[(0.0, faces)]))
            if item.frame is not None and self._annotate is not None:
                ending = ".jpg" if item.file.suffix.lower() in (".jpg", ".jpeg") else ".png"
                with atomic_file(self._output_path(self._annotate, item.file, f"-faces{ending}")) as new:
                    new.write_bytes(encoded(draw(item.frame, faces, self.bundle.classes), ending))

    def _read_video(self, file: Path, source: Source) -> None:
        search, tracks, main = Search(self._detector), Tracks(), None

        def find(frame: np.ndarray, seconds: float) -> list[Box]:
            return [middle(frame)] if self._whole else search.find(frame, seconds)

        keep = self._annotate is not None
        answer = Answer(str(file), source.fps)
        output = None
        if self._annotate is not None:
            output = VideoOutput(self._output_path(self._annotate, file, "-faces.webm"), source.fps)

        def detect() -> Iterator[Detected]:
            for frame, seconds in tqdm(source, total=source.length, unit="frame", disable=None, leave=False):
                if frame is not None:
                    yield detected(file, seconds, frame, find(frame, seconds), self._margin, keep)

        try:
            with closing(ahead(detect())) as items:
                for item, scores in classified(items, self.bundle):
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

    def _output_path(self, folder: Path, file: Path, ending: str) -> Path:
        """A path in the folder that is no source and was not written yet: files of different folders may have equal
        names."""
        path, number = folder / f"{file.stem}{ending}", 1
        while path in self.written or path.resolve() in self._sources:
            number += 1
            path = folder / f"{file.stem}-{number}{ending}"
        self.written.append(path)
        return path
