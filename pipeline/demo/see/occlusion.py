"""Which parts of a face an answer rests on: each part is hidden in turn, and the model is asked again.

Occlusion maps are Zeiler & Fergus's (2013, arXiv 1311.2901). They need a model's answers alone, so that they work for
any network, int8 and ensembles too. A part is hidden behind a blur of the face rather than gray: there is no new edge
that the network could take for a feature (Fong & Vedaldi 2017, arXiv 1704.03296). Patches of 12 pixels were chosen from
8, 12 and 16, hard or soft, blurred or gray, as those along whose maps the champion's answer falls and returns fastest
(deletion and insertion, Petsiuk et al. 2018, arXiv 1806.07421; 60 faces of PublicTest).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.demo.see.classifier import Model, classify
from pipeline.faces.faces import SIZE

# In pixels of the crop: a patch is moved by its third, so that a map has a value for every cell of 4x4 pixels
PATCH, STRIDE = 12, 4
CELLS, PLACES = SIZE // STRIDE, (SIZE - PATCH) // STRIDE + 1
# The blur's standard deviation in pixels: eyes and mouth are gone, light and shadow of the head stay
BLUR = 6.0
# A map is shown in full colour where a cell's log-odds change by its largest change, but at least by this (odds by a
# factor of e): a face that no part decides alone has a pale map
FULL = 1.0
# Below this fall of the probability no part is said to matter
NOTABLE = 0.05


@dataclass(frozen=True)
class Occlusion:
    """How a class's probability changes when parts of a crop are hidden.

    Attributes:
        label: index of the class.
        grid: float32 ``(12, 12)``, for each cell of 4x4 pixels by how much the log-odds fall, the mean over the patches
            that hide it; negative where they rise.
        probability: the class's, with nothing hidden.
        hidden: the class's with that patch hidden which it depends on most.
        part: what this patch hides: one of ``part_at``.
    """

    label: int
    grid: np.ndarray
    probability: float
    hidden: float
    part: str

    @property
    def shares(self) -> np.ndarray:
        """The map as it is shown, ``(12, 12)``, -1 (speaks against the class) to 1 (speaks for it)."""
        return self.grid / max(FULL, float(np.abs(self.grid).max()))

    def says(self, classes: tuple[str, ...]) -> str:
        """The result in words."""
        name = classes[self.label]
        if self.probability - self.hidden < NOTABLE:
            return f"{name} whichever part is hidden"
        return f"{name} {self.hidden:.0%} with the {self.part} hidden"


def occlusion(model: Model, crop: np.ndarray, label: int, flip: bool = True) -> Occlusion:
    """The map of a uint8 crop ``(48, 48)`` for the class with index ``label``; 101 crops go to the model together.

    Args:
        flip: average each crop with its mirror image, as for pictures: twice the work.
    """
    scores = classify(model, np.concatenate([crop[None], occluded(crop)]), flip)[:, label]
    drops = log_odds(scores[0]) - log_odds(scores[1:])
    row, column = divmod(int(drops.argmax()), PLACES)
    return Occlusion(label, over_cells(drops.reshape(PLACES, PLACES)), float(scores[0]), float(scores[1:].min()),
                     part_at(row, column))


def occluded(crop: np.ndarray) -> np.ndarray:
    """The crop with each patch hidden in turn, row by row: uint8 ``(100, 48, 48)``."""
    blurred = cv2.GaussianBlur(crop.astype("float32"), (0, 0), BLUR, borderType=cv2.BORDER_REPLICATE)
    hidden = np.repeat(crop[None], PLACES**2, axis=0)
    for index, image in enumerate(hidden):
        top, left = (STRIDE * place for place in divmod(index, PLACES))
        patch = slice(top, top + PATCH), slice(left, left + PATCH)
        image[patch] = blurred[patch].round()
    return hidden


def over_cells(drops: np.ndarray) -> np.ndarray:
    """For each cell the mean over the patches that hide it: float32 ``(12, 12)`` for ``(10, 10)``."""
    total, count = np.zeros((CELLS, CELLS), "float32"), np.zeros((CELLS, CELLS), "float32")
    wide = PATCH // STRIDE
    for row, column in np.ndindex(drops.shape):
        total[row : row + wide, column : column + wide] += drops[row, column]
        count[row : row + wide, column : column + wide] += 1
    return total / count


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)): a fall from 99.9 to 99 % counts as much as one from 50 to 9 %."""
    bounded = np.clip(probabilities.astype("float64"), 1e-6, 1 - 1e-6)
    return np.log(bounded / (1 - bounded))


def part_at(row: int, column: int) -> str:
    """What the patch in this row and column of patches, 0 to 9, hides in an upright face as FER-2013 was cropped."""
    if row < 2:
        return "forehead"
    if row < 5:
        return "side of the head" if column in (0, 9) else "eyes"
    if row < 7:
        return "nose" if 3 <= column <= 6 else "cheek"
    if row < 9:
        return "mouth" if 2 <= column <= 7 else "cheek"
    return "chin"
