"""The Python API: emotions in pictures, arrays and videos. ``from ferpipe import Reader`` is the same."""

import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import cv2
import numpy as np
from PIL import Image, ImageOps

from pipeline.bundle.bundle import Bundle
from pipeline.demo.see import boxes
from pipeline.demo.see.ahead import ahead
from pipeline.demo.see.batches import Detected, classified, detected
from pipeline.demo.see.boxes import UNSURE, Box
from pipeline.demo.see.crop import middle
from pipeline.demo.see.detector import BlazeFace
from pipeline.demo.see.tracks import Tracks
from pipeline.demo.see.watcher import Search, Watcher
from pipeline.demo.sources.open import open_source
from pipeline.demo.sources.pictures import MOST_PIXELS, read_picture
from pipeline.demo.sources.source import Source, quiet
from pipeline.system.failure import Failure
from pipeline.system.project import model_folder

Picture: TypeAlias = str | os.PathLike[str] | np.ndarray | Image.Image
"""A file's path, an array uint8 ``(H, W, 3)`` or gray ``(H, W)``, or an image of Pillow."""
Channels = Literal["BGR", "RGB"]
"""The order of an array's channels, OpenCV's or everybody else's."""


@dataclass(frozen=True)
class Face:
    """A face and its emotion.

    Attributes:
        box: where it is, in pixels of the picture: x and y of its upper left corner, width, height.
        label: the emotion's name; in a video it changes only when another one clearly leads, so it does not flicker.
        probabilities: of every emotion by its name, calibrated, sum 1; in a video smoothed over time.
        unsure: whether the label's probability is below the reader's ``unsure_below``.
        id: in a video the same number for the same face; in a picture 1 for the largest face, 2 for the next.
    """

    box: Box
    label: str
    probabilities: dict[str, float] = field(hash=False)
    unsure: bool
    id: int

    @property
    def roll(self) -> float:
        """How far the head is tilted, degrees clockwise; 0 for one that is about upright."""
        return self.box.angle


@dataclass(frozen=True)
class Frame:
    """A frame of a video or of a camera.

    Attributes:
        seconds: its time from the start.
        faces: the largest first.
        image: its pixels, uint8 BGR ``(H, W, 3)``.
    """

    seconds: float
    faces: tuple[Face, ...]
    image: np.ndarray = field(repr=False, compare=False)


class Reader:
    """Finds faces and reads their emotions.

    One reader serves any number of threads; an iterator of ``watch`` belongs to the thread that uses it. OpenCV's
    messages are switched off: a Failure says what is wrong.

    Args:
        model: a model bundle's folder; None: ``data/champion`` here, else the champion that was installed.
        unsure_below: faces whose label has a lower probability, 0 to 1, are ``unsure``.

    Raises:
        Failure: the model is missing or damaged, or ``unsure_below`` is no probability.
    """

    def __init__(self, model: str | os.PathLike[str] | None = None, unsure_below: float = UNSURE):
        if not 0 <= unsure_below <= 1:
            raise Failure(f"unsure_below: {unsure_below} is not a probability, 0 to 1")
        quiet()
        self.unsure_below = unsure_below
        self._bundle = Bundle.load(model_folder(model))
        self._detector = BlazeFace()
        # The first picture finds both loaded
        self._detector.find(np.zeros((48, 48, 3), "uint8"))
        self._bundle.predict(np.zeros((1, 48, 48), "uint8"))

    @property
    def classes(self) -> tuple[str, ...]:
        """The emotions' names, in the order of ``Face.probabilities``."""
        return self._bundle.classes

    @property
    def model_id(self) -> str:
        """The model's id, a hash of its content, as in the ledger and in ``ferpipe predict --json``."""
        return self._bundle.id

    def read(self, picture: Picture, channels: Channels = "BGR", face: bool = False) -> list[Face]:
        """The faces of one picture, the largest first; small and tilted ones too.

        Args:
            picture: a file's path, an array uint8 ``(H, W, 3)`` or gray ``(H, W)``, or an image of Pillow. Files and
                Pillow's images are turned as their EXIF data says.
            channels: the order of an array's channels, ``BGR`` as OpenCV has it or ``RGB``.
            face: it is one face already, as FER-2013's pictures are: its largest square in the middle is classified,
                no face is looked for.

        Raises:
            Failure: it is no picture, an animation, damaged, or larger than 120 million pixels.
            TypeError: it is nothing of what a ``Picture`` can be.
        """
        return self.read_many([picture], channels, face)[0]

    def read_many(self, pictures: Iterable[Picture], channels: Channels = "BGR",
                  face: bool = False) -> list[list[Face]]:
        """The same for several pictures, in their order; their faces go to the model together, which is faster.

        Pictures are opened one by one, so that any number fits into memory. Raises Failure at the first that cannot be
        read; ``read`` one by one goes on with the next.
        """
        def detections() -> Iterator[Detected]:
            for picture in pictures:
                image = _pixels(picture, channels)
                squares = [middle(image)] if face else self._detector.find(image)
                yield detected(Path(), 0.0, image, squares, 1.0 if face else self._bundle.crop_margin, keep=False)

        return [[self._face(face) for face in boxes.numbered(item.boxes, scores, self.unsure_below)]
                for item, scores in classified(detections(), self._bundle)]

    def watch(self, source: str | os.PathLike[str] | int) -> Iterator[Frame]:
        """The frames of a video, a camera or a stream with their faces, which are followed from frame to frame.

        A video's frames have the results of ``ferpipe predict``; they come in small groups, because their faces go to
        the model together. A camera's or stream's frames have those of ``ferpipe demo``; they come as they arrive,
        and those that come while the caller is busy are dropped.

        Args:
            source: a video file, a camera's index (0 is the first) or path, or a URL (http, https, rtsp). It is open
                from the call on, until the iterator ends or is closed.

        Raises:
            Failure: there is no such video or camera; from the iterator, when no frame of it can be read.
        """
        opened = open_source(str(source))
        if opened.kind in ("picture", "folder"):
            raise Failure(f"{source}: not a video; read takes a picture, read_many takes several")
        return self._frames(opened)

    def _frames(self, source: Source) -> Iterator[Frame]:
        with source:
            yield from self._live(source) if source.live else self._film(source)

    def _film(self, source: Source) -> Iterator[Frame]:
        search, tracks, margin = Search(self._detector), Tracks(), self._bundle.crop_margin

        def detections() -> Iterator[Detected]:
            for image, seconds in source:
                if image is not None:
                    yield detected(Path(), seconds, image, search.find(image, seconds), margin, keep=True)

        with closing(ahead(detections())) as items:
            for item, scores in classified(items, self._bundle):
                assert item.frame is not None
                faces = tracks.update(item.boxes, scores, item.seconds, self.unsure_below)
                yield self._frame(item.frame, item.seconds, faces)

    def _live(self, source: Source) -> Iterator[Frame]:
        watcher = Watcher(self._detector, self._bundle, self.unsure_below)
        for image, seconds in source:
            if image is not None:
                yield self._frame(image, seconds, watcher.see(image, seconds))

    def _frame(self, image: np.ndarray, seconds: float, faces: list[boxes.Face]) -> Frame:
        return Frame(seconds, tuple(self._face(face) for face in faces if not face.held), image)

    def _face(self, face: boxes.Face) -> Face:
        probabilities = dict(zip(self.classes, face.scores.tolist(), strict=True))
        return Face(face.box, self.classes[face.best], probabilities, not face.sure, face.id)


def _pixels(picture: Picture, channels: Channels) -> np.ndarray:
    """Any picture as BGR ``(H, W, 3)`` or gray ``(H, W)``."""
    if channels not in ("BGR", "RGB"):
        raise Failure(f"channels: expected 'BGR' or 'RGB', got {channels!r}")
    if isinstance(picture, str | os.PathLike):
        return read_picture(Path(picture))
    if isinstance(picture, np.ndarray):
        colour = picture.ndim == 3 and picture.shape[2] == 3
        if picture.dtype != np.uint8 or not (colour or picture.ndim == 2) or not picture.size:
            raise Failure(f"expected an array uint8 (H, W, 3) or (H, W), got {picture.dtype} {picture.shape}")
        return cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if colour and channels == "RGB" else picture
    if not isinstance(picture, Image.Image):
        raise TypeError(f"expected a path, an array or an image of Pillow, got {type(picture).__name__}")
    if picture.width * picture.height > MOST_PIXELS:
        raise Failure(f"more than {MOST_PIXELS // 1_000_000} million pixels; make the picture smaller")
    try:
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    except Exception as error:  # Pillow reads a file's pixels only now, and a broken one raises nearly anything
        raise Failure(f"not a picture that can be read ({error}); is it complete?") from error
    return cv2.cvtColor(np.asarray(upright), cv2.COLOR_RGB2BGR)
