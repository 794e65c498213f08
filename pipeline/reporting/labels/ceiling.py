"""What can be reached on these labels at all: what FER+'s annotators, copies and models say of them."""

import numpy as np

from pipeline.faces.copies import Copies
from pipeline.faces.faces import VOTE_COLUMNS, Faces
from pipeline.faces.votes import EMOTION_COLUMNS


def majority(votes: np.ndarray) -> np.ndarray:
    """int ``(N,)``: the emotion that most of FER+'s annotators chose, as one of the eight classes; -1 where most chose
    *unknown* or *no face*, or where there are no votes. Of emotions with as many votes the first one."""
    emotions = votes[:, VOTE_COLUMNS].astype(int)
    others = votes[:, EMOTION_COLUMNS:].max(axis=1)
    most = emotions.max(axis=1)
    return np.where((most > 0) & (most >= others), emotions.argmax(axis=1), -1)


def from_votes(votes: np.ndarray, labels: np.ndarray, fit: np.ndarray, test: np.ndarray,
               probabilities: np.ndarray | None = None) -> np.ndarray:
    """bool: whether the label of each of the ``test`` faces follows from its ten votes, by logistic regression on those
    of the ``fit`` faces; with a model's ``probabilities``, from both.

    Args:
        votes, labels, probabilities: of N faces; ``fit`` and ``test`` are bool ``(N,)``.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    shares = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)
    columns = [shares, np.log(shares + 0.05)]
    if probabilities is not None:
        columns.append(np.log(np.maximum(probabilities, 1e-4)))
    known = np.column_stack(columns)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(known[fit], labels[fit])
    return model.predict(known[test]) == labels[test]


def labelled_alike(faces: Faces, copies: Copies) -> tuple[int, int]:
    """Of the pairs of near copies, how many have one label, and how many there are."""
    pairs = copies.pairs(faces)
    return int((faces.labels[pairs.first] == faces.labels[pairs.second]).sum()), len(pairs.first)
