"""Hair of a head: what lies behind it, what frames the face, and the beard."""

import numpy as np

from pipeline.download.drawn.canvas import curve, ellipse
from pipeline.download.drawn.head import Head

# Hairlines from the right temple over the forehead; all but the parted one are symmetric
HALF_LINES = {
    "short": [(0.735, -0.02), (0.69, -0.30), (0.60, -0.52), (0.35, -0.66), (0, -0.69)],
    "fringe": [(0.735, 0.12), (0.69, -0.20), (0.60, -0.42), (0.35, -0.45), (0, -0.42)],
    "long": [(0.90, 0.80), (0.72, 0.20), (0.63, -0.28), (0.34, -0.62), (0.0, -0.80)],
    "bun": [(0.735, 0.0), (0.69, -0.30), (0.58, -0.55), (0.32, -0.70), (0, -0.74)],
    "curly": [(0.735, 0.1), (0.68, -0.25), (0.60, -0.47), (0.35, -0.58), (0, -0.62)],
}
LINES = {name: [*half, *[(-x, y) for x, y in half[-2::-1]]] for name, half in HALF_LINES.items()}
LINES["parted"] = [(0.735, -0.02), (0.70, -0.32), (0.56, -0.50), (0.30, -0.74), (0.05, -0.62), (-0.32, -0.52),
                   (-0.62, -0.42), (-0.70, -0.25), (-0.735, -0.02)]
CROWN = [(-0.785, 0.0), (-0.835, -0.42), (-0.70, -0.85), (-0.36, -1.11), (0, -1.20), (0.36, -1.11), (0.70, -0.85),
         (0.835, -0.42), (0.785, 0.0)]
CURL = 0.17


def behind(head: Head) -> None:
    """Long hair falls behind the neck; a bun sits on the crown; curls stand out all around."""
    cut = head.look.haircut
    if cut in ("long", "fringe"):
        length = 1.55 if cut == "long" else 0.95
        right = [(0.55, -0.98), (0.90, -0.45), (0.95, 0.2), (0.98, 0.8 * length), (0.72, length), (0.35, length - 0.05)]
        shape = curve([(0, -1.17), *right, *[(-x, y) for x, y in right[::-1]]], 5, closed=True)
        head.fill(shape, head.hair * 0.72, surface=False)
    elif cut == "bun":
        head.fill(ellipse((0, -1.26), (0.28, 0.24)), head.hair * 0.9, surface=False)
        head.glow((0.08 * head.look.light, -1.34), (0.1, 0.07), head.hair * 0.6 + 90, 0.4, surface=False)
    elif cut == "curly":
        for centre in curve(CROWN, 2) * (1.05, 1.02):
            head.fill(ellipse(centre, (CURL + 0.03, CURL + 0.03), 16), head.hair * 0.85, surface=False)


def front(head: Head) -> None:
    """The cap of hair above the hairline, with strands or curls and a sheen."""
    cut = head.look.haircut
    if cut == "bald":
        return
    flip = (1 if head.look.light < 0 else -1, 1)  # the parting is away from the light
    line, crown = np.array(LINES[cut]) * flip, np.array(CROWN) * flip
    edge, top = curve(line, 5), curve(crown, 5)
    # Where the crown comes down to the ears; long hair covers them
    wider, low = (1.18 if cut == "long" else 1.0), line[0, 1] * 0.6
    right = curve([crown[-1], (crown[-1, 0] * wider, low), line[0]], 4)
    left = curve([line[-1], (crown[0, 0] * wider, low), crown[0]], 4)
    cap = np.concatenate([head.on(edge), head.on(np.concatenate([left, top, right]), False)])
    head.stroke(edge + np.array((0, 0.03)), 0.05, head.shadow * 0.8, 0.4, 0.06, within=head.outline)
    head.canvas.fill(cap, head.hair)
    if head.fine:
        if cut == "curly":
            _curls(head, edge, top[::-1])
        else:
            _strands(head, edge, top[::-1], cap)
    head.glow((0.3 * head.look.light, -0.93), (0.26, 0.09), head.hair * 0.5 + 120, 0.35, 0.35 * head.look.light,
              within=cap, surface=False)


def _strands(head: Head, edge: np.ndarray, top: np.ndarray, cap: np.ndarray) -> None:
    """Strokes from the hairline to the crown; both run from right to left."""
    rng = np.random.default_rng(5)  # the same strands in every frame of a clip
    for share in rng.uniform(0.02, 0.98, 70):
        near, far = edge[int(share * (len(edge) - 1))], top[int(share * (len(top) - 1))]
        bend = (near + far) / 2 + (far + np.array((0, 0.1))) * 0.05 + rng.normal(0, 0.02, 2)
        tone = head.hair * rng.uniform(0.6, 0.9) if rng.random() < 0.55 else head.hair * 0.75 + rng.uniform(20, 60)
        line = curve([near + rng.uniform(0, 0.4) * (bend - near), bend, far * 0.98])
        widths = np.linspace(0.006, 0.03, len(line))
        head.stroke(line, widths, tone, rng.uniform(0.15, 0.4), 0.008, cap, surface=False)


def _curls(head: Head, edge: np.ndarray, top: np.ndarray) -> None:
    rng = np.random.default_rng(5)
    for depth in (1.0, 0.72, 0.45, 0.2):
        for share in np.linspace(0, 0.999, 15):
            near, far = edge[int(share * len(edge))], top[int(share * len(top))]
            centre = near + depth * (far - near) + rng.normal(0, 0.02, 2)
            tone = head.hair * rng.uniform(0.82, 1.05)
            head.fill(ellipse(centre, (CURL, CURL), 16), tone, 0.8, 0.03, surface=False)
            lit = centre + np.array((0.03 * head.look.light, -0.05))
            head.glow(lit, (0.06, 0.04), head.hair * 0.6 + 75, 0.35, surface=False)


def beard(head: Head) -> None:
    """A beard over the jaw, and a moustache; painted under the mouth."""
    look, chin = head.look, head.chin
    right = [(look.wide - 0.03, 0.16), (look.wide - 0.12, 0.42), (0.38, 0.62), (0.36, 0.80)]
    lower = [(0.2, chin + 0.03), (look.jaw, 0.75 * chin), (look.wide, 0.36)]
    mirrored = [(-x, y) for x, y in (*right[::-1], *lower[::-1])]
    shape = curve([*right, (0, 0.84), *mirrored, *lower], 5, closed=True)
    colour = head.hair * 0.8 + head.skin * 0.1
    head.fill(shape, colour, look.beard, 0.07, head.outline)
    if look.moustache:
        lift = 0.05 * max(head.expression.lip_raise, 0)
        line = curve([(-0.31, 0.64), (-0.17, 0.55), (0, 0.52), (0.17, 0.55), (0.31, 0.64)]) - (0, lift)
        widths = np.interp(np.linspace(-1, 1, len(line)), [-1, -0.4, 0, 0.4, 1], [0.02, 0.1, 0.07, 0.1, 0.02])
        head.stroke(line, widths, colour, min(1.0, look.beard + 0.2), 0.02)
