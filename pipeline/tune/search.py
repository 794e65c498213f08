"""Stage tune: an Optuna study over the recipe's values on a short schedule, judged on PublicTest.

The study's name is a hash of everything that it depends on, so a changed space, recipe or data set starts a new study
in the same file (pipeline.tune.storage).
"""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from pipeline.faces.faces import Faces
from pipeline.faces.manifest import Manifest
from pipeline.params.params import Params
from pipeline.params.resolved import resolve
from pipeline.params.space import Range
from pipeline.system import failure
from pipeline.tracking import runs
from pipeline.training.importing import quiet
from pipeline.tune import storage as studies

# The blocks that can be searched: the others do not change what a trial trains
BLOCKS = ("augment", "model", "train")
# The search gives up when this many networks per trial of the budget were too large
DRAWS = 20


def study_name(params: Params, manifest: Manifest) -> str:
    """A hash of the space, the resolved config, the schedule's length and the data."""
    space = {path: dimension.model_dump() for path, dimension in params.tune.space.items()}
    inputs = [space, params.tune.epochs, params.tune.max_parameters, resolve(params, manifest), manifest["digest"]]
    return f"{params.recipe}-{hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:12]}"


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


def tune(params: Params, faces: Faces, storage_file: Path) -> dict:
    """Run the trials that are still missing; returns what best_params.yaml holds, see ``verdict``.

    A trial is kept only if it gains more than ``tune.standard_errors`` over trial 0: the best of several short runs
    looks better than it is. With 1.3 of them on PublicTest's 3,589 images that is about 1.5 points.
    """
    baseline = baseline_values(params)
    space = dimensions(params, baseline)
    storage = studies.open_storage(storage_file)
    with studies.in_one_line(storage_file):
        return search(params, faces, storage, baseline, space)


def search(params: Params, faces: Faces, storage, baseline: dict[str, Any], space: dict[str, Range]) -> dict:
    """``tune`` in an open storage; raises what the storage raises."""
    import optuna

    with quiet():
        from pipeline.training import loop

    study = optuna.create_study(
        storage=storage, study_name=study_name(params, faces.manifest), direction="maximize", load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1),
    )
    study.sampler = optuna.samplers.TPESampler(seed=params.seed + len(study.trials), n_startup_trials=4)
    studies.queue_cut_trials_again(study, storage)

    def objective(trial) -> float:
        values = {path: suggest(trial, path, dimension) for path, dimension in space.items()}
        changed = params.override({**values, "train.epochs": params.tune.epochs})
        config = resolve(changed, faces.manifest)
        size = loop.build_net(config).count_params()
        if size > params.tune.max_parameters:
            if values == baseline:
                raise failure.Failure(f"params.yaml: tune.max_parameters: the recipe's own network has {size:,}; "
                                      "allow more, or make it smaller")
            trial.set_user_attr(studies.TOO_LARGE, size)
            print(f"tune: trial {trial.number} left out: {size:,} parameters", flush=True)
            raise optuna.TrialPruned
        with runs.start(f"trial {trial.number}", experiment, {"kind": "trial"}, parent=parent.id) as run:
            run.params(values)

            def on_epoch(row: dict) -> None:
                run.epoch(row, int(row["epoch"]))
                trial.report(row["val_accuracy"], int(row["epoch"]))
                # The baseline is what the others are compared with: never pruned
                if values != baseline and row["epoch"] < params.tune.epochs and trial.should_prune():
                    run.tags({"pruned": "true"})
                    raise optuna.TrialPruned

            try:
                fitted = loop.fit_faces(config, faces, on_epoch=on_epoch)
            except optuna.TrialPruned:
                print(f"tune: trial {trial.number} pruned", flush=True)
                raise
            except loop.Diverged:
                if values == baseline:
                    raise
                print(f"tune: trial {trial.number} diverged with {shown(values)}", flush=True)
                raise optuna.TrialPruned from None
            accuracy = fitted.history[-1]["val_accuracy"]
        print(f"tune: trial {trial.number}: PublicTest accuracy {accuracy:.4f} with {shown(values)}", flush=True)
        return accuracy

    experiment = f"{params.dataset}-{params.classes}"
    parent_id = study.user_attrs.get("run_id")
    with runs.start(f"tune {params.recipe}", experiment, {"kind": "tune", "study": study.study_name},
                        run_id=parent_id) as parent:
        study.set_user_attr("run_id", parent.id)
        parent.dataset(faces.manifest)
        missing = params.tune.trials - studies.finished(study)
        if missing > 0:
            print(f"tune: {missing} of {params.tune.trials} trials to run, {params.tune.epochs} epochs each",
                  flush=True)
        begun, at_first = time.monotonic(), missing
        while missing > 0 or not studies.complete(study, baseline):
            if missing > 0 and (drawn := studies.left_out(study)) >= DRAWS * params.tune.trials:
                raise failure.Failure(f"params.yaml: tune.max_parameters: {drawn} networks of the search had more "
                                      f"than {params.tune.max_parameters:,}; allow more, or search smaller ones")
            studies.queue_baseline(study, baseline, budget_left=missing > 0)
            study.optimize(objective, n_trials=1)
            before, missing = missing, params.tune.trials - studies.finished(study)
            if 0 < missing < before:
                left = (time.monotonic() - begun) / (at_first - missing) * missing
                print(f"tune: {missing} of {params.tune.trials} trials to run, about {duration(left)} left", flush=True)
        result = verdict(study, baseline, params.tune.standard_errors, int((faces.splits == "PublicTest").sum()))
        parent.figures({name: result[name] for name in ("own_accuracy", "best_accuracy")})
    return result


def duration(seconds: float) -> str:
    """Seconds for a person."""
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


def shown(values: dict[str, Any]) -> str:
    """A trial's values for a person: numbers with four digits."""
    return ", ".join(f"{path} {float(f'{value:.4g}') if isinstance(value, float) else value}"
                     for path, value in values.items())


def verdict(study, baseline: dict[str, Any], standard_errors: float, n: int) -> dict:
    """The best finished trial and, as ``take``, its values where it gains enough over the baseline.

    Enough is more than ``standard_errors`` of the difference between two accuracies on ``n`` images. The keys are those
    of best_params.yaml; ``own_accuracy`` is the baseline's.
    """
    base = studies.complete(study, baseline)[0]
    top = max(studies.complete(study), key=lambda trial: trial.value)
    needed_gain = standard_errors * sum(trial.value * (1 - trial.value) / n for trial in (base, top)) ** 0.5
    return {
        "study": study.study_name,
        "trials": studies.finished(study),
        "best_trial": top.number,
        "best_accuracy": round(top.value, 6),
        "own_accuracy": round(base.value, 6),
        "best_values": dict(top.params),
        "needed_gain": round(needed_gain, 6),
        "take": ({path: value for path, value in top.params.items() if baseline[path] != value}
                 if top.value - base.value > needed_gain else {}),
    }
