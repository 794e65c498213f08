"""The figures of a model on a split: accuracy with its interval, loss, and precision, recall and F1 of every class."""

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from pipeline.evaluate.intervals import wilson
from pipeline.tracking.entry import Figures


def figures(probabilities: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], *,
            confidence: float) -> Figures:
    """Every figure of probabilities ``(N, C)`` against labels ``(N,)``; shares, losses in nats.

    A class that is never predicted has precision 0. The confusion matrix has true classes as rows.

    Args:
        confidence: of the accuracy's interval, which is Wilson's over the N images.
    """
    predicted, indices = probabilities.argmax(axis=1), range(len(classes))
    precision, recall, f1, count = precision_recall_fscore_support(labels, predicted, labels=indices, zero_division=0)
    accuracy = wilson(int((predicted == labels).sum()), len(labels), confidence)
    # Not scikit-learn's log_loss, which clips at a float32's resolution of 1.2e-7
    of_label = probabilities[np.arange(len(labels)), labels]
    return {
        "n": len(labels),
        "accuracy": _round(accuracy.mean),
        "interval": [_round(accuracy.low), _round(accuracy.high)],
        "macro_f1": _round(f1.mean()),
        "loss": _round(-np.log(np.maximum(of_label, 1e-12)).mean()),
        "per_class": {
            name: {"precision": _round(precision[index]), "recall": _round(recall[index]), "f1": _round(f1[index]),
                   "n": int(count[index])}
            for index, name in enumerate(classes)
        },
        "confusion": confusion_matrix(labels, predicted, labels=indices).tolist(),
    }


def _round(value) -> float:
    return round(float(value), 6)
