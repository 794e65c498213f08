"""The search space of a recipe; ``declared`` makes and checks one from params.yaml.

A dimension's name is a parameter's path, or ``path@label`` where one parameter has several dimensions. A dimension
with ``when`` is searched only in trials whose other values meet that condition: an option of a network only where that
network is chosen, a decay only with the optimisers that have one. The baseline is the recipe itself; its values always
lie in the space, so that trial 0 is a trial like any other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.params.params import RECIPE_BLOCKS, Params
from pipeline.params.space import Range

NETWORK = "model.name"


@dataclass(frozen=True)
class Dimension:
    """One dimension of the space.

    Attributes:
        name: in params.yaml, and of Optuna's parameter.
        path: of the parameter that it sets.
        range: the values; an end is an int where the parameter is a whole number.
    """

    name: str
    path: str
    range: Range

    @property
    def examples(self) -> list[Any]:
        """Its choices, or its low and its high end: what is tried before the first trial."""
        return [self.range.low, self.range.high] if self.range.choices is None else self.range.choices

    def every(self, most: int) -> list[Any] | None:
        """All its values; None where they are more than so many."""
        low: Any = self.range.low
        high: Any = self.range.high
        if self.range.choices is not None:
            return list(self.range.choices) if len(self.range.choices) <= most else None
        return list(range(low, high + 1)) if isinstance(low, int) and high - low < most else None

    def suggest(self, trial) -> Any:
        """A value from an Optuna trial."""
        if self.range.choices is not None:
            return trial.suggest_categorical(self.name, self.range.choices)
        suggested = trial.suggest_int if isinstance(self.range.low, int) else trial.suggest_float
        return suggested(self.name, self.range.low, self.range.high, log=self.range.log)

    def holds(self, value: Any) -> bool:
        """Whether the dimension has this value."""
        if self.range.choices is not None:
            return any(type(value) is type(choice) and value == choice for choice in self.range.choices)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        low, high = self.range.low, self.range.high
        return (low is not None and high is not None and low <= value <= high
                and (isinstance(value, int) or not isinstance(low, int)))


@dataclass(frozen=True)
class Space:
    """A recipe's search space; ``declared.space_of`` makes one.

    Attributes:
        params: the recipe's own parameters.
        dimensions: a condition's dimension stands before those that depend on it.
        baseline: the recipe's values, by dimension: those that the recipe's own choices leave active.
    """

    params: Params
    dimensions: tuple[Dimension, ...]
    baseline: dict[str, Any]

    @property
    def conditional(self) -> bool:
        """Whether trials may have different dimensions."""
        return any(dimension.range.when for dimension in self.dimensions)

    def suggest(self, trial) -> dict[str, Any]:
        """A trial's values by dimension, drawn one after the other from an Optuna trial."""
        values: dict[str, Any] = {}
        for dimension in self.dimensions:
            if is_active(dimension, values):
                values[dimension.name] = dimension.suggest(trial)
        return values

    def combinations(self, most: int) -> list[dict[str, Any]] | None:
        """The values of every trial that there can be; None where they are more than so many."""
        known: list[dict[str, Any]] = [{}]
        for dimension in self.dimensions:
            active = [values for values in known if is_active(dimension, values)]
            if not active:
                continue
            if (every := dimension.every(most // len(active))) is None:
                return None
            known = [values for values in known if not is_active(dimension, values)] + [
                {**values, dimension.name: value} for values in active for value in every]
        return known if len(known) <= most else None

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether a trial of this space could have exactly these values."""
        active = {dimension.name: dimension for dimension in self.dimensions if is_active(dimension, values)}
        return active.keys() == values.keys() and all(active[name].holds(value) for name, value in values.items())

    def completed(self, chosen: Mapping[str, Any], last: bool = False) -> dict[str, Any]:
        """All values of a trial that has these: the others are the recipe's, else a dimension's first (or last)."""
        values: dict[str, Any] = {}
        for dimension in self.dimensions:
            if is_active(dimension, values):
                examples = dimension.examples
                value = examples[-1] if last else self.baseline.get(dimension.name, examples[0])
                values[dimension.name] = chosen.get(dimension.name, value)
        return values

    def by_path(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A trial's values by the parameters that they set."""
        return {dimension.path: values[dimension.name] for dimension in self.dimensions if dimension.name in values}

    def changes(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What a trial with these values changes in the recipe, by path as ``Params.override`` takes it.

        Another network has none of the recipe's options: its block is replaced as a whole. What only the recipe's
        own choices let be searched falls back to its default where a trial chooses otherwise.
        """
        set_here = self.by_path(values)
        dropped = {dimension.path for dimension in self.dimensions
                   if dimension.name in self.baseline and dimension.path not in set_here}
        block = self.params.model.model_dump()
        network = set_here.get(NETWORK, block["name"])
        kept = block if network == block["name"] else {"name": network}
        model = {name: value for name, value in kept.items() if f"model.{name}" not in dropped}
        model |= {path.removeprefix("model."): value for path, value in set_here.items() if path.startswith("model.")}
        defaults = {path: default_of(path) for path in dropped if not path.startswith("model.")}
        others = {path: value for path, value in set_here.items() if not path.startswith("model.")}
        changed: dict[str, Any] = {path: value for path, value in (others | defaults).items()
                                   if value != recipe_value(self.params, path)}
        if model.keys() != block.keys():
            return {**changed, "model": model}
        return changed | {f"model.{name}": value for name, value in model.items() if value != block[name]}

    def override(self, values: Mapping[str, Any]) -> Params:
        """The parameters of a trial with these values. Raises Failure for a value that no recipe may have."""
        return self.params.override(self.changes(values))

    def described(self) -> dict[str, Any]:
        """The space as plain JSON: what a study's name depends on."""
        return {dimension.name: dimension.range.model_dump() for dimension in self.dimensions}


def is_active(dimension: Dimension, values: Mapping[str, Any]) -> bool:
    """Whether a trial with these values searches the dimension."""
    return all(name in values and values[name] in choices for name, choices in dimension.range.when.items())


def default_of(path: str) -> Any:
    """The default of a parameter outside ``model``; None where it has none."""
    block, _, name = path.partition(".")
    field = RECIPE_BLOCKS[block].model_fields[name]
    return None if field.is_required() else field.get_default(call_default_factory=True)


def recipe_value(params: Params, path: str) -> Any:
    """A parameter of the recipe; None where it has none of this path."""
    node: Any = params.model_dump(by_alias=True)
    for part in path.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return node
