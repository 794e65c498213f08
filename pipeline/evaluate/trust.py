"""How far a bundle's answers can be trusted: calibration, agreement of the mirror images, corruptions, behaviour."""

import numpy as np
from typing_extensions import TypedDict  # as in ``tracking.entry``

from pipeline.bundle.bundle import Bundle, check_faces
from pipeline.evaluate import behaviour, calibration, robustness
from pipeline.evaluate.behaviour import Invariance
from pipeline.evaluate.calibration import Agreement, Calibration
from pipeline.faces.faces import Faces
from pipeline.tracking.entry import SplitRobustness


class Trust(TypedDict):
    """What is measured of a bundle, by test split except ``behaviour``, which is of PublicTest's faces.

    Attributes:
        flip: calibration of the mean with the mirror images, as still pictures are answered; ``single`` of one view.
        clean: accuracy on the faces as they are, single view.
    """

    single: dict[str, Calibration]
    flip: dict[str, Calibration]
    agreement: dict[str, Agreement]
    clean: dict[str, float]
    robustness: SplitRobustness
    behaviour: dict[str, Invariance]


def measure(bundle: Bundle, faces: Faces) -> Trust:
    """Measure a bundle on both tests of the faces as they came.

    Raises Failure for other faces than those it was trained beside.
    """
    check_faces(bundle.provenance, faces.manifest, bundle.folder)
    faces = faces.with_classes(bundle.class_set)
    measured: Trust = {"single": {}, "flip": {}, "agreement": {}, "clean": {}, "robustness": {}, "behaviour": {}}
    for split in robustness.TESTS:
        part = faces.split(split)
        views = bundle.predict(part.images), bundle.predict(part.images, flip=True)
        measured["single"][split] = _calibration(bundle, views[0], part.labels)
        measured["flip"][split] = _calibration(bundle, (views[0] + views[1]) / 2, part.labels)
        measured["agreement"][split] = calibration.agreement(*views, part.labels, bundle.calibrated, behaviour.SURE)
        measured["clean"][split] = round(float((views[0].argmax(axis=1) == part.labels).mean()), 6)
    measured["robustness"] = robustness.measure(bundle, faces)
    measured["behaviour"] = behaviour.measure(bundle, faces.split("PublicTest").images)
    return measured


def _calibration(bundle: Bundle, probabilities: np.ndarray, labels: np.ndarray) -> Calibration:
    return calibration.measure(probabilities, labels, bundle.calibrated, bundle.temperature)
