"""Plays a source in a window, into a file, or both, until it ends or the person quits."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2

from pipeline.demo.output import Output
from pipeline.demo.show.annotate import Annotator, See
from pipeline.demo.show.window import QUIT, Window
from pipeline.demo.sources.source import Source
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure

# The panel's last lines
KEYS = ("q quits, s saves, m mirrors, e explains", "f full screen, space pauses, 1-9 camera")
# Keys that close the window after a clip's end
ENDING = (QUIT, " ", "\r", "\n")
# Seconds for which a note is shown
NOTE_SECONDS = 2.0


class Player:
    """Plays one source, or several cameras one after the other.

    Args:
        open_camera: opens a camera by its index and returns it with a new ``See`` for it; raises Failure.
        limit: stop after this many frames.
        snapshots: the folder for pictures that ``s`` saves.

    Attributes:
        interrupted: whether Ctrl-C ended it.
    """

    def __init__(self, source: Source, annotator: Annotator, output: Output | None, window: Window | None, *,
                 open_camera: Callable[[int], tuple[Source, See]], limit: int | None = None, snapshots: Path = Path()):
        self.source, self.annotator, self.output, self.window = source, annotator, output, window
        self.interrupted = False
        self._open_camera, self._limit, self._snapshots = open_camera, limit, snapshots
        self._note, self._note_until = "", 0.0
        # The source's note that was printed last
        self._printed: str | None = None
        # The time at which second 0 of the source was or would have been shown, and the seconds paused since
        self._start: float | None = None
        self._paused = 0.0
        # Time at which this source began in the output, and of the last frame: another camera continues the clock
        self._base, self._seconds = 0.0, 0.0
        self._switched = False

    def play(self) -> None:
        """Play to the end. On an error the output is discarded; after Ctrl-C what was written so far is kept."""
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
        """Play the source to its end; True when the person chose another camera, which is to be played next."""
        self._switched = False
        for frame, seconds in self.source:
            self._print_note(bar)
            if frame is None:
                shown = self.annotator.again(self._caption())
            else:
                # A camera goes on during a pause, which the output leaves out; a file waits
                self._seconds = self._base + seconds - self._paused * self.source.live
                shown = self.annotator.add(frame, self._seconds, self._caption())
                if self.output is not None:
                    self.output.add(shown)
                bar.update()
            if self.window is not None and shown is not None:
                self.window.show(shown.picture)
                if not self._handle_keys(0.0 if self.source.live else self._time_left(seconds)):
                    return False
                if self._switched:
                    return True
            if self._limit is not None and self.annotator.tally.frames >= self._limit:
                return False
        self._print_note(bar)
        if self.window is not None and not self.source.live:
            if self.source.kind == "picture":
                self._hold("", (QUIT,))
            else:
                self._hold("the end; space or q closes", ENDING)
        return self._switched

    def _time_left(self, seconds: float) -> float:
        """Seconds until the clock of a file reaches this time; it starts with the first frame and stops in pauses."""
        now = time.monotonic()
        if self._start is None:
            self._start = now - seconds
        return self._start + self._paused + seconds - now

    def _handle_keys(self, wait: float) -> bool:
        """React to keys for ``wait`` seconds; False when the person quits."""
        assert self.window is not None
        until = time.monotonic() + wait
        while True:
            key = self.window.key(max(0.0, until - time.monotonic()))
            if key == QUIT:
                return False
            # The time that an action takes does not count as waiting
            before = time.monotonic()
            if key == " ":
                if self._hold("paused; space continues", (QUIT, " ")) == QUIT:
                    return False
                if not self._switched:
                    self._paused += time.monotonic() - before
            else:
                self._act(key)
            if self._switched:
                return True
            until += time.monotonic() - before
            if time.monotonic() >= until:
                return True

    def _act(self, key: str) -> None:
        """What a key does at any time."""
        assert self.window is not None
        if key == "s":
            self._snapshot()
        elif key == "m":
            self.annotator.mirror = not self.annotator.mirror
        elif key == "e":
            self.annotator.explaining = not self.annotator.explaining
        elif key == "f":
            self.window.toggle_full_screen()
        elif key.isdecimal() and key != "0":
            self._switch_camera(int(key) - 1)

    def _hold(self, note: str, ending: tuple[str, ...]) -> str:
        """Show the last frame until one of the ``ending`` keys, which is returned, or another camera is chosen: ""."""
        assert self.window is not None
        drawn: tuple[str, bool, bool] | None = None
        while True:
            state = self._caption() or note, self.annotator.mirror, self.annotator.explaining
            if state != drawn and (shown := self.annotator.again(state[0] or None)) is not None:
                self.window.show(shown.picture)
                drawn = state
            key = self.window.key(0.05)
            if key in ending:
                return key
            self._act(key)
            if self._switched:
                return ""

    def _snapshot(self) -> None:
        if (shown := self.annotator.again(None)) is None:
            return
        name = time.strftime("ferpipe-%Y%m%d-%H%M%S")
        path, number = self._snapshots / f"{name}.png", 1
        while path.exists():
            number += 1
            path = self._snapshots / f"{name}-{number}.png"
        _, data = cv2.imencode(".png", shown.picture)
        try:
            with atomic_file(path) as new:
                new.write_bytes(data.tobytes())
        except OSError as error:
            self._show_note(f"cannot write {path.name}: {error.strerror}")
            return
        self._show_note(f"saved {path.name}")
        print(f"saved: {path}")

    def _switch_camera(self, index: int) -> None:
        if self.source.name == f"camera {index}":
            return
        try:
            source, see = self._open_camera(index)
        except Failure:
            self._show_note(f"camera {index}: not found")
            return
        self.source.close()
        self.source, self.annotator.see = source, see
        self._switched, self._start = True, None
        self._base, self._paused = self._seconds, 0.0

    def _show_note(self, note: str) -> None:
        self._note, self._note_until = note, time.monotonic() + NOTE_SECONDS

    def _caption(self) -> str | None:
        """The note at the bottom of the picture, if any."""
        return self.source.note or (self._note if time.monotonic() < self._note_until else None)

    def _print_note(self, bar) -> None:
        """Print a new note of the source to stderr."""
        if self.source.note and self.source.note != self._printed:
            bar.clear()
            print(self.source.note, file=sys.stderr)
        self._printed = self.source.note
