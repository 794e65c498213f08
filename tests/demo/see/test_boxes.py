"""Answers about a face: which are called unsure."""

import csv

import numpy as np
from toy_faces import ROOT

from pipeline.bundle import bundle as bundles
from pipeline.demo.see.boxes import UNSURE, Box, Face
from pipeline.faces.faces import EMOTIONS


def test_below_the_threshold_the_champion_is_more_often_wrong_than_right():
    champion = bundles.Bundle.load(ROOT / "data/champion")
    with open(ROOT / "reports/champion/predictions.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    scores = champion.calibrated(np.array([[float(row[name]) for name in champion.classes] for row in rows]))
    right = np.array([row["actual"] == row["predicted"] for row in rows])
    for split in ("PublicTest", "PrivateTest"):
        here = np.array([row["split"] == split for row in rows])
        unsure = here & (scores.max(axis=1) < UNSURE)
        assert 0.05 < unsure.sum() / here.sum() < 0.5
        assert right[unsure].mean() < 0.5 < 0.7 < right[here & ~unsure].mean(), split


def test_below_the_threshold_the_answer_says_so():
    scores = np.array([0.05, 0.05, 0.3, 0.05, 0.45, 0.05, 0.05])
    assert Face(Box(0, 100, 100, 100), scores).says(EMOTIONS) == "unsure: sad or fear"
    assert Face(Box(0, 100, 100, 100), scores, unsure_below=0.4).says(EMOTIONS) == "sad"
    fields = Face(Box(0, 100, 100, 100), scores).as_json(EMOTIONS)
    assert fields["emotion"] == "sad" and fields["sure"] is False and fields["probabilities"]["fear"] == 0.3
