"""The action units of an emotion: which muscles of the face its prototype moves."""

from collections.abc import Sequence

import numpy as np

from pipeline.system.failure import Failure

# The units of Ekman and Friesen's Facial Action Coding System that more than 70 % of 230 people moved for an emotion
# (Du, Tao & Martinez 2014, PNAS 111(15), table 1): 1, 2 inner and outer brow raised, 4 brow lowered, 7 lids tightened,
# 9 nose wrinkled, 10 upper lip raised, 12 lip corners pulled, 15 depressed, 17 chin raised, 20 lips stretched,
# 24 pressed, 25 parted, 26 jaw dropped
PROTOTYPES: dict[str, tuple[int, ...]] = {
    "angry": (4, 7, 24), "disgust": (9, 10, 17), "fear": (1, 4, 20, 25), "happy": (12, 25), "sad": (4, 15),
    "surprise": (1, 2, 25, 26), "neutral": (),
}
UNITS = sorted({unit for units in PROTOTYPES.values() for unit in units})


def prototypes(classes: Sequence[str]) -> np.ndarray:
    """float32 ``(C, 13)``: 1 where a class's prototype moves the unit, in the order of ``UNITS``. Raises Failure for a
    class without a prototype, such as contempt or one of other data."""
    if unknown := [name for name in classes if name not in PROTOTYPES]:
        raise Failure(f"train.action_units: no action units are known for {', '.join(unknown)}; they are for "
                      f"{', '.join(PROTOTYPES)}, so set train.action_units to 0")
    return np.array([[unit in PROTOTYPES[name] for unit in UNITS] for name in classes], "float32")
