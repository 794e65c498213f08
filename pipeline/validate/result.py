"""The result of validation, as validation.json holds it."""

from typing import Literal, TypedDict

from pipeline.faces.manifest import Counts


class Check(TypedDict):
    """The outcome of one expectation; ``observed`` and ``expected`` in words."""

    name: str
    severity: Literal["critical", "warning"]
    success: bool
    observed: str
    expected: str


class Duplicates(TypedDict):
    """Images with an exact duplicate, counted.

    Attributes:
        groups: of images that are equal in every pixel.
        images: in these groups.
        superfluous: images beyond the first of their group.
        inside: images with a duplicate in their own split, by split.
    """

    groups: int
    images: int
    superfluous: int
    inside: dict[str, int]


class Conflicts(TypedDict):
    """Exact duplicates with different labels: their groups, and the images in these."""

    groups: int
    images: int


class Precision(TypedDict):
    """How many of the near copies across splits are copies, by a sample that was looked at.

    Attributes:
        looked_at: pairs; ``copies`` of them are.
        share: of copies among all these pairs, from 0 to 1; ``error`` is its standard error.
    """

    looked_at: int
    copies: int
    share: float
    error: float


class NearCopies(TypedDict):
    """Near copies, counted: images of one photograph that differ in some pixel. They are reported and gate nothing.

    Attributes:
        pairs: of images; ``mirrored`` of them show it mirrored.
        images: in these pairs.
        inside: images with a near copy in their own split, by split.
        leaks: images of one split with a near copy in another, by ``Training in PublicTest`` and so on.
        any: the same, with an exact or a near one.
        free: test images without any copy in Training, by split.
        precision: None where nobody has looked at them.
    """

    pairs: int
    mirrored: int
    images: int
    inside: dict[str, int]
    leaks: dict[str, int]
    any: dict[str, int]
    free: dict[str, int]
    precision: Precision | None


class Numbers(TypedDict):
    """What is counted besides the expectations.

    Attributes:
        leaks: images of one split with a duplicate in another, by ``Training in PublicTest`` and so on.
    """

    blank: int
    duplicates: Duplicates
    leaks: dict[str, int]
    conflicts: Conflicts


class Result(Numbers):
    """What validation.json holds: where the faces come from, the verdict, and what it is based on.

    Attributes:
        verdict: ``passed``, ``passed with warnings`` or ``failed``.
        near: None where near copies were not looked for.
    """

    dataset: str | None
    edition: str | None
    source: str | None
    splits_from: str | None
    notes: list[str] | None
    digest: str
    verdict: str
    images: int
    counts: Counts
    near: NearCopies | None
    expectations: list[Check]
