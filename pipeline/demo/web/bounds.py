"""The server's limits, so that no picture and no number of clients can stop it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """The limits; the page reads them from ``about.json`` and checks them before it sends anything.

    Attributes:
        upload_bytes: of one picture's file.
        pixels: of one picture, width times height, read from its header before it is decoded. JPEGs with up to four
            times as many are read at half their width and height; a PNG cannot be, and would take seconds.
        batch: pictures in one request.
        batch_bytes: of the whole request.
        requests: requests with pictures at one time; one more waits for its turn.
        queue: seconds for which it waits, then it gets 503.
        frame_bytes, frame_pixels: of a camera's frame.
        cameras: live connections at one time; one more gets an error and is closed.
        patience: seconds that a client may take to send a request or to accept an answer.
        grace: seconds after which a request that is still arriving gives way to others, where all places are taken.
        idle: seconds after which a live connection without a frame is closed; the page opens a new one.
        video_seconds: of a video, which the page decodes itself and sends frame by frame.
        connections: of any kind; a request of one more gets 503. Before that, those go that are slow: see ``server``.
    """

    upload_bytes: int = 20_000_000
    pixels: int = 25_000_000
    batch: int = 16
    batch_bytes: int = 60_000_000
    requests: int = 8
    queue: float = 5.0
    frame_bytes: int = 2_000_000
    frame_pixels: int = 4_000_000
    cameras: int = 4
    patience: float = 20.0
    grace: float = 2.0
    idle: float = 120.0
    video_seconds: float = 60.0
    connections: int = 100
