"""Stage tune: an Optuna study over the recipe's values on a short schedule, judged on PublicTest.

The study's name is a hash of everything that it depends on, so a changed space, recipe or data set starts a new study
in the same storage (pipeline.tune.storage). Any number of workers share a study (pipeline.tune.work); what of it is
reproducible is said in pipeline.tune.sampling.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pipeline.faces.faces import Faces
from pipeline.faces.manifest import Manifest
from pipeline.params.params import Params
from pipeline.params.resolved import resolve
from pipeline.tracking.runs import Run
from pipeline.tune import finals, front, work
from pipeline.tune import storage as studies
from pipeline.tune.declared import space_of
from pipeline.tune.process import HOST
from pipeline.tune.report.facts import LIMITS, VERDICT, Facts, of_study
from pipeline.tune.slots import SLOT
from pipeline.tune.storage import Address
from pipeline.tune.trial import Search

# What of the verdict MLflow's run of the study gets
FIGURES = ("own_accuracy", "best_accuracy", "recipe_accuracy")
# Raised where studies of an earlier version of this project cannot go on
VERSION = 2


def parts(params: Params, manifest: Manifest) -> dict[str, str]:
    """A hash of every part that a study depends on: another one means another study."""
    tune = params.tune
    inputs: dict[str, Any] = {
        "space": {path: dimension.model_dump() for path, dimension in tune.space.items()},
        "recipe": resolve(params, manifest),
        "schedule": [VERSION, tune.epochs, tune.max_parameters, tune.objective],
        "data": manifest["digest"],
    }
    return {name: hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:12]
            for name, part in inputs.items()}


def study_name(params: Params, manifest: Manifest) -> str:
    """The recipe and a hash of the study's ``parts``."""
    inputs = json.dumps(parts(params, manifest), sort_keys=True)
    return f"{params.recipe}-{hashlib.sha256(inputs.encode()).hexdigest()[:12]}"


def prepare(params: Params, faces: Faces) -> Search:
    """The search of params.yaml on these faces, checked before anything runs.

    Raises Failure for a space that cannot be searched.
    """
    space = space_of(params)
    return Search(study_name(params, faces.manifest), parts(params, faces.manifest), space, faces)


def tune(params: Params, faces: Faces, where: Address) -> tuple[dict[str, Any], dict[int, Any], Facts]:
    """Run the trials that are still missing, one worker among others, and judge what came of them.

    Returns what best_params.yaml holds, see ``verdict``, the trials that count by slot, and the facts for the report.

    Raises Failure for a space that cannot be searched, and for a storage that would lose trials.
    """
    studies.check_shared(where)
    search = prepare(params, faces)
    storage = studies.open_storage(where)
    with studies.in_one_line(where):
        study = work.opened(search, storage, where)
        # What workers go by that join
        if study.user_attrs.get(LIMITS) != asdict(search.limits):
            study.set_user_attr(LIMITS, asdict(search.limits))
        print(f"tune: study {search.name} at {where}; `ferpipe tune-worker {search.name}` joins it", flush=True)
        result: dict[str, Any] = {}

        def conclude(counted: Mapping[int, Any], ended: str, parent: Run) -> None:
            result.update(verdict(search, study, where, counted, ended, parent))
            if study.user_attrs.get(VERDICT) != result:
                study.set_user_attr(VERDICT, result)
            parent.figures({name: result[name] for name in FIGURES if result.get(name) is not None})

        counted = work.work(search, study, where, lambda: search.limits, conclude)
        return result, counted, of_study(study)


def verdict(search: Search, study, where: Address, counted: Mapping[int, Any], ended: str,
            parent: Run) -> dict[str, Any]:
    """What best_params.yaml holds: the best complete trial, and as ``take`` what the next stage changes in the recipe.

    ``own_accuracy`` is that of the recipe, slot 0, on the short schedule, which only chooses the finalists;
    ``recipe_accuracy`` and ``finalists`` are at full length. A study that weighs speed takes nothing.

    Args:
        ended: why the study has fewer trials than it was allowed; empty where it has all.
    """
    complete = {slot: trial for slot, trial in counted.items() if trial.state.name == "COMPLETE"}
    best = max(complete, key=lambda slot: complete[slot].values[0])
    known = {
        "study": search.name,
        "trials": len(counted),
        "stopped": ended,
        "best_trial": best,
        "best_accuracy": round(complete[best].values[0], 6),
        "own_accuracy": round(complete[0].values[0], 6),
        "best_values": dict(complete[best].params),
    }
    if search.weighs_speed:
        points = [{"trial": trial.user_attrs[SLOT], "accuracy": round(trial.values[0], 6),
                   "milliseconds": round(trial.values[1], 4), "values": dict(trial.params)}
                  for trial in front.front(complete.values())]
        if (machines := len({trial.user_attrs[HOST] for trial in complete.values()})) > 1:
            print(f"tune: the milliseconds were measured on {machines} machines; compare only trials of the same one",
                  flush=True)
        return {**known, "front": points, "take": {}}
    return {**known, **finals.verdict(search.space, search.faces, study, where, counted, parent)}
