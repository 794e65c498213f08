"""Stage tune: an Optuna study over the recipe's values on a short schedule, judged on PublicTest.

The study's name is a hash of everything that it depends on, so a changed space, recipe or data set starts a new study
in the same storage (pipeline.tune.storage). Any number of workers share a study (pipeline.tune.work); what of it is
reproducible stands in pipeline.tune.sampling.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pipeline.faces.faces import Faces
from pipeline.faces.manifest import Manifest
from pipeline.params.params import Params
from pipeline.params.resolved import resolve
from pipeline.params.space import Range
from pipeline.system import failure
from pipeline.tune import storage as studies
from pipeline.tune import work
from pipeline.tune.storage import Address
from pipeline.tune.trial import Search

# The blocks that can be searched: the others do not change what a trial trains
BLOCKS = ("augment", "model", "train")
# Raised where studies of an earlier version of this project cannot go on
VERSION = 2


def parts(params: Params, manifest: Manifest) -> dict[str, str]:
    """A hash of every part that a study depends on: another one means another study."""
    tune = params.tune
    inputs: dict[str, Any] = {
        "space": {path: dimension.model_dump() for path, dimension in tune.space.items()},
        "recipe": resolve(params, manifest),
        "schedule": [VERSION, tune.epochs, tune.max_parameters],
        "data": manifest["digest"],
    }
    return {name: hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:12]
            for name, part in inputs.items()}


def study_name(params: Params, manifest: Manifest) -> str:
    """The recipe and a hash of the study's ``parts``."""
    inputs = json.dumps(parts(params, manifest), sort_keys=True)
    return f"{params.recipe}-{hashlib.sha256(inputs.encode()).hexdigest()[:12]}"


def suggest(trial, path: str, dimension: Range) -> Any:
    """One value of a dimension that ``widened`` made, from an Optuna trial."""
    if dimension.choices is not None:
        return trial.suggest_categorical(path, dimension.choices)
    suggested = trial.suggest_int if isinstance(dimension.low, int) else trial.suggest_float
    return suggested(path, dimension.low, dimension.high, log=dimension.log)


def baseline_values(params: Params) -> dict[str, Any]:
    """The recipe's value of every searched parameter: the baseline, which is trial 0."""
    tree = params.model_dump(by_alias=True)
    values = {}
    for path in params.tune.space:
        node: Any = tree
        for part in path.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        if node is None or isinstance(node, dict | list):
            raise refused(path, f"recipe {params.recipe} has no such parameter")
        if path.split(".")[0] not in BLOCKS or path == "train.epochs":
            raise refused(path, f"cannot be searched; {', '.join(BLOCKS)} can, but for train.epochs (see tune.epochs)")
        values[path] = node
    return values


def widened(path: str, dimension: Range, baseline: Any) -> Range:
    """The dimension with the baseline's value in it, so that trial 0 is always in the space.

    Its low and high are integers where that value is one. Raises Failure when they do not go together.
    """
    if dimension.choices is not None:
        return dimension if baseline in dimension.choices else Range(choices=[*dimension.choices, baseline])
    if isinstance(baseline, bool) or not isinstance(baseline, int | float):
        raise refused(path, f"the recipe has {baseline!r}, which is no number; give choices")
    if dimension.log and baseline <= 0:
        raise refused(path, f"log needs values above 0, the recipe has {baseline}")
    ends: list[float] = sorted(end for end in (dimension.low, dimension.high, baseline) if end is not None)
    if isinstance(baseline, int):
        if any(end != int(end) for end in ends):
            raise refused(path, f"the recipe has the whole number {baseline}, so low and high must be whole numbers")
        ends = [int(end) for end in ends]
    return dimension.model_copy(update={"low": ends[0], "high": ends[-1]})


def dimensions(params: Params, baseline: dict[str, Any]) -> dict[str, Range]:
    """The space to search. Raises Failure for a choice or an end that no recipe may have."""
    space = {}
    for path, dimension in params.tune.space.items():
        space[path] = widened(path, dimension, baseline[path])
        for value in space[path].choices or (space[path].low, space[path].high):
            try:
                params.override({path: value})
            except failure.Failure as error:
                raise refused(path, str(error).removeprefix(f"params.yaml: {path}: ")) from error
    return space


def refused(path: str, why: str) -> failure.Failure:
    """The Failure for a dimension of the space."""
    return failure.Failure(f"params.yaml: tune.space.{path}: {why}")


def prepare(params: Params, faces: Faces) -> Search:
    """The search of params.yaml on these faces, checked before anything runs.

    Raises Failure for a space that cannot be searched.
    """
    baseline = baseline_values(params)
    space = dimensions(params, baseline)

    def draw(trial) -> dict[str, Any]:
        return {path: suggest(trial, path, dimension) for path, dimension in space.items()}

    return Search(study_name(params, faces.manifest), parts(params, faces.manifest), params, faces, baseline, draw)


def tune(params: Params, faces: Faces, where: Address) -> tuple[dict[str, Any], dict[int, Any]]:
    """Run the trials that are still missing, one worker among others.

    Returns what best_params.yaml holds, see ``verdict``, and the trials that count by slot.
    """
    search = prepare(params, faces)
    storage = studies.open_storage(where)
    images, trials = int((faces.splits == "PublicTest").sum()), params.tune.trials
    with studies.in_one_line(where):
        study = work.opened(search, storage, where)
        # What workers go by that join
        if study.user_attrs.get(work.TRIALS) != trials:
            study.set_user_attr(work.TRIALS, trials)
        print(f"tune: study {search.name} at {where}; `ferpipe tune-worker {search.name}` joins it", flush=True)

        def verdict_of(counted: Mapping[int, Any]) -> dict[str, Any]:
            return verdict(search, counted, params.tune.standard_errors, images)

        counted = work.work(search, study, where, lambda: trials, lambda counted: {
            name: verdict_of(counted)[name] for name in ("own_accuracy", "best_accuracy")})
    return verdict_of(counted), counted


def verdict(search: Search, counted: Mapping[int, Any], standard_errors: float, n: int) -> dict[str, Any]:
    """The best complete trial and, as ``take``, its values where it gains enough over the baseline, slot 0.

    A trial is kept only if it gains more than ``standard_errors`` of the difference between two accuracies on ``n``
    images: the best of several short runs looks better than it is. With 1.3 of them on PublicTest's 3,589 images that
    is about 1.5 points. The keys are those of best_params.yaml; ``own_accuracy`` is the baseline's.
    """
    complete = {slot: trial for slot, trial in counted.items() if trial.state.name == "COMPLETE"}
    best = max(complete, key=lambda slot: complete[slot].value)
    base, top = complete[0], complete[best]
    needed_gain = standard_errors * sum(trial.value * (1 - trial.value) / n for trial in (base, top)) ** 0.5
    return {
        "study": search.name,
        "trials": len(counted),
        "best_trial": best,
        "best_accuracy": round(top.value, 6),
        "own_accuracy": round(base.value, 6),
        "best_values": dict(top.params),
        "needed_gain": round(needed_gain, 6),
        "take": ({path: value for path, value in top.params.items() if search.baseline.get(path) != value}
                 if top.value - base.value > needed_gain else {}),
    }
