"""Processes files for ``ferpipe predict``: the faces of many frames are classified in one batch."""

from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path

import cv2
from tqdm import tqdm

from pipeline.bundle.bundle import Bundle
from pipeline.demo.output import VideoOutput
from pipeline.demo.predict import timeline
from pipeline.demo.predict.answers import Answer
from pipeline.demo.see.ahead import ahead
from pipeline.demo.see.batches import Detected, classified, detected
from pipeline.demo.see.boxes import numbered
from pipeline.demo.see.detector import BlazeFace
from pipeline.demo.see.tracks import Tracks
from pipeline.demo.see.watcher import Search
from pipeline.demo.show.annotate import Annotated, main_first
from pipeline.demo.show.view import draw
from pipeline.demo.sources.open import open_source
from pipeline.demo.sources.pictures import ENDINGS, read_picture
from pipeline.demo.sources.source import Source
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure


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

    def __init__(self, bundle: Bundle, unsure_below: float, annotate: Path | None = None,
                 plots: Path | None = None):
        self.bundle, self.unsure_below, self._detector = bundle, unsure_below, BlazeFace()
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
        keep = self._annotate is not None

        def detect() -> Iterator[Detected]:
            for file in files:
                try:
                    frame = read_picture(file)
                except Failure as failure:
                    self.failed.append(str(failure))
                else:
                    yield detected(file, 0.0, frame, self._detector.find(frame), self.bundle.crop_margin, keep)
                bar.update()

        for item, scores in classified(detect(), self.bundle):
            faces = numbered(item.boxes, scores, self.unsure_below)
            self.answers.append(Answer(str(item.file), frames=[(0.0, faces)]))
            if item.frame is not None and self._annotate is not None:
                ending = ".jpg" if item.file.suffix.lower() in (".jpg", ".jpeg") else ".png"
                _, data = cv2.imencode(ending, draw(item.frame, faces, self.bundle.classes))
                with atomic_file(self._output_path(self._annotate, item.file, f"-faces{ending}")) as new:
                    new.write_bytes(data.tobytes())

    def _read_video(self, file: Path, source: Source) -> None:
        search, tracks, main = Search(self._detector), Tracks(), None
        keep = self._annotate is not None
        answer = Answer(str(file), source.fps)
        output = None
        if self._annotate is not None:
            output = VideoOutput(self._output_path(self._annotate, file, "-faces.webm"), source.fps)

        def detect() -> Iterator[Detected]:
            for frame, seconds in tqdm(source, total=source.length, unit="frame", disable=None, leave=False):
                if frame is not None:
                    yield detected(file, seconds, frame, search.find(frame, seconds), self.bundle.crop_margin, keep)

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
        """A path in the folder that was not written yet: files of different folders may have equal names."""
        path, number = folder / f"{file.stem}{ending}", 1
        while path in self.written:
            number += 1
            path = folder / f"{file.stem}-{number}{ending}"
        self.written.append(path)
        return path



def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in ENDINGS
