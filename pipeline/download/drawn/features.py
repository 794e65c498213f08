"""Eyes, brows, nose, mouth and folds of a head: where the expression shows."""

import numpy as np

from pipeline.download.drawn.canvas import curve, ellipse
from pipeline.download.drawn.head import Head

DARK = np.array((28, 24, 30), "float32")
TEETH = (226, 234, 238)


def _line(x, y) -> np.ndarray:
    return np.stack([x, np.broadcast_to(y, x.shape)], axis=1)


def _between(x, top, bottom) -> np.ndarray:
    """The polygon between two lines over the same x."""
    return np.concatenate([_line(x, top), _line(x, bottom)[::-1]])


def sockets(head: Head) -> None:
    """The shade around the eyes, by which a Haar cascade recognises a face."""
    head.glow((0.30, -0.03), (0.17, 0.085), head.shadow, 0.55, both=True)
    head.glow((0.14, -0.05), (0.05, 0.09), head.shadow * 0.9, 0.4, both=True)


def eyes(head: Head) -> None:
    """Lids, iris, pupil and lashes."""
    look, e = head.look, head.expression
    upper = 0.088 * look.eyes * max(0.12, 1 + 0.55 * e.lid_upper - 0.22 * max(e.lid_lower, 0))
    lower = 0.050 * look.eyes * max(0.0, 1 - 0.75 * e.lid_lower)
    tilt = 0.022 * (e.brow_inner - e.brow_outer)  # the brow pulls its end of the lid along
    t = np.linspace(-1, 1, 15)  # from the inner to the outer corner
    x = 0.318 + 0.158 * look.eyes * t
    corner = 0.008 + (0.6 * tilt - 0.014) * t
    top = corner - upper * (1 - t**2) ** 0.75 - tilt * (1 - t) * (1 - t**2)
    bottom = corner + lower * (1 - t**2) ** 0.8
    shape, iris = _between(x, top, bottom), np.array(look.iris, "float32")
    inside = head.on(shape, both=True)
    head.fill(shape, (232, 236, 240), both=True)
    centre, radius = np.array((0.316, -0.014)), 0.080 * look.eyes
    head.fill(ellipse(centre, (radius, radius)), iris * 0.55, within=inside, both=True)
    if head.fine:
        head.fill(ellipse(centre, (radius * 0.8, radius * 0.8)), iris, within=inside, both=True)
        head.glow(centre + np.array((0, 0.03)), (0.035, 0.025), iris * 0.5 + 110, 0.6, within=inside, both=True)
    head.fill(ellipse(centre, (radius * 0.46, radius * 0.46)), DARK * 0.6, within=inside, both=True)
    head.stroke(_line(x, top + 0.02), 0.05, DARK, 0.45, 0.02, within=inside, both=True)
    # Both glints on the side of the light
    glints = ellipse((0, 0), (0.018, 0.018), 10) + np.array([[centre], [centre * (-1, 1)]])
    head.fill(glints + np.array((0.024 * look.light, -0.028)), (255, 255, 255), within=inside)
    lashes = (0.022 + 0.022 * look.lashes) * (0.45 + 0.55 * np.sin(np.pi * (t + 1.5) / 2.9))
    head.stroke(_line(x, top - 0.006), lashes, DARK, 0.95, both=True)
    if not head.fine:
        return
    head.stroke(_line(x, bottom), 0.014, head.shadow * 0.7, 0.8, both=True)
    bag = 0.25 + 0.5 * max(e.lid_lower, 0)
    head.stroke(_line(x, bottom + 0.045)[2:-2], 0.03, head.shadow, bag, 0.02, both=True)
    crease = max(0.3, 0.75 - 0.3 * max(e.lid_upper, 0))
    head.stroke(_line(x, top - 0.052 + 0.012 * t)[1:-1], 0.018, head.shadow * 0.8, crease, 0.012, both=True)


def brows(head: Head) -> None:
    """Two tapering arcs, the most visible part of most expressions."""
    e = head.expression
    inner, outer = -0.205 - 0.105 * e.brow_inner, -0.19 - 0.095 * e.brow_outer
    start = 0.135 - 0.05 * max(e.brow_squeeze, 0)
    arch = 0.58 * outer + 0.42 * inner - 0.045
    line = curve([(start, inner + 0.012), (start + 0.11, 0.66 * inner + 0.34 * arch - 0.012), (0.385, arch),
                  (0.52, outer)])
    widths = head.look.brow * np.interp(np.linspace(0, 1, len(line)), [0, 0.25, 0.7, 1], [0.042, 0.068, 0.05, 0.012])
    colour = np.minimum(head.hair * 0.75, head.skin * 0.55)
    if head.fine:
        head.stroke(line, widths * 1.25, colour, 0.45, 0.02, both=True)
    head.stroke(line, widths, colour, 0.85, 0.008, both=True)


def nose(head: Head) -> None:
    """A bright bridge with a shadow on the far side, wings and nostrils."""
    light, w, up = head.look.light, head.look.nose, 0.035 * max(head.expression.nose_wrinkle, 0)
    bridge = np.array([(0, -0.12), (0, 0.02), (0, 0.14), (0, 0.27)])
    head.stroke(bridge + np.array((-light * 0.105 * w, 0.02)), 0.06, head.shadow, 0.5, 0.06)
    if head.fine:
        head.stroke(bridge + np.array((light * 0.12 * w, 0.02)), 0.04, head.shadow, 0.25, 0.05)
    head.stroke(bridge, 0.075, head.light, 0.75, 0.06)
    head.glow((0.01 * light, 0.33 - up), (0.05, 0.04), head.light, 0.7)
    head.glow((0, 0.455 - up), (0.12, 0.035), head.shadow, 0.65)
    wing = curve([(0.125, 0.27), (0.168, 0.345), (0.150, 0.405), (0.105, 0.41)], 5) * (w, 1) - (0, up * 1.6)
    head.stroke(wing, np.linspace(0.012, 0.026, len(wing)), head.shadow * 0.72, 0.75, 0.012, both=True)
    head.fill(ellipse((0.062 * w, 0.410 - up), (0.038, 0.018), 12), head.shadow * 0.42, 0.85, 0.012, both=True)


def folds(head: Head) -> None:
    """What the skin does: furrows between the brows, wrinkles, the lines beside the mouth."""
    e, dark = head.expression, head.shadow * 0.8
    smile, sneer = max(e.mouth_curve, 0.0), max(e.lip_raise, e.nose_wrinkle, 0.0)
    reach = 0.33 + 0.07 * smile + 0.04 * max(e.mouth_width, 0)
    fold = curve([(0.185, 0.335 - 0.04 * sneer), (0.06 + 0.72 * reach, 0.42), (reach, 0.56)])
    depth = 0.14 + 0.42 * max(smile, 0.9 * sneer)
    head.stroke(fold, np.linspace(0.03, 0.012, len(fold)), dark, depth, 0.022, both=True)
    furrow = curve([(0.05, -0.30), (0.038, -0.22), (0.055, -0.14)], 5)
    head.stroke(furrow, 0.022, dark, 0.65 * e.brow_squeeze, 0.014, both=True)
    if e.nose_wrinkle > 0:
        for y in (0.0, 0.065, 0.13):
            wrinkle = curve([(0.025, y - 0.02), (0.075, y), (0.125, y + 0.05)], 4)
            head.stroke(wrinkle, 0.022, dark, 0.7 * e.nose_wrinkle, 0.012, both=True)
    if head.fine:
        crow = 0.55 * max(e.lid_lower, 0) * (0.35 + smile)
        head.stroke([(0.50, 0.02), (0.57, 0.05)], 0.014, dark, crow, 0.01, both=True)
        head.stroke([(0.50, -0.02), (0.58, -0.03)], 0.014, dark, crow, 0.01, both=True)
    lift = max(0.5 * (e.brow_inner + e.brow_outer), 0.6 * e.brow_inner)
    if lift > 0:
        for y, half in ((-0.40, 0.30), (-0.485, 0.34), (-0.57, 0.28)):
            line = curve([(-half, y + 0.03), (-half / 2, y), (half / 2, y), (half, y + 0.03)], 5)
            head.stroke(line, 0.018, dark, 0.5 * lift, 0.014)


def mouth(head: Head) -> None:
    """Lips, opening, teeth and tongue."""
    e, look = head.expression, head.look
    smile = e.mouth_curve + 0.2  # a flat line would look cross
    opened, raised = max(e.mouth_open, 0.0), max(e.lip_raise, 0.0)
    half = 0.265 * (1 + 0.28 * e.mouth_width)
    t = np.linspace(-1, 1, 25)
    x, bow = half * t, 1 - t**2
    middle, corner = 0.645 + (0.02 if smile > 0 else 0.03) * smile, 0.65 - 0.10 * smile
    line = middle + (corner - middle) * np.abs(t) ** 1.8
    rounded = 0.04 + 0.05 * max(-e.mouth_width, 0)
    inner_top = line - (rounded * opened + 0.075 * raised * (0.55 + 0.45 * np.abs(t))) * np.sqrt(bow)
    inner_low = line + (0.235 * opened + 0.02 * raised) * bow**0.62
    pressed = 1 - 0.35 * max(e.brow_squeeze, 0) * (opened < 0.2) - 0.2 * max(smile, 0)
    outer_top = inner_top - 0.058 * look.lips * pressed * bow * (1 - 0.16 * np.exp(-((t / 0.16) ** 2)))
    outer_low = inner_low + 0.088 * look.lips * pressed * bow**0.8
    lip = head.skin * np.array((0.66, 0.60, 0.88), "float32")
    lowest = float(outer_low.max())

    head.glow((0, lowest + 0.055), (0.15, 0.035), head.shadow, 0.6)
    if head.fine:
        head.glow((0, outer_top.min() - 0.06), (0.03, 0.05), head.shadow, 0.3)
    head.glow((half + 0.02, corner), (0.04, 0.04), head.shadow, 0.5, both=True)
    head.fill(_between(x, outer_top, line), lip * 0.86, blur=0.008)
    head.fill(_between(x, line, outer_low), lip, blur=0.008)
    if head.fine:
        head.glow((0.05 * look.light, lowest - 0.035), (0.09, 0.016), lip * 0.5 + 118, 0.55)
    if opened > 0.03 or raised > 0.15:
        opening = _between(x, inner_top, inner_low)
        inside = head.on(opening)
        head.fill(opening, (34, 26, 62))
        if opened > 0.3:
            tongue = ellipse((0, inner_low.max() + 0.015), (half * 0.55, 0.085 * opened + 0.02))
            head.fill(tongue, (96, 92, 176), 0.9, 0.02, inside)
        # A smile and a sneer show the upper teeth, a dropped jaw hardly
        shown = 0.085 * np.clip(0.75 * max(smile, 0) + raised + 0.5 * max(e.mouth_width, 0), 0.15, 1)
        teeth = _between(x, inner_top - 0.02, np.minimum(inner_top + shown * bow**0.4, inner_low))
        head.fill(teeth, TEETH, 1.0, 0.008, inside)
        if head.fine:
            head.stroke(_line(x, inner_top + 0.006), 0.022, (40, 34, 60), 0.5, 0.012, inside)
    else:
        head.stroke(_line(x, line), 0.012 + 0.016 * bow, head.shadow * 0.38, 0.95, 0.006)
    head.fill(ellipse((half, corner), (0.022, 0.018), 12), head.shadow * 0.5, 0.7, 0.012, both=True)


def glasses(head: Head) -> None:
    """Round enough to be worn, thin enough to see the eyes."""
    frame = (40, 36, 40)
    rim = curve([(0.11, -0.09), (0.32, -0.14), (0.54, -0.10), (0.52, 0.10), (0.32, 0.17), (0.14, 0.11)], 6, closed=True)
    head.fill(rim, (255, 250, 245), 0.10, both=True)
    head.stroke(np.concatenate([rim, rim[:1]]), 0.03, frame, 0.95, both=True)
    head.stroke([(0.54, -0.06), (0.76, -0.08)], 0.03, frame, 0.95, both=True)
    head.stroke(curve([(-0.12, -0.03), (0, -0.07), (0.12, -0.03)]), 0.03, frame, 0.95)
