"""One head on a canvas: a person, held in a pose, with an expression.

Head units: the eyes lie on y = 0, the chin at y = 1, the face is 1.5 wide, x to the right and y down.
"""

from dataclasses import dataclass
from math import cos, sin

import numpy as np

from pipeline.download.drawn.canvas import Canvas, curve, ellipse
from pipeline.download.drawn.expression import Expression
from pipeline.download.drawn.person import Look

# Pixels per head unit from which on strands, lashes and the like are drawn
FINE_FROM = 75
MIRROR = np.array([[[1.0, 1.0]], [[-1.0, 1.0]]])


@dataclass(frozen=True)
class Pose:
    """The head's position (between its eyes) in pixels, its size in pixels per head unit, its angles in radians."""

    x: float
    y: float
    unit: float
    roll: float = 0.0
    yaw: float = 0.0  # small: the features move over an ellipsoid, there is no profile
    flatten: float = 1.0  # height against width

    def place(self, points, surface: bool = True) -> np.ndarray:
        """Head units ``(..., 2)`` to pixels; ``surface``: points on the rotated face, else on the head's outline."""
        p = np.array(points, "float64")
        if self.yaw:
            x = p[..., 0] * cos(self.yaw)
            if surface:
                # The face as half an ellipsoid: points near its middle are closer to the viewer and move further
                depth = 1 - (p[..., 0] / 0.85) ** 2 - ((p[..., 1] - 0.1) / 1.4) ** 2
                x += 0.7 * sin(self.yaw) * np.sqrt(np.maximum(depth, 0))
            p[..., 0] = x
        c, s = self.unit * cos(self.roll), self.unit * sin(self.roll)
        return p @ np.array([[c, s], [-s * self.flatten, c * self.flatten]]) + (self.x, self.y)


class Head:
    """Paints one head on a canvas. With ``both`` a shape appears on the right and, mirrored, on the left."""

    def __init__(self, canvas: Canvas, look: Look, expression: Expression, pose: Pose):
        self.canvas, self.look, self.expression, self.pose = canvas, look, expression, pose
        self.skin, self.hair = np.array(look.skin, "float32"), np.array(look.hair, "float32")
        self.shadow = self.skin * np.array((0.52, 0.58, 0.70), "float32")
        self.light = self.skin * 0.45 + 140
        self.fine = pose.unit >= FINE_FROM
        # The jaw falls with the mouth
        self.chin = look.long + 0.13 * max(expression.mouth_open, 0)
        self.outline = self.on(self._outline(), surface=False)

    def on(self, points, surface: bool = True, both: bool = False) -> np.ndarray:
        """Head units to pixels; ``both``: ``(N, 2)`` points and their mirror images, ``(2, N, 2)``."""
        return self.pose.place(np.asarray(points) * MIRROR if both else points, surface)

    def fill(self, points, colour, alpha=1.0, blur=0.0, within=None, surface=True, both=False) -> None:
        """``Canvas.fill`` in head units, but for ``within``."""
        if alpha > 0.02:
            self.canvas.fill(self.on(points, surface, both), colour, alpha, blur * self.pose.unit, within)

    def stroke(self, points, widths, colour, alpha=1.0, blur=0.0, within=None, surface=True, both=False) -> None:
        """``Canvas.stroke`` in head units, but for ``within``."""
        if alpha > 0.02:
            widths = np.asarray(widths) * self.pose.unit
            self.canvas.stroke(self.on(points, surface, both), widths, colour, alpha, blur * self.pose.unit, within)

    def glow(self, centre, radii, colour, alpha, angle=0.0, within=None, surface=True, both=False) -> None:
        """``Canvas.glow`` in head units, but for ``within``."""
        if alpha > 0.02:
            radii = (radii[0] * self.pose.unit, radii[1] * self.pose.unit)
            centres = self.on([centre], surface, both).reshape(-1, 2)
            self.canvas.glow(centres, radii, colour, alpha, angle + self.pose.roll, within)

    def _outline(self) -> np.ndarray:
        wide, jaw, chin = self.look.wide, self.look.jaw, self.chin
        right = [(0.30, -0.93), (0.58, -0.70), (wide - 0.03, -0.32), (wide, 0.05), (wide - 0.05, 0.36),
                 (jaw, 0.66 * chin), (jaw * 0.55, 0.92 * chin), (0.12, chin)]
        return curve([(0, -1.0), *right, *[(-x, y) for x, y in right[::-1]]], 5, closed=True)

    def neck(self) -> None:
        """The neck, with the shadow of the chin."""
        right = [(0.36, 0.4), (0.345, 0.85), (0.40, 1.14), (0.46, 1.32)]
        neck = curve([*[(-x, y) for x, y in right], (0, 1.5), *right[::-1]], 5, closed=True)
        self.fill(neck, self.skin * 0.62 + self.shadow * 0.38, surface=False)
        self.fill(ellipse((0, self.chin - 0.28), (0.56, 0.44)), self.shadow * 0.8, 0.75, 0.13,
                  within=self.on(neck, False), surface=False)

    def shoulders(self) -> None:
        """Shoulders and collar."""
        cloth = np.array(self.look.cloth, "float32")
        neckline = [(0.14, 1.385), (0.30, 1.29), (0.41, 1.14)]
        right = [*neckline, (0.62, 1.25), (0.98, 1.37), (1.28, 1.55), (1.42, 1.95), (1.5, 3.2)]
        torso = curve([*[(-x, y) for x, y in right[::-1]], (0, 1.41), *right], 6)
        collar = curve([*[(-x, y) for x, y in neckline[::-1]], (0, 1.41), *neckline])
        inside = self.on(torso, False)
        self.stroke(collar + np.array((0, -0.02)), 0.12, self.shadow, 0.5, 0.06, surface=False)
        self.fill(torso, cloth, surface=False)
        sleeve = curve([(1.05, 3.2), (1.0, 2.2), (0.93, 1.75)])
        self.stroke(sleeve, 0.05, cloth * 0.6, 0.6, 0.05, within=inside, surface=False, both=True)
        self.glow((self.look.light * 0.75, 1.55), (0.45, 0.3), cloth * 0.5 + 120, 0.4, within=inside, surface=False)
        self.stroke(collar, 0.06, cloth * 0.8, surface=False)

    def ears(self) -> None:
        """Both ears; their rims only on a head that is large enough to show them."""
        out = np.array((self.look.wide - 0.75, 0))
        ear = curve([(0.70, -0.06), (0.80, -0.13), (0.87, -0.04), (0.84, 0.16), (0.76, 0.30), (0.69, 0.26)], 4, True)
        self.fill(ear + out, self.skin * 0.72 + self.shadow * 0.28, surface=False, both=True)
        if not self.fine:
            return
        rim = curve([(0.77, 0.0), (0.82, -0.03), (0.81, 0.1), (0.77, 0.19)], 4) + out
        self.stroke(rim, 0.03, self.shadow, 0.6, 0.02, surface=False, both=True)

    def skull(self) -> None:
        """The face's form: dark towards its rim and on the far side, bright where it bulges."""
        light, face, unit = self.look.light, self.outline, self.pose.unit
        self.canvas.fill(face, self.skin)
        self.canvas.stroke(np.concatenate([face, face[:2]]), 0.34 * unit, self.shadow, 0.75, 0.22 * unit, within=face)
        self.glow((-light * 0.72, 0.2), (0.22, 0.7), self.shadow, 0.55, within=face)
        self.glow((light * 0.10, -0.45), (0.42, 0.20), self.light, 0.55, within=face)
        self.glow((0.40, 0.30), (0.17, 0.14), self.light, 0.48, within=face, both=True)
        if self.fine:
            self.glow((0.42, 0.36), (0.15, 0.11), self.skin * (0.78, 0.80, 1.02), 0.35, within=face, both=True)
        self.glow((0, self.chin - 0.13), (0.14, 0.07), self.light, 0.4)
