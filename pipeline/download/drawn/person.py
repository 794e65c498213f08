"""A person's appearance, which does not change with pose or expression, and its random choice."""

from dataclasses import dataclass

import numpy as np

# BGR, from light to dark
SKINS = ((198, 218, 246), (172, 198, 236), (146, 176, 218), (112, 144, 194), (84, 112, 162), (66, 86, 128))
HAIRS = ((38, 34, 36), (38, 52, 74), (52, 78, 118), (88, 140, 190), (46, 74, 142), (150, 152, 156))
IRISES = ((52, 70, 96), (120, 100, 62), (84, 112, 84), (44, 56, 74))
CLOTHES = ((128, 104, 62), (92, 110, 60), (84, 76, 150), (120, 90, 110), (96, 96, 98), (70, 120, 170))
HAIRCUTS = ("short", "parted", "fringe", "long", "bun", "curly", "bald")


@dataclass(frozen=True)
class Look:
    """A person; lengths in head units, colours in BGR."""

    skin: tuple = SKINS[1]
    hair: tuple = HAIRS[1]
    iris: tuple = IRISES[0]
    cloth: tuple = CLOTHES[0]
    haircut: str = "short"
    jaw: float = 0.56  # half its width
    wide: float = 0.75  # half the width at the cheeks
    long: float = 1.0  # where the chin is
    brow: float = 1.0  # thickness
    eyes: float = 1.0  # size
    nose: float = 1.0  # width
    lips: float = 1.0  # fullness
    beard: float = 0.0  # cover, 0 to 1
    moustache: bool = False
    glasses: bool = False
    lashes: float = 0.5
    light: float = 1.0  # where the light comes from: -1 left to 1 right

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Look":
        """A random person."""
        tone, haircut = int(rng.integers(len(SKINS))), str(rng.choice(HAIRCUTS))
        hairs = HAIRS if tone < 3 else (*HAIRS[:2], HAIRS[-1])
        bearded = bool(haircut not in ("fringe", "long", "bun") and rng.random() < 0.4)
        return cls(
            skin=SKINS[tone],
            hair=hairs[rng.integers(len(hairs))],
            iris=IRISES[rng.integers(len(IRISES))],
            cloth=CLOTHES[rng.integers(len(CLOTHES))],
            haircut=haircut,
            jaw=rng.uniform(0.49, 0.63),
            wide=rng.uniform(0.70, 0.79),
            long=rng.uniform(0.95, 1.05),
            brow=rng.uniform(0.7, 1.35),
            eyes=rng.uniform(0.9, 1.12),
            nose=rng.uniform(0.85, 1.15),
            lips=rng.uniform(0.75, 1.3),
            beard=rng.uniform(0.3, 0.9) if bearded else 0.0,
            moustache=bearded and bool(rng.random() < 0.6),
            glasses=bool(rng.random() < 0.15),
            lashes=0.0 if bearded else rng.uniform(0.2, 1.0),
            light=float(rng.choice((-1, 1)) * rng.uniform(0.5, 1)),
        )
