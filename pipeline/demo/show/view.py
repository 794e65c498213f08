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
PANEL_WIDTH = 260
# Frames are scaled down to fit this width and height, and up to the smallest height
LARGEST, SMALLEST_HEIGHT = (1024, 720), 480


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
        note: a line of text at the bottom of the frame, if any.

    Returns a new uint8 BGR array, at least 480 and at most 720 high; both sides are even, as video codecs need it.
    """
    picture, canvas, scale, left, top = _fitted(frame)
    for index, face in reversed(list(enumerate(faces))):  # the main face last, on top
        box = Box(round(face.box.x * scale) + left, round(face.box.y * scale) + top,
                  round(face.box.width * scale), round(face.box.height * scale))
        _draw_face(canvas, box, face, classes, main=index == 0)
    if not faces:
        _plate(canvas, "no face", 12, 12, 18, TRACK, BRIGHT)
    if note:
        _plate(canvas, note, 12, canvas.shape[0] - 40, 16, TRACK, BRIGHT)
    foot = (*about, *([f"{fps:.0f} frames a second"] if fps is not None else []))
    _panel(picture[:, canvas.shape[1] :], faces[0] if faces else None, classes, foot)
    return picture


def _fitted(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, int, int]:
    """The frame, scaled, in a picture with room for the panel.

    Returns the picture, the view of its left part (the canvas for boxes), the scale, and the frame's left and top in
    the canvas: a frame that is too flat or narrow is centred on the background.
    """
    height, width = frame.shape[:2]
    scale = min(LARGEST[0] / width, LARGEST[1] / height, max(1.0, SMALLEST_HEIGHT / height))
    new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
    if scale != 1:
        frame = cv2.resize(frame, (new_width, new_height),
                           interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    # Rounded up to even numbers
    canvas_width = max(new_width + new_width % 2, 160)
    canvas_height = max(new_height + new_height % 2, SMALLEST_HEIGHT)
    left, top = (canvas_width - new_width) // 2, (canvas_height - new_height) // 2
    picture = np.empty((canvas_height, canvas_width + PANEL_WIDTH, 3), "uint8")
    canvas = picture[:, :canvas_width]
    if (new_height, new_width) != canvas.shape[:2]:
        canvas[:] = BACKGROUND
    canvas[top : top + new_height, left : left + new_width] = frame
    return picture, canvas, scale, left, top


def _draw_face(canvas: np.ndarray, box: Box, face: Face, classes: tuple[str, ...], main: bool) -> None:
    name = classes[face.best]
    colour = colours(classes)[name] if face.sure else DIM
    corners = (box.x, box.y), (box.x + box.width - 1, box.y + box.height - 1)
    # A dark line under the bright one is visible on any background
    cv2.rectangle(canvas, *corners, DARK, 6 if main else 4, cv2.LINE_AA)
    cv2.rectangle(canvas, *corners, colour, 3 if main else 2, cv2.LINE_AA)
    size = int(np.clip(box.width / 8, 14, 22))
    text = f"{name} {float(face.scores[face.best]):.0%}" if face.sure else face.says(classes)
    width, height = text_size(text, size)
    width, height = width + 12, height + 6
    side = int(np.clip(box.width * 0.35, height, 64)) if face.sure else 0
    # The label above the box, the emoji right of the label; at the upper edge of the frame both move into the box
    y = box.y - height - 5
    if y < 0:
        y = box.y + 4
    x = int(np.clip(box.x - 2, 0, max(0, canvas.shape[1] - width - side - 6)))
    _plate(canvas, text, x, y, size, *((colour, DARK) if face.sure else (TRACK, BRIGHT)))
    if side:
        _draw_emoji(canvas, name, x + width + 6, max(0, y + height - side), side)


def _plate(canvas: np.ndarray, text: str, x: int, y: int, size: int, colour: Colour, letters: Colour) -> None:
    width, height = text_size(text, size)
    rounded(canvas, x, y, width + 12, height + 6, colour)
    put(canvas, text, x + 6, y + 3, size, letters)


def _panel(panel: np.ndarray, face: Face | None, classes: tuple[str, ...], foot: tuple[str, ...]) -> None:
    """Draw the panel: the emoji and name of the face's emotion, a bar for every class, and the lines at the bottom."""
    cv2.rectangle(panel, (0, 0), panel.shape[1::-1], BACKGROUND, -1)
    side, middle = 120, panel.shape[1] // 2
    if face is None:
        cv2.circle(panel, (middle, 20 + side // 2), side // 2 - 2, TRACK, 2, cv2.LINE_AA)
        _centred(panel, "no face", middle, 148, 26, DIM)
    else:
        name = classes[face.best]
        _draw_emoji(panel, name, middle - side // 2, 20, side, faint=not face.sure)
        if face.sure:
            _centred(panel, _fitting(name, 26, PANEL_WIDTH - 20), middle, 148, 26, colours(classes)[name])
        else:
            _centred(panel, "unsure", middle, 141, 22, BRIGHT)
            _centred(panel, face.says(classes).removeprefix("unsure: "), middle, 170, 14, DIM)
    # The rows of any number of classes fit between the name and the bottom lines
    top, bottom = 194, panel.shape[0] - 18 - 18 * len(foot)
    step = min(30, (bottom - top) // len(classes))
    for index, name in enumerate(classes):
        score = float(face.scores[index]) if face is not None else None
        _bar(panel, name, score, top + index * step, step, colours(classes)[name],
             strongest=face is not None and index == face.best)
    for index, text in enumerate(foot):
        put(panel, text, 18, panel.shape[0] - 12 - 18 * (len(foot) - index), 12, DIM)


def _bar(panel: np.ndarray, name: str, score: float | None, y: int, step: int, colour: Colour,
         strongest: bool) -> None:
    left, right, middle = 96, 196, y + step // 2
    letters = BRIGHT if strongest else DIM
    name = _fitting(name, 14, left - 24)
    text_height = text_size(name, 14)[1]
    put(panel, name, 18, middle - text_height // 2, 14, letters)
    # Thick lines rather than rectangles, for their round ends
    cv2.line(panel, (left, middle), (right, middle), TRACK, 9, cv2.LINE_AA)
    if score is None:
        return
    length = round((right - left) * score)
    if length:
        cv2.line(panel, (left, middle), (left + length, middle), colour, 9, cv2.LINE_AA)
    text = f"{score:.0%}"
    put(panel, text, PANEL_WIDTH - 18 - text_size(text, 14)[0], middle - text_height // 2, 14, letters)


@lru_cache(maxsize=256)
def _fitting(name: str, size: int, width: int) -> str:
    """A class's name, cut to a width in pixels: those of other data sets may be longer than the emotions'."""
    short = name
    while len(short) > 1 and text_size(short, size)[0] > width:
        short = short.removesuffix("…")[:-1].rstrip() + "…"
    return short


def _centred(panel: np.ndarray, text: str, middle: int, y: int, size: int, colour: Colour) -> None:
    put(panel, text, middle - text_size(text, size)[0] // 2, y, size, colour)


def _draw_emoji(canvas: np.ndarray, name: str, x: int, y: int, side: int, faint: bool = False) -> None:
    emoji = _emoji(name, side)
    if emoji is not None:
        blend(canvas, emoji[..., :3], emoji[..., 3] // 3 if faint else emoji[..., 3], x, y)


@lru_cache(maxsize=128)
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
