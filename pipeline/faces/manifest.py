"""manifest.json of a folder of faces: written by download, completed by balance, passed on with the faces.

A key is present only where its stage has run and has something to record.
"""

from typing import Any, TypedDict

# Of each split, how many faces each class has
Counts = dict[str, dict[str, int]]


class VotesOrigin(TypedDict):
    """Where the FER+ votes come from.

    Attributes:
        source: the file's name.
        sha256: of the faces' ids and their votes, see ``votes.digest``.
        faces: how many faces have votes.
    """

    source: str
    sha256: str
    faces: int


class TeacherOrigin(TypedDict):
    """Where the teachers' probabilities come from.

    Attributes:
        sha256: of the file.
        members: the teachers: bundle, run_id, recipe, seed; ``without`` the fold that one was not trained on.
    """

    sha256: str
    members: list[dict[str, Any]]


class Manifest(TypedDict, total=False):
    """Where a table of faces comes from and what was done with it.

    Attributes:
        dataset: ``fer2013``, ``sample``, or the name of another data set's folder in data/external/.
        edition: ``kaggle``, ``folder``, ``csv``, ``url``, ``drawn``; in brackets how a file is packed.
        source: the file's name, Kaggle's handle, or the module that drew the faces.
        source_sha256: of the file that was fetched from a URL.
        contents_sha256: of the pictures or the CSV's text, the same for every packing.
        splits_from: ``file names``, ``Usage``, ``drawn``, ``stratified validation split``; of another data set, which
            splits its folders or its table name and which ones are cut by a seed.
        notes: what a person should know about the source.
        seed: of the drawn faces.
        classes, class_set: the names, in the order of the labels, and a key of CLASS_SETS; of classes of their own,
            how many there are.
        own_classes: true where the faces did not come with the seven emotions.
        protocol: ``published``; without the Training faces that have an exact copy in a test split ``leak-free``,
            without those that have any copy there ``copy-free``; people read ``protocols.TITLES``.
        digest, counts: of these faces, as ``Faces.save`` wrote them.
        source_digest, counts_before: of the faces that balance was given, the counts with its class set.
        strategy: of balance.
        left_out: faces that have no class in this class set.
        leaks_dropped: Training faces removed as copies of test images.
        class_weights: of the loss, in the order of the classes; None without the strategy ``class_weights``.
        votes, teacher: where the columns of the same names come from.
    """

    dataset: str
    edition: str
    source: str
    source_sha256: str
    contents_sha256: str
    splits_from: str
    notes: list[str]
    seed: int
    classes: list[str]
    class_set: str
    own_classes: bool
    protocol: str
    digest: str
    counts: Counts
    source_digest: str | None
    counts_before: Counts
    strategy: str
    left_out: int
    leaks_dropped: int
    class_weights: list[float] | None
    votes: VotesOrigin
    teacher: TeacherOrigin
