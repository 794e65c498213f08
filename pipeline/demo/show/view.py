"""Draws the annotated picture: boxes with labels and emoji on the frame, and beside it a panel with every score."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from pipeline.demo.see.boxes import Box, Face
from pipeline.demo.show.lettering import Colour, blend, put, rounded, text_size
from pipeline.system.failure import Failure

EMOJI = Path(__file__).parent.parent / "emoji"
# In BGR; bright enough for dark letters on them (a test holds a contrast of 4.5)
COLOURS: dict[str, Colour] = {
    "angry": (84, 96, 240),
    "disgust": (90, 190, 120),
    "fear": (225, 130, 180),
    "happy": (70, 205, 250),
    "sad": (240, 165, 90),
    "surprise": (70, 150, 250),
    "neutral": (205, 200, 195),
}
# For classes that are not among these, in their order
OTHERS: tuple[Colour, ...] = ((205, 205, 120), (190, 150, 255), (120, 225, 190), (150, 190, 225), (240, 190, 140),
                              (240, 165, 200), (110, 220, 225), (170, 220, 130))
BACKGROUND, TRACK, DIM, BRIGHT, DARK = (36, 31, 28), (62, 56, 52), (165, 158, 152), (245, 243, 240), (30, 26, 22)
# All lengths in this module, in pixels, are those of a picture of 640x480; in a larger one they grow with it
PANEL_WIDTH = 260
# Frames keep their size, unless their longer side or their height is beyond these bounds
LARGEST_SIDE, SMALLEST_HEIGHT = 1920, 480


@lru_cache
def colours(classes: tuple[str, ...]) -> dict[str, Colour]:
    """Each class's colour: the emotions have theirs, others get the next of OTHERS."""
    others = [name for name in classes if name not in COLOURS]
    return COLOURS | {name: OTHERS[index % len(OTHERS)] for index, name in enumerate(others)}


def draw(
    frame: np.ndarray,
    faces: list[Face],
    classes: tuple[str, ...],
    *,
    about: tuple[str, ...] = (),
    fps: float | None = None,
    note: str | None = None,
) -> np.ndarray:
    """The annotated picture: the BGR frame with its faces, and to its right a panel about the first (main) face.

    Args:
        about: lines about the model for the panel's foot.
        fps: frames a second to show in the panel, if any.
        note: text at the bottom of the frame, if any: a line or more.

    Returns a new uint8 BGR array, at least 480 and at most 1920 high; both sides are even, as video codecs need it.
    """
    picture, canvas, scale, left, top = _fitted(frame)
    unit = _unit(*canvas.shape[:2])
    for index, face in reversed(list(enumerate(faces))):  # the main face last, on top
        box = Box(round(face.box.x * scale) + left, round(face.box.y * scale) + top,
                  round(face.box.width * scale), round(face.box.height * scale))
        _draw_face(canvas, box, face, classes, unit, main=index == 0)
    if not faces:
        _plate(canvas, "no face", round(12 * unit), round(12 * unit), round(18 * unit), unit, TRACK, BRIGHT)
    for index, text in enumerate(reversed(note.splitlines() if note else [])):
        y = canvas.shape[0] - round((40 + 32 * index) * unit)
        _plate(canvas, text, round(12 * unit), y, round(16 * unit), unit, TRACK, BRIGHT)
    foot = (*about, *([f"{fps:.0f} frames a second"] if fps is not None else []))
    _panel(picture[:, canvas.shape[1] :], faces[0] if faces else None, classes, foot, unit)
    return picture


def _unit(height: int, width: int) -> float:
    """The factor by which lengths grow on a canvas of this size.

    By its shorter side, so that the panel of a portrait picture stays narrow.
    """
    return max(1.0, min(height, width) / SMALLEST_HEIGHT)


def _fitted(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, int, int]:
    """The frame, scaled, in a picture with room for the panel.

    Returns the picture, the view of its left part (the canvas for boxes), the scale, and the frame's left and top in
    the canvas: a frame that is too flat or narrow is centred on the background.
    """
    height, width = frame.shape[:2]
    scale = min(LARGEST_SIDE / max(width, height), max(1.0, SMALLEST_HEIGHT / height))
    new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
    if scale != 1:
        frame = cv2.resize(frame, (new_width, new_height),
                           interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    # Rounded up to even numbers
    canvas_width = max(new_width + new_width % 2, 160)
    canvas_height = max(new_height + new_height % 2, SMALLEST_HEIGHT)
    left, top = (canvas_width - new_width) // 2, (canvas_height - new_height) // 2
    panel_width = 2 * round(PANEL_WIDTH / 2 * _unit(canvas_height, canvas_width))
    picture = np.empty((canvas_height, canvas_width + panel_width, 3), "uint8")
    canvas = picture[:, :canvas_width]
    if (new_height, new_width) != canvas.shape[:2]:
        canvas[:] = BACKGROUND
    canvas[top : top + new_height, left : left + new_width] = frame
    return picture, canvas, scale, left, top


def _draw_face(canvas: np.ndarray, box: Box, face: Face, classes: tuple[str, ...], unit: float, main: bool) -> None:
    name = classes[face.best]
    colour = colours(classes)[name] if face.sure else DIM
    corners = (box.x, box.y), (box.x + box.width - 1, box.y + box.height - 1)
    # A dark line under the bright one is visible on any background
    cv2.rectangle(canvas, *corners, DARK, round((6 if main else 4) * unit), cv2.LINE_AA)
    cv2.rectangle(canvas, *corners, colour, round((3 if main else 2) * unit), cv2.LINE_AA)
    # Small faces get small letters: those of a window 720 pixels high, in which large pictures are opened
    size = int(np.clip(box.width / 8, 14 * max(1.0, unit / 1.5), 22 * unit))
    text = f"{name} {float(face.scores[face.best]):.0%}" if face.sure else face.says(classes)
    width, height = _plate_size(text, size, unit)
    side = int(np.clip(box.width * 0.35, height, 64 * unit)) if face.sure else 0
    # The label above the box, the emoji right of the label; at the upper edge of the frame both move into the box
    y = box.y - height - round(5 * unit)
    if y < 0:
        y = box.y + round(4 * unit)
    gap = round(6 * unit)
    x = int(np.clip(box.x - 2, 0, max(0, canvas.shape[1] - width - side - gap)))
    _plate(canvas, text, x, y, size, unit, *((colour, DARK) if face.sure else (TRACK, BRIGHT)))
    if side:
        _draw_emoji(canvas, name, x + width + gap, max(0, y + height - side), side)


def _plate_size(text: str, size: int, unit: float) -> tuple[int, int]:
    width, height = text_size(text, size)
    return width + round(12 * unit), height + round(6 * unit)


def _plate(canvas: np.ndarray, text: str, x: int, y: int, size: int, unit: float, colour: Colour,
           letters: Colour) -> None:
    rounded(canvas, x, y, *_plate_size(text, size, unit), colour, radius=round(4 * unit))
    put(canvas, text, x + round(6 * unit), y + round(3 * unit), size, letters)


def _panel(panel: np.ndarray, face: Face | None, classes: tuple[str, ...], foot: tuple[str, ...], unit: float) -> None:
    """Draw the panel: the emoji and name of the face's emotion, a bar for every class, and the lines at the bottom."""
    cv2.rectangle(panel, (0, 0), panel.shape[1::-1], BACKGROUND, -1)
    side, middle = round(120 * unit), panel.shape[1] // 2

    def centred(text: str, y: int, size: int, colour: Colour) -> None:
        put(panel, text, middle - text_size(text, round(size * unit))[0] // 2, round(y * unit), round(size * unit),
            colour)

    if face is None:
        cv2.circle(panel, (middle, round(20 * unit) + side // 2), side // 2 - 2, TRACK, round(2 * unit), cv2.LINE_AA)
        centred("no face", 148, 26, DIM)
    else:
        name = classes[face.best]
        _draw_emoji(panel, name, middle - side // 2, round(20 * unit), side, faint=not face.sure)
        if face.sure:
            shown = _fitting(name, round(26 * unit), panel.shape[1] - round(20 * unit))
            centred(shown, 148, 26, colours(classes)[name])
        else:
            centred("unsure", 141, 22, BRIGHT)
            centred(face.says(classes).removeprefix("unsure: "), 170, 14, DIM)
    # The rows of any number of classes fit between the name and the bottom lines
    top, between = 194 * unit, 18 * unit
    bottom = panel.shape[0] - between * (1 + len(foot))
    step = min(30 * unit, (bottom - top) // len(classes))
    for index, name in enumerate(classes):
        score = float(face.scores[index]) if face is not None else None
        strongest = face is not None and index == face.best
        _bar(panel, name, score, round(top + (index + 0.5) * step), unit, colours(classes)[name], strongest)
    for index, text in enumerate(foot):
        y = panel.shape[0] - 12 * unit - between * (len(foot) - index)
        put(panel, text, round(between), round(y), round(12 * unit), DIM)


def _bar(panel: np.ndarray, name: str, score: float | None, middle: int, unit: float, colour: Colour,
         strongest: bool) -> None:
    left, right, size, margin, thick = (round(length * unit) for length in (96, 196, 14, 18, 9))
    letters = BRIGHT if strongest else DIM
    y = middle - text_size(name, size)[1] // 2
    put(panel, _fitting(name, size, left - margin - round(6 * unit)), margin, y, size, letters)
    # Thick lines rather than rectangles, for their round ends
    cv2.line(panel, (left, middle), (right, middle), TRACK, thick, cv2.LINE_AA)
    if score is None:
        return
    length = round((right - left) * score)
    if length:
        cv2.line(panel, (left, middle), (left + length, middle), colour, thick, cv2.LINE_AA)
    text = f"{score:.0%}"
    put(panel, text, panel.shape[1] - margin - text_size(text, size)[0], y, size, letters)


@lru_cache(maxsize=256)
def _fitting(name: str, size: int, width: int) -> str:
    """A class's name, cut to a width in pixels: those of other data sets may be longer than the emotions'."""
    short = name
    while len(short) > 1 and text_size(short, size)[0] > width:
        short = short.removesuffix("…")[:-1].rstrip() + "…"
    return short


def _draw_emoji(canvas: np.ndarray, name: str, x: int, y: int, side: int, faint: bool = False) -> None:
    emoji = _emoji(name, side)
    if emoji is not None:
        blend(canvas, emoji[..., :3], emoji[..., 3] // 3 if faint else emoji[..., 3], x, y)


@lru_cache(maxsize=256)
def _emoji(name: str, side: int) -> np.ndarray | None:
    """An emotion's picture as uint8 BGRA ``(side, side, 4)``; None for a class without one."""
    path = EMOJI / f"{name}.png"
    if not path.is_file():
        return None
    picture = cv2.imdecode(np.fromfile(path, "uint8"), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.shape[2:] != (4,):
        raise Failure(f"{path}: not a picture with transparency; restore it")
    # Resized with premultiplied alpha, so that the colour of transparent pixels does not darken the rim
    opacity = picture[..., 3:].astype("float32") / 255
    small = cv2.resize(np.concatenate([picture[..., :3] * opacity, opacity], axis=2).astype("float32"), (side, side),
                       interpolation=cv2.INTER_AREA)
    colours = small[..., :3] / np.maximum(small[..., 3:], 1 / 255)
    return np.concatenate([colours, 255 * small[..., 3:]], axis=2).round().clip(0, 255).astype("uint8")
