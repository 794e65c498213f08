"""From a source to a window, a file or both, frame by frame, until it ends or somebody ends it."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from pipeline.demo.output import Output
from pipeline.demo.show.annotate import Annotator, See
from pipeline.demo.show.window import QUIT, Window
from pipeline.demo.sources.source import Source
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure

# For the panel's foot
KEYS = ("q ends, s saves a picture, m mirrors", "space pauses, 1-9: another camera")
# Seconds that a note stays
NOTE_SECONDS = 2.0


class Player:
    """Plays one source, or one camera after the other.

    Args:
        another: opens a camera by its index and gives it with what sees its faces; raises Failure.
        limit: end after so many frames.
        snapshots: the folder in which ``s`` saves.

    Attributes:
        interrupted: whether Ctrl-C ended it.
    """

    def __init__(self, source: Source, annotator: Annotator, output: Output | None, window: Window | None, *,
                 another: Callable[[int], tuple[Source, See]], limit: int | None = None, snapshots: Path = Path()):
        self.source, self.annotator, self.output, self.window = source, annotator, output, window
        self.interrupted = False
        self._another, self._limit, self._snapshots = another, limit, snapshots
        self._note, self._note_until = "", 0.0
        self._said: str | None = None
        self._picture: np.ndarray | None = None
        # When the frame of second 0 is shown, and for how many seconds it stood still in between
        self._start: float | None = None
        self._paused = 0.0
        # What a frame's time is counted from: with another camera it goes on
        self._base, self._seconds = 0.0, 0.0
        self._switched = False

    def play(self) -> None:
        """To the end. On an error the output is discarded; after Ctrl-C it is kept."""
        from tqdm import tqdm

        known = [count for count in (self._limit, self.source.length) if count is not None]
        total = min(known) if known else None
        try:
            with tqdm(total=total, unit="frame", disable=True if self.window else None, leave=False) as bar:
                while self._one_source(bar):
                    pass
        except KeyboardInterrupt:
            self.interrupted = True
        except BaseException:
            if self.output is not None:
                self.output.discard()
            raise
        finally:
            self.source.close()
            if self.window is not None:
                self.window.close()
        if self.output is not None:
            self.output.finish()

    def _one_source(self, bar) -> bool:
        """Play the source to its end; True when another one took its place."""
        self._switched = False
        for frame, seconds in self.source:
            self._tell(bar)
            if frame is None:
                shown = self.annotator.again(self._line())
            else:
                self._seconds = self._base + seconds - self._paused * self.source.live
                shown = self.annotator.add(frame, self._seconds, self._line())
                if self.output is not None:
                    self.output.add(shown)
                bar.update()
            if self.window is not None and shown is not None:
                self._picture = shown.picture
                self.window.show(shown.picture)
                if not self._listen(0.0 if self.source.live else self._until(seconds)):
                    return False
                if self._switched:
                    return True
            if self._limit is not None and self.annotator.tally.frames >= self._limit:
                return False
        self._tell(bar)
        if self.window is not None and self.source.kind == "picture":
            while self._listen(0.05):
                pass
        return False

    def _until(self, seconds: float) -> float:
        """Seconds from now until a file's frame has had its time."""
        now = time.monotonic()
        if self._start is None:
            self._start = now - seconds
        return self._start + self._paused + seconds - now

    def _listen(self, wait: float) -> bool:
        """Do what the keys say for so long; False when the person wants to end."""
        assert self.window is not None
        until = time.monotonic() + wait
        while True:
            key = self.window.key(max(0.0, until - time.monotonic()))
            if key == QUIT:
                return False
            before = time.monotonic()
            if key == " " and not self._pause():
                return False
            if key == "s":
                self._snapshot()
            elif key == "m":
                self.annotator.mirror = not self.annotator.mirror
            elif key.isdecimal() and key != "0":
                self._camera(int(key) - 1)
                if self._switched:
                    return True
            until += time.monotonic() - before
            if time.monotonic() >= until:
                return True

    def _pause(self) -> bool:
        """Stand still until the next space; False when the person ends it instead."""
        assert self.window is not None
        start = time.monotonic()
        if (shown := self.annotator.again("paused, space goes on")) is not None:
            self.window.show(shown.picture)
        while (key := self.window.key(0.05)) != " ":
            if key == QUIT:
                return False
            if key == "s":
                self._snapshot()
        self._paused += time.monotonic() - start
        return True

    def _snapshot(self) -> None:
        if self._picture is None:
            return
        name = time.strftime("ferpipe-%Y%m%d-%H%M%S")
        path, number = self._snapshots / f"{name}.png", 1
        while path.exists():
            number += 1
            path = self._snapshots / f"{name}-{number}.png"
        _, data = cv2.imencode(".png", self._picture)
        try:
            with atomic_file(path) as new:
                new.write_bytes(data.tobytes())
        except OSError as error:
            self._say(f"cannot write {path.name}: {error.strerror}")
            return
        self._say(f"saved {path.name}")
        print(f"saved: {path}")

    def _camera(self, index: int) -> None:
        if self.source.name == f"camera {index}":
            return
        try:
            source, see = self._another(index)
        except Failure:
            self._say(f"camera {index}: none there")
            return
        self.source.close()
        self.source, self.annotator.see = source, see
        self._switched, self._start = True, None
        self._base, self._paused = self._seconds, 0.0

    def _say(self, note: str) -> None:
        self._note, self._note_until = note, time.monotonic() + NOTE_SECONDS

    def _line(self) -> str | None:
        """What stands on the picture's foot now."""
        return self.source.note or (self._note if time.monotonic() < self._note_until else None)

    def _tell(self, bar) -> None:
        """A note of the source, once, on stderr too."""
        if self.source.note and self.source.note != self._said:
            bar.clear()
            print(self.source.note, file=sys.stderr)
        self._said = self.source.note
