"""What a replication's file has of a trained network: hits of images, as ``hits/images``; PrivateTest stays closed."""

import numpy as np

from pipeline.faces.corruptions import CORRUPTIONS
from pipeline.faces.faces import Faces
from pipeline.params.params import Params


def measured(fitted, faces: Faces) -> dict:
    """The figures of a trained network, PrivateTest closed."""
    from pipeline.training import loop

    right = {}
    for split in ("PublicTest", "Training"):
        part = faces.split(split)
        right[split] = loop.predict(fitted.net, part.images).argmax(1) == part.labels
    seen = fitted.history[fitted.best_epoch - 1]["accuracy"]
    images = len(right["Training"])
    return {"epochs": len(fitted.history), "best_epoch": fitted.best_epoch, "parameters": fitted.net.count_params(),
            "minutes": f"{fitted.seconds / 60:.2f}", **counts(right["PublicTest"], faces),
            "training": f"{right['Training'].sum()}/{images}", "seen": f"{round(seen * images)}/{images}"}


def corrupted(fitted, faces: Faces) -> str:
    """PublicTest's accuracy under the fixed corruptions as ``hits/images``, the hits their mean over the corruptions:
    an interval then counts each image once."""
    from pipeline.training import loop

    public = faces.split("PublicTest")
    hits = [(loop.predict(fitted.net, corruption(public.images)).argmax(1) == public.labels).sum()
            for corruption in CORRUPTIONS]
    return f"{round(float(np.mean(hits)))}/{len(public.labels)}"


def diverged(params: Params, faces: Faces) -> dict:
    """The figures of a training that diverged: no image right."""
    from pipeline.training import models

    images = int((faces.splits == "Training").sum())
    net = models.build(classes=len(faces.classes), **params.model.model_dump())
    return {"epochs": "diverged", "best_epoch": "", "parameters": net.count_params(), "minutes": "0",
            **counts(np.zeros((faces.splits == "PublicTest").sum(), bool), faces),
            "training": f"0/{images}", "seen": f"0/{images}",
            "corrupted": f"0/{(faces.splits == 'PublicTest').sum()}"}


def counts(right: np.ndarray, faces: Faces) -> dict[str, str]:
    """PublicTest's accuracy and every class's recall as ``hits/images``, from which of its images are right."""
    labels = faces.split("PublicTest").labels
    parts = {name: right[labels == label] for label, name in enumerate(faces.classes)}
    return {"accuracy": f"{right.sum()}/{len(right)}",
            **{name: f"{part.sum()}/{len(part)}" for name, part in parts.items()}}
