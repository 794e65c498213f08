"""Emotions in faces, with the model that came with the installation.

    from ferpipe import Reader

    reader = Reader()
    for face in reader.read("photo.jpg"):
        print(face.label, face.probabilities[face.label], face.box)
    for frame in reader.watch("clip.mp4"):
        print(frame.seconds, [face.label for face in frame.faces])

What goes wrong outside the program (no picture, no model) raises ``Failure``, whose message says so in one line.
The package re-exports; ``pipeline.demo.reading`` documents and implements.
"""

from importlib.metadata import PackageNotFoundError, version

from pipeline.demo.reading import Box, Channels, Face, Frame, Picture, Reader
from pipeline.system.failure import Failure

__all__ = ["Box", "Channels", "Face", "Failure", "Frame", "Picture", "Reader", "__version__"]

try:
    __version__ = version("ferpipe")
except PackageNotFoundError:  # a folder that was copied, not installed
    __version__ = "unknown"
