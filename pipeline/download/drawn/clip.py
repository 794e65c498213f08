"""A clip for the demo: people over a calm wall who move a little and change their expressions."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pipeline.download.drawn.canvas import Canvas
from pipeline.download.drawn.expression import FULL, Expression
from pipeline.download.drawn.head import Head, Pose
from pipeline.download.drawn.paint import paint
from pipeline.download.drawn.person import CLOTHES, Look
from pipeline.download.drawn.sample import backdrop
from pipeline.faces.faces import EMOTIONS

# Seconds per expression, and the share of them in which it changes to the next one
HOLD, CHANGE = 1.3, 0.35
UNIT = 0.215  # a head unit (see head.py) as a share of the frame's height


def frames(seconds: float, fps: int, size: tuple[int, int] = (640, 480), seed: int = 3,
           people: int = 2) -> Iterator[np.ndarray]:
    """``seconds * fps`` frames, uint8 ``(height, width, 3)`` in BGR; ``size`` is (width, height).

    ``people`` are side by side, and smaller if more than two; in an upright frame there is one.
    """
    width, height = size
    rng = np.random.default_rng(seed)
    wall = backdrop(width, height, rng)
    people = people if width > height else 1
    centres = {1: (0.5,), 2: (0.27, 0.73)}.get(people, tuple((number + 0.5) / people for number in range(people)))
    unit = UNIT * min(1.0, 2.2 / people)
    actors = [_Actor(rng, centre, CLOTHES[2 * number % len(CLOTHES)], unit) for number, centre in enumerate(centres)]
    for number in range(round(seconds * fps)):
        image = wall.copy()
        for actor in actors:
            head = Head(Canvas(image), actor.look, actor.expression(number / fps), actor.pose(number / fps, size))
            paint(head)
        yield np.clip(image + 0.5, 0, 255).astype("uint8")


class _Actor:
    """One person, with a random order of expressions and random movements of the head.

    ``centre``: horizontal position as a share of the frame's width; ``unit``: head unit as a share of its height.
    """

    def __init__(self, rng: np.random.Generator, centre: float, cloth: tuple, unit: float):
        self.look, self.centre, self.unit = replace(Look.drawn(rng), cloth=cloth), centre, unit
        self.order = [str(name) for name in rng.permutation(EMOTIONS)]
        self.offset = rng.uniform(0, HOLD)
        self.phase, self.pace = rng.uniform(0, 2 * np.pi, 5), rng.uniform(0.7, 1.3, 5)

    def expression(self, time: float) -> Expression:
        turn, share = divmod((time + self.offset) / HOLD, 1)
        now, then = (FULL[self.order[int(turn + step) % len(self.order)]] for step in (0, 1))
        # Smoothstep over the last part of the time
        progress = np.clip((share - 1 + CHANGE) / CHANGE, 0, 1)
        return now.blend(then, float(progress * progress * (3 - 2 * progress)))

    def pose(self, time: float, size: tuple[int, int]) -> Pose:
        width, height = size
        x, y, scale, roll, yaw = np.sin(self.phase + self.pace * time).tolist()
        return Pose(width * self.centre + 0.035 * height * x, height * (0.47 + 0.02 * y),
                    height * self.unit * (1 + 0.10 * scale), roll=0.06 * roll, yaw=0.13 * yaw)
