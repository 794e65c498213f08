"""A video whose frames are searched for faces ahead, while the ones before are classified, drawn and encoded."""

from collections.abc import Generator, Iterator

import numpy as np

from pipeline.demo.see.ahead import ahead
from pipeline.demo.see.boxes import Box, Face
from pipeline.demo.see.watcher import Watcher
from pipeline.demo.sources.source import Source


class Film:
    """A ``Source`` in place of a video's own, whose ``see`` goes with it.

    Not for cameras and streams: there a frame that waits is an old one.
    """

    live = False

    def __init__(self, source: Source, watcher: Watcher):
        self._source, self._watcher = source, watcher
        self.name, self.kind, self.fps, self.length = source.name, source.kind, source.fps, source.length
        self.note, self.skipped = source.note, source.skipped
        self._boxes: list[Box] = []
        self._found: Generator | None = None

    def __enter__(self) -> "Film":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the file, after the frame in work; iteration then ends."""
        if self._found is not None:
            self._found.close()
        self._source.close()

    def __iter__(self) -> Iterator[tuple[np.ndarray | None, float]]:
        searched = ((frame, seconds, self._watcher.find(frame, seconds)) for frame, seconds in self._source
                    if frame is not None)
        self._found = ahead(searched)
        for frame, seconds, boxes in self._found:
            self._boxes = boxes
            yield frame, seconds

    def see(self, frame: np.ndarray, seconds: float) -> list[Face]:
        """The faces of the frame that came last, the largest first."""
        return self._watcher.read(frame, self._boxes, seconds)
