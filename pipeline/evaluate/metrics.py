"""The figures of a model on a split: accuracy with a bootstrap interval, loss, and precision, recall, F1 per class."""

import numpy as np


def bootstrap_interval(correct: np.ndarray, samples: int, confidence: float, seed: int = 0) -> tuple[float, float]:
    """Percentile interval of the mean of 0/1 values ``(N,)``.

    Resampling N zeros and ones with replacement is one binomial draw, so the whole bootstrap is one call.
    """
    n = len(correct)
    means = np.random.default_rng(seed).binomial(n, correct.mean(), samples) / n
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def figures(
    probabilities: np.ndarray,
    labels: np.ndarray,
    classes: tuple[str, ...],
    *,
    bootstrap: int,
    confidence: float,
) -> dict:
    """Every figure of probabilities ``(N, C)`` against labels ``(N,)``; shares, losses in nats.

    A class that is never predicted has precision 0. The confusion matrix has true classes as rows.
    """
    predicted = probabilities.argmax(axis=1)
    correct = predicted == labels
    confusion = np.zeros((len(classes), len(classes)), "int64")
    np.add.at(confusion, (labels, predicted), 1)
    hits, truth, calls = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall = hits / np.maximum(calls, 1), hits / np.maximum(truth, 1)
    f1 = 2 * hits / np.maximum(calls + truth, 1)
    own = probabilities[np.arange(len(labels)), labels]
    return {
        "n": len(labels),
        "accuracy": _round(correct.mean()),
        "interval": [_round(edge) for edge in bootstrap_interval(correct, bootstrap, confidence)],
        "macro_f1": _round(f1.mean()),
        "loss": _round(-np.log(np.maximum(own, 1e-12)).mean()),
        "per_class": {
            name: {"precision": _round(precision[i]), "recall": _round(recall[i]), "f1": _round(f1[i]),
                   "n": int(truth[i])}
            for i, name in enumerate(classes)
        },
        "confusion": confusion.tolist(),
    }


def _round(value) -> float:
    return round(float(value), 6)
