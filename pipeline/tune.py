"""Stage tune: an Optuna study over the recipe's values on a short schedule, judged on PublicTest.

The study is a sqlite file with a heartbeat: a trial that a kill -9 cut short is queued again. Its name is a hash of
everything that it depends on, so a changed space, recipe or data set starts a new study in the same file.
"""

import hashlib
import json
import time
import warnings
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline import failure, params, tracking
from pipeline.atomic import atomic_file
from pipeline.faces import Faces
from pipeline.params import Params, Range
from pipeline.quiet import quiet
from pipeline.resolve import resolve

# Seconds between two signs of life of a trial, and without one until it is queued again
HEARTBEAT, GRACE = 5, 20
FINISHED = ("COMPLETE", "PRUNED")
# Mark of a trial whose network was not trained for its size; it does not count against the budget
TOO_LARGE = "too large"


def study_name(params: Params, manifest: dict) -> str:
    """A hash of the space, the resolved recipe, the schedule's length and the data."""
    space = {path: entry.model_dump() for path, entry in params.tune.space.items()}
    facts = [space, params.tune.epochs, params.tune.max_parameters, resolve(params, manifest), manifest["digest"]]
    return f"{params.recipe}-{hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]}"


def suggest(trial, path: str, entry: Range) -> Any:
    """One value of the space, from an Optuna trial."""
    if entry.choices is not None:
        return trial.suggest_categorical(path, entry.choices)
    return trial.suggest_float(path, entry.low, entry.high, log=entry.log)


def own_values(params: Params) -> dict[str, Any]:
    """The recipe's own value of every searched parameter: trial 0."""
    tree = params.model_dump(by_alias=True)
    values = {}
    for path in params.tune.space:
        node: Any = tree
        for part in path.split("."):
            if not isinstance(node, dict) or part not in node:
                raise failure.Failure(f"params.yaml: tune.space: recipe {params.recipe} has no parameter {path}")
            node = node[part]
        values[path] = node
    return values


def widened(entry: Range, own: Any) -> Range:
    """The dimension with the recipe's own value in it, so that trial 0 always lies in the space."""
    if entry.choices is not None:
        return entry if own in entry.choices else Range(choices=[*entry.choices, own])
    return entry.model_copy(update={"low": min(entry.low, own), "high": max(entry.high, own)})


def tune(params: Params, faces: Faces, storage_file: Path) -> dict:
    """Run the trials that are still missing; returns what to take and why.

    A trial is taken only when it beats trial 0 by ``tune.standard_errors``: the best of several short runs looks
    better than it is.
    """
    import optuna

    with quiet():
        from pipeline import training

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = open_storage(storage_file)
    study = optuna.create_study(
        storage=storage, study_name=study_name(params, faces.manifest), direction="maximize", load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1),
    )
    study.sampler = optuna.samplers.TPESampler(seed=params.seed + len(study.trials), n_startup_trials=4)
    _queue_cut_trials_again(study)
    own = own_values(params)
    space = {path: widened(entry, own[path]) for path, entry in params.tune.space.items()}
    if not study.trials:
        study.enqueue_trial(own)

    def objective(trial) -> float:
        values = {path: suggest(trial, path, entry) for path, entry in space.items()}
        changed = params.override({**values, "train.epochs": params.tune.epochs})
        config = resolve(changed, faces.manifest)
        size = training.build_net(config).count_params()
        if size > params.tune.max_parameters:
            if values == own:
                raise failure.Failure(f"params.yaml: tune.max_parameters: the recipe's own network has {size:,}; "
                                      "allow more, or make it smaller")
            trial.set_user_attr(TOO_LARGE, size)
            raise optuna.TrialPruned
        with tracking.start(f"trial {trial.number}", experiment, {"kind": "trial"}, parent=parent.id) as run:
            run.params(values)

            def on_epoch(row: dict) -> None:
                run.epoch(row, int(row["epoch"]))
                trial.report(row["val_accuracy"], int(row["epoch"]))
                if row["epoch"] < params.tune.epochs and trial.should_prune():
                    run.tags({"pruned": "true"})
                    raise optuna.TrialPruned

            try:
                fitted = training.fit_faces(config, faces, on_epoch=on_epoch)
            except optuna.TrialPruned:
                print(f"tune: trial {trial.number} pruned", flush=True)
                raise
            accuracy = fitted.history[-1]["val_accuracy"]
        print(f"tune: trial {trial.number}: PublicTest accuracy {accuracy:.4f} with {values}", flush=True)
        return accuracy

    experiment = f"{params.dataset}-{params.classes}"
    parent_id = study.user_attrs.get("run_id")
    with tracking.start(f"tune {params.recipe}", experiment, {"kind": "tune", "study": study.study_name},
                        run_id=parent_id) as parent:
        study.set_user_attr("run_id", parent.id)
        parent.dataset(faces.manifest)
        missing = params.tune.trials - _finished(study)
        if missing > 0:
            print(f"tune: {missing} of {params.tune.trials} trials to run, {params.tune.epochs} epochs each",
                  flush=True)
        while (missing := params.tune.trials - _finished(study)) > 0:
            study.optimize(objective, n_trials=1)
        found = verdict(study, params.tune.standard_errors, int((faces.splits == "PublicTest").sum()))
        parent.figures({"own_accuracy": found["own_accuracy"], "best_accuracy": found["best_accuracy"]})
    return found


def open_storage(file: Path):
    """The study's storage; the file appears even when no trial is asked for."""
    import optuna
    from sqlalchemy.exc import OperationalError

    file.parent.mkdir(parents=True, exist_ok=True)
    # experimental since 2020: the version is pinned
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    try:
        return optuna.storages.RDBStorage(
            f"sqlite:///{file.as_posix()}",
            heartbeat_interval=HEARTBEAT,
            grace_period=GRACE,
            heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(),
        )
    except OperationalError as error:
        raise failure.Failure(f"{file}: the study cannot be opened ({error.orig}); end the other process that "
                              "holds it, or delete the file to search anew") from error


def verdict(study, standard_errors: float, n: int) -> dict:
    """What the search says: the best finished trial, and its values if they beat trial 0 by more than noise.

    Noise is ``standard_errors`` of the difference between two accuracies on ``n`` images.
    """
    done = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    own = next(trial for trial in done if trial.params == study.trials[0].params)
    top = max(done, key=lambda trial: trial.value)
    noise = standard_errors * sum(trial.value * (1 - trial.value) / n for trial in (own, top)) ** 0.5
    return {
        "study": study.study_name,
        "trials": _finished(study),
        "best_trial": top.number,
        "best_accuracy": round(top.value, 6),
        "own_accuracy": round(own.value, 6),
        "best_values": dict(top.params),
        "needed_gain": round(noise, 6),
        "take": ({path: value for path, value in top.params.items() if own.params[path] != value}
                 if top.value - own.value > noise else {}),
    }


def _queue_cut_trials_again(study) -> None:
    """Wait until every running trial has shown that it lives, or is queued again because its process died."""
    import optuna

    for _ in range(GRACE + 1):
        optuna.storages.fail_stale_trials(study)
        if not any(trial.state.name == "RUNNING" for trial in study.trials):
            return
        time.sleep(1)


def _finished(study) -> int:
    return sum(trial.state.name in FINISHED and TOO_LARGE not in trial.user_attrs for trial in study.trials)


def main() -> None:
    """Search, unless the recipe is a published one or no trials are asked for; write best_params.yaml."""
    mine = params.load()
    study_file = mine.data / "study.db"
    if mine.tuned and mine.tune.trials:
        found = tune(mine, Faces.load(mine.data / "balanced"), study_file)
    else:
        open_storage(study_file)
        found = {"why": "no search: " + ("trials is 0" if mine.tuned else "a published recipe keeps its values"),
                 "take": {}}
    with atomic_file(mine.reports / "best_params.yaml") as new:
        YAML().dump(found, new)
    print("tune: took " + (json.dumps(found["take"]) if found["take"] else "the recipe's own values"))


if __name__ == "__main__":
    failure.run(main, "tune")
