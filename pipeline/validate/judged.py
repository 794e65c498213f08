"""How many of the near copies across splits are copies, by those that were looked at.

judged.csv has a row for each of these pairs: drawn at random from FER-2013, at most 30 from each of ``BANDS``, and
looked at side by side. ``yes`` is one picture, ``no`` are two of one person, two persons, or what cannot be told.
"""

import csv
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from pipeline.faces.copies import Copies
from pipeline.faces.faces import Faces
from pipeline.validate.result import Precision

FILE = Path(__file__).parent / "judged.csv"
# Whether mirrored, and from which correlation on; up to the next one
BANDS = [(False, 0.68), (False, 0.7), (False, 0.75), (False, 0.8), (False, 0.9), (True, 0.75), (True, 0.8)]


def precision(faces: Faces, near: Copies) -> Precision | None:
    """The share of copies among the pairs across splits, each band weighted by its number of pairs (Cochran 1977,
    Sampling Techniques, chapter 5); None where a band has none that was looked at, as in other data than FER-2013."""
    with open(FILE, encoding="utf-8", newline="") as file:
        judged = {(row["first"], row["second"]): row["copy"] == "yes" for row in csv.DictReader(file)}
    pairs = near.pairs(faces)
    across = np.flatnonzero(faces.splits[pairs.first] != faces.splits[pairs.second])
    bands: Counter[int] = Counter()
    looked: dict[int, list[bool]] = defaultdict(list)
    for pair in across.tolist():
        band = max((number for number, (mirrored, lowest) in enumerate(BANDS)
                    if mirrored == pairs.mirrored[pair] and lowest <= pairs.correlation[pair]), default=0)
        bands[band] += 1
        names = str(faces.ids[pairs.first[pair]]), str(faces.ids[pairs.second[pair]])
        if names in judged:
            looked[band].append(judged[names])
    if not bands or bands.keys() != looked.keys():
        return None
    share = sum(bands[band] * np.mean(looked[band]) for band in bands) / len(across)
    # A yes and a no more in each band, as otherwise one without a single no would have no variance
    guesses = {band: (sum(answers) + 1) / (len(answers) + 2) for band, answers in looked.items()}
    error = np.sqrt(sum((bands[band] / len(across)) ** 2 * guess * (1 - guess) / (len(looked[band]) + 2)
                        for band, guess in guesses.items()))
    return {"looked_at": sum(map(len, looked.values())), "copies": sum(map(sum, looked.values())),
            "share": round(float(share), 4), "error": round(float(error), 4)}
