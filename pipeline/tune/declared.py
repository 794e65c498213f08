"""``tune.space`` of params.yaml as a recipe's search space, checked before the first trial."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

from pipeline.params.params import RECIPE_BLOCKS, Params
from pipeline.params.space import LABEL, Range
from pipeline.system.failure import Failure, did_you_mean
from pipeline.training.importing import quiet
from pipeline.tune.space import NETWORK, Dimension, Space, default_of, is_active, recipe_value

# The blocks that can be searched: the others do not change what a trial trains
BLOCKS = ("augment", "model", "train")


def space_of(params: Params) -> Space:
    """The space that ``tune.space`` describes for a recipe.

    Raises Failure for a dimension that cannot be searched: a parameter that does not exist, a condition that no trial
    can meet, or a value that no recipe may have, alone or with what its condition says.
    """
    ordered = _ordered(params.tune.space)
    space = Space(params, (), {})
    for name in ordered:
        dimension = Dimension(name, name.split(LABEL)[0], params.tune.space[name])
        _check_condition(space, dimension)
        active = is_active(dimension, space.baseline)
        if (active and dimension.range.when and dimension.path.split(".")[0] in ("augment", "train")
                and default_of(dimension.path) is None):
            raise refused(name, "cannot depend on another dimension: it has no default for the trials without it")
        value = _baseline_value(params, dimension) if active else None
        dimension = replace(dimension, range=_widened(params, dimension, value))
        space = replace(space, dimensions=(*space.dimensions, dimension),
                        baseline=space.baseline | ({name: value} if active else {}))
    for dimension in space.dimensions:
        _check_values(space, dimension)
    return space


def check_networks(space: Space, build: Callable[[Params], Any]) -> None:
    """Build a few networks of every family in the space, so that most of what cannot be built fails before the search.

    They are the one with the recipe's values, or a first choice or lower end where it has none; the same with each
    other choice or end of a single option; and the one with the last choice or upper end of every option. Other
    combinations are not built: a trial with one can still fail in mid-search.

    Args:
        build: makes the network of these parameters, or raises Failure.
    """
    if not any(dimension.path.startswith("model.") for dimension in space.dimensions):
        return
    built = []
    for where, values in _networks(space):
        params = space.override(values)
        if params.model in built:
            continue
        try:
            build(params)
        except Failure as error:
            raise Failure(f"params.yaml: {where}: {error}") from error
        built.append(params.model)


def _networks(space: Space) -> Iterator[tuple[str, dict[str, Any]]]:
    """The values of the trials whose networks are built, each with the key of params.yaml that an error names: the
    dimension whose value is the only new one, besides those that its condition needs; else the whole space."""
    path = "tune.space"
    names = next((dimension.range.choices for dimension in space.dimensions if dimension.path == NETWORK), None)
    for network in [{NETWORK: name} for name in names] if names else [{}]:
        yield path, space.completed(network)
        for dimension in space.dimensions:
            needed = _needed(space, dimension) | network
            if dimension.path.startswith("model.") and dimension.name in space.completed(needed):
                for value in dimension.examples:
                    yield f"{path}.{dimension.name}", space.completed({dimension.name: value, **needed})
        yield path, space.completed(network, last=True)


def refused(name: str, why: str) -> Failure:
    """The Failure for a dimension of the space."""
    return Failure(f"params.yaml: tune.space.{name}: {why}")


def _ordered(ranges: Mapping[str, Range]) -> list[str]:
    """The dimensions' names, conditions first and else as params.yaml has them."""
    ordered: list[str] = []
    waiting = list(ranges)
    while waiting:
        ready = [name for name in waiting if not set(ranges[name].when) & set(waiting)]
        if not ready:
            raise refused(waiting[0], f"its condition depends on itself, by way of {', '.join(waiting)}")
        ordered += ready
        waiting = [name for name in waiting if name not in ready]
    return ordered


def _check_condition(space: Space, dimension: Dimension) -> None:
    known = {other.name: other for other in space.dimensions}
    for name, choices in dimension.range.when.items():
        other = known.get(name)
        if other is None or other.range.choices is None:
            raise refused(dimension.name, f"when: {name} is no dimension of this space with choices"
                                          f"{did_you_mean(name, known)}")
        for choice in choices:
            if choice not in other.range.choices:
                raise refused(dimension.name, f"when: {name} is never {choice!r}; its choices are "
                                              f"{', '.join(map(str, other.range.choices))}")
    for other in space.dimensions:
        if other.path == dimension.path and not _exclude(other.range, dimension.range):
            raise refused(dimension.name, f"{other.name} sets the same parameter; give both a `when` with different "
                                          "choices of one dimension")


def _exclude(first: Range, second: Range) -> bool:
    """Whether the conditions of two dimensions never hold together."""
    return any(not set(first.when[name]) & set(second.when[name]) for name in first.when.keys() & second.when.keys())


def _baseline_value(params: Params, dimension: Dimension) -> Any:
    value = recipe_value(params, dimension.path)
    if value is None or isinstance(value, dict | list):
        raise refused(dimension.name, f"recipe {params.recipe} has no such parameter")
    return value


def _widened(params: Params, dimension: Dimension, baseline: Any) -> Range:
    """The range with the baseline's value in it; its ends are integers where the parameter is a whole number."""
    name, path, span = dimension.name, dimension.path, dimension.range
    if path.split(".")[0] not in BLOCKS or path == "train.epochs":
        raise refused(name, f"cannot be searched; {', '.join(BLOCKS)} can, but for train.epochs (see tune.epochs)")
    if baseline is None:
        # Of a condition that the recipe does not meet
        example, owner = _example(params, dimension), "its default is"
    else:
        example, owner = baseline, "the recipe has"
        if span.choices is not None:
            return span if dimension.holds(baseline) else span.model_copy(update={"choices": [*span.choices, baseline]})
    if span.choices is not None:
        return span
    if example is not None and (isinstance(example, bool) or not isinstance(example, int | float)):
        raise refused(name, f"{owner} {example!r}, which is no number; give choices")
    if span.log and baseline is not None and baseline <= 0:
        raise refused(name, f"log needs values above 0, the recipe has {baseline}")
    ends: list[Any] = sorted(end for end in (span.low, span.high, baseline) if end is not None)
    if isinstance(example, int):
        if any(end != int(end) for end in ends):
            raise refused(name, f"{owner} the whole number {example}, so low and high must be whole numbers")
        ends = [int(end) for end in ends]
    return span.model_copy(update={"low": ends[0], "high": ends[-1]})


def _example(params: Params, dimension: Dimension) -> Any:
    """A parameter's default where the recipe does not meet its condition. Raises Failure where there is no such one."""
    block, _, option = dimension.path.partition(".")
    if block != "model":
        if option not in RECIPE_BLOCKS[block].model_fields:
            raise refused(dimension.name, f"there is no such parameter{did_you_mean(option, _names(block))}")
        value = recipe_value(params, dimension.path)
        return default_of(dimension.path) if value is None else value
    default = None
    for network in dimension.range.when.get(NETWORK, [params.model.name]):
        options = network_options(network)
        if option not in options:
            raise refused(dimension.name, f"network {network} has no option {option}{did_you_mean(option, options)}; "
                                          f"it has {', '.join(options)}")
        default = options[option]
    return default


def _names(block: str) -> list[str]:
    return list(RECIPE_BLOCKS[block].model_fields)


def network_options(network: str) -> dict[str, Any]:
    """The options of a network family with their defaults; None where one has none. Raises Failure for an unknown
    family."""
    with quiet():
        from pipeline.training import models

    if network not in models.FAMILIES:
        raise Failure(f"params.yaml: tune.space: there is no network {network!r}"
                      f"{did_you_mean(str(network), models.FAMILIES)}; there are {', '.join(models.FAMILIES)}")
    build = import_module(f"pipeline.training.models.{network}").build
    return {name: None if option.default is option.empty else option.default
            for name, option in inspect.signature(build).parameters.items()
            if option.kind is option.KEYWORD_ONLY}


def _check_values(space: Space, dimension: Dimension) -> None:
    """Try each choice, or both ends, in a trial that meets the dimension's condition."""
    name = dimension.name
    if dimension.path == NETWORK:
        for network in dimension.range.choices or ():
            network_options(network)
    needed = _needed(space, dimension)
    if name not in space.completed(needed):
        raise refused(name, "when: no trial can meet this condition and those that it depends on")
    for value in dimension.examples:
        try:
            space.override(space.completed({**needed, name: value}))
        except Failure as error:
            raise refused(name, str(error).removeprefix("params.yaml: ").removeprefix(f"{dimension.path}: ")) from error


def _needed(space: Space, dimension: Dimension) -> dict[str, Any]:
    """Values that meet a dimension's condition, and the conditions of the dimensions that it names."""
    needed: dict[str, Any] = {}
    for other in space.dimensions:
        if other.name in dimension.range.when:
            needed |= {**_needed(space, other), other.name: dimension.range.when[other.name][0]}
    return needed
