"""A replication as its YAML file describes it: which trainings, what is compared, and what the authors found."""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from pipeline.faces.faces import EMOTIONS
from pipeline.params import recipe as recipes
from pipeline.params.recipe import Block
from pipeline.system.failure import Failure
from pipeline.tracking.ledger import Weighting

PLANS = Path(__file__).parent
# A class's name is a measure too: its recall on PublicTest
MEASURES = {
    "accuracy": "PublicTest accuracy",
    "training": "Training afterwards",
    "seen": "Training while learning",
    "gap": "Training afterwards less PublicTest",
    "corrupted": "PublicTest accuracy, corrupted",
    **{name: f"recall of {name}" for name in EMOTIONS},
}


class Claim(Block):
    """One figure is higher than another; each is ``[variant, measure]``."""

    higher: tuple[str, str]
    lower: tuple[str, str]


class Ensemble(Block):
    """An ensemble of ``size`` of a replication's networks, weighted in one of S3's three ways."""

    size: int = Field(ge=1)
    weighting: Weighting = "mean"


class Replication(Block):
    """Variants of a training that are compared.

    Attributes:
        question: what the authors found, as a sentence.
        reported: false where the authors mention the trial but their figures are not at hand: the claim is then what is
            expected, not what they found.
        scale: in what our trainings are smaller than theirs, in words.
        recipe: of every variant that names none.
        values: by path, of every variant.
        variants: their own values by path; and ``recipe``, ``training_share`` (of every class's Training images).
        ensembles: of the variants' networks of these ``seeds``; they are rows beside the variants.
        show: the measures of picture and table, see MEASURES.
        picture: a panel a measure, or one panel whose rows are the variants or the measures.
        published: the authors' figures, in per cent: variant, measure, figure.
    """

    title: str
    question: str
    source: str
    reported: bool = True
    scale: str
    recipe: str
    values: dict[str, Any] = Field(default_factory=dict)
    variants: dict[str, dict[str, Any]] = Field(min_length=1)
    ensembles: dict[str, Ensemble] = Field(default_factory=dict)
    seeds: tuple[int, ...] = (1,)
    show: tuple[str, ...] = Field(min_length=1)
    picture: Literal["panels", "by_variant", "by_measure"] = "panels"
    claims: tuple[Claim, ...] = Field(min_length=1)
    published: dict[str, dict[str, float]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_are_known(self) -> "Replication":
        sides = [side for claim in self.claims for side in (claim.higher, claim.lower)]
        sides += [(variant, measure) for variant, figures in self.published.items() for measure in figures]
        for variant in {variant for variant, _ in sides} - set(self.rows):
            raise ValueError(f"there is no variant {variant!r}; there are {', '.join(self.rows)}")
        for measure in {*self.show, *(measure for _, measure in sides)} - set(MEASURES):
            raise ValueError(f"there is no measure {measure!r}; there are {', '.join(MEASURES)}")
        return self

    @property
    def measures(self) -> tuple[str, ...]:
        """What is shown, and what the claims add to it."""
        sides = (side for claim in self.claims for side in (claim.higher, claim.lower))
        return tuple(dict.fromkeys((*self.show, *(measure for _, measure in sides))))

    @property
    def rows(self) -> tuple[str, ...]:
        """The variants and the ensembles of them."""
        return (*self.variants, *self.ensembles)

    @property
    def pool(self) -> list[tuple[str, int]]:
        """Variant and seed of every network that the ensembles choose from."""
        return [(variant, seed) for variant in self.variants for seed in self.seeds]

    def identity(self, row: str) -> tuple[str, str]:
        """Recipe and values by which a row's entries are known; of an ensemble, a digest of its pool."""
        if row not in self.ensembles:
            recipe, values = self.training(row)
            return recipe, spelled(values)
        pool = [(self.identity(variant), seed) for variant, seed in self.pool]
        return "ensemble", spelled({**self.ensembles[row].model_dump(), "of": len(pool), "pool": digest(pool)})

    def training(self, variant: str) -> tuple[str, dict[str, Any]]:
        """Its recipe, and every value that it sets, ``training_share`` included."""
        values = {**self.values, **self.variants[variant]}
        return values.pop("recipe", self.recipe), values


def names() -> list[str]:
    """All replications."""
    return sorted(file.stem for file in PLANS.glob("*.yaml"))


def file_of(name: str) -> Path:
    """The YAML file of this name."""
    return PLANS / f"{name}.yaml"


def named(name: str) -> Replication:
    """The replication of this name. Raises Failure when there is none or its file is wrong."""
    if name not in names():
        raise Failure(f"ferpipe replicate: there is no replication {name!r}; there are {', '.join(names())}")
    path = file_of(name)
    try:
        return Replication.model_validate(recipes.read(path))
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"])) or "variants and measures"
        raise Failure(f"{path}: {key}: {problem['msg'].removeprefix('Value error, ')}") from error


def spelled(values: dict[str, Any]) -> str:
    """Values by path as one text, the same whatever their order: ``train.epochs=6 train.optimizer=sgd``."""
    return " ".join(f"{path}={value}" for path, value in sorted(values.items()))


def digest(values: list) -> str:
    """A short name for what was trained."""
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:8]
