"""A worker: takes slots of a study and trains a trial for each, until the study is complete."""

import contextlib
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipeline.params.resolved import resolve
from pipeline.system.address import shown
from pipeline.system.failure import Failure
from pipeline.tracking import killed, runs
from pipeline.tune import budget as budgets
from pipeline.tune import process, turn, warm
from pipeline.tune import trial as trials
from pipeline.tune.budget import Budget, Extent
from pipeline.tune.report.facts import ABOUT, EPOCHS
from pipeline.tune.slots import ATTEMPTS, Slots, TooLate
from pipeline.tune.storage import Address
from pipeline.tune.trial import Search

ACCURACY, MILLISECONDS = "PublicTest accuracy", "milliseconds a face"
# The study's user attribute that holds the search's
PARTS = "parts"
# That which tells it from studies of the same name in other storages; the tag of its MLflow run, too
IDENTITY = "study_id"
# That which holds the id of its MLflow run
MLFLOW_RUN = "mlflow_run"


def opened(search: Search, storage, where: Address):
    """The study in the storage, made by the first worker."""
    import optuna
    from optuna.study import StudyDirection

    params = search.params
    figures = {ACCURACY: StudyDirection.MAXIMIZE,
               **({MILLISECONDS: StudyDirection.MINIMIZE} if search.weighs_speed else {})}
    with where.alone():
        study = optuna.create_study(storage=storage, study_name=search.name, directions=list(figures.values()),
                                    load_if_exists=True)
        if IDENTITY not in study.user_attrs:
            study.set_user_attr(IDENTITY, uuid.uuid4().hex)
        # Opening a study again writes nothing
        if study.metric_names != list(figures):
            older = warm.older_studies(storage, search.name, params.recipe, params.dataset)
            values = warm.first_values(older, search.space, params.tune.warm_start)
            study.set_user_attr(warm.WARM, values)
            study.set_user_attr(warm.MOST, params.tune.warm_start)
            study.set_user_attr(warm.CHOSEN_FROM, warm.chosen_from(older) if values else 0)
            study.set_user_attr(PARTS, search.parts)
            study.set_user_attr("dataset", params.dataset)
            study.set_user_attr(ABOUT, {"recipe": params.recipe, "data set": params.dataset,
                                        EPOCHS: params.tune.epochs, "PublicTest images": search.images})
            study.set_metric_names(list(figures))
    most = study.user_attrs.get(warm.MOST, params.tune.warm_start)
    if params.tune.warm_start != most:
        print(f"tune: tune.warm_start is {params.tune.warm_start}, but study {search.name} was made with {most}: its "
              "first trials stay as they are", flush=True)
    return study


def work(search: Search, study, where: Address, limits: Callable[[], Budget],
         conclude: Callable[[dict[int, Any], str, runs.Run], None] | None = None) -> dict[int, Any]:
    """Run trials until every slot of the budget counts; returns those that count by slot.

    A worker that finds no free slot waits for the others: one of their processes may die.

    Args:
        limits: gives the study's budgets, which may grow while it runs.
        conclude: is called at the end with the trials that count, why there are no more, and the study's MLflow run.

    Raises Failure where no network is small enough, and what the storage and MLflow raise.
    """
    slots = Slots(study, where)

    def extent() -> Extent:
        most = limits()
        return budgets.extent(slots.counted(most.trials), slots.begun(), most)

    def budget() -> int:
        return extent().slots

    with _parent(search, study, slots) as parent:
        _tidy(study, parent)
        begun, at_first, waiting = time.monotonic(), budget() - len(slots.counted(budget())), False
        if at_first > 0:
            until = " at most" if limits().cpu_seconds else ""
            print(f"tune: {at_first} of {budget()} trials to run{until}, {search.params.tune.epochs} epochs each",
                  flush=True)
            trials.check(search)
        while True:
            claim = slots.claim(budget())
            if slots.freed:
                _tidy(study, parent)
            for slot in slots.given_up:
                print(f"tune: trial {slot}: {ATTEMPTS} workers have died in it, so it counts as cut short, and nobody "
                      "tries it again", flush=True)
            if claim is None:
                others = slots.running(budget())
                if not others:
                    break
                if not waiting:
                    hosts = ", ".join(sorted({trial.user_attrs[process.HOST] for trial in others}))
                    print(f"tune: waits for {len(others)} trials of other workers ({hosts})", flush=True)
                waiting = True
                turn.pause(where)
                continue
            waiting = False
            before = len(slots.counted(budget()))
            try:
                trials.run(search, slots, claim, parent)
            except TooLate:
                print(f"tune: trial {claim.slot}: this process was silent for longer than {where.grace} s, so another "
                      "worker has the trial; what came of it here does not count", flush=True)
            missing = budget() - len(slots.counted(budget()))
            # How many a budget of CPU time buys is not known
            if 0 < missing < budget() - before and not limits().cpu_seconds:
                left = (time.monotonic() - begun) / max(1, at_first - missing) * missing
                print(f"tune: {missing} of {budget()} trials to run, about {duration(left)} left", flush=True)
        counted, ended = slots.counted(budget()), extent().reason
        if ended:
            print(f"tune: the study ends after {len(counted)} trials: {ended}", flush=True)
        if conclude is not None:
            conclude(counted, ended, parent)
        _tidy(study, parent)
    return counted


@contextlib.contextmanager
def _parent(search: Search, study, slots: Slots) -> Iterator[runs.Run]:
    """The study's one MLflow run, which the first worker makes and the last one ends."""
    params, manifest = search.params, search.faces.manifest
    tags = {**runs.tags_of(resolve(params, manifest), manifest), "kind": "tune", "study": search.name,
            IDENTITY: study.user_attrs[IDENTITY]}
    experiment = f"{params.dataset}-{params.classes}"
    with slots.where.alone():
        run = runs.start(f"tune {runs.run_name(tags)}", experiment, tags, run_id=_known_run(slots, experiment))
        if study.user_attrs.get(MLFLOW_RUN) != run.id:
            study.set_user_attr(MLFLOW_RUN, run.id)
        run.dataset(manifest)
    try:
        yield run
    except BaseException:
        # Where the storage does not say who else is there, the error on its way out matters more: the next run on this
        # machine ends what a dead process has left running
        with contextlib.suppress(Exception):
            _leave(run, slots, *sys.exc_info())
        raise
    else:
        _leave(run, slots, None, None, None)


def _known_run(slots: Slots, experiment: str) -> str | None:
    """The id of the study's run, None where there is none yet.

    Raises Failure where MLflow does not have it: then it is not the one that the other workers use. On this machine
    alone, where nobody trains, it may have been removed: then there is a new one.
    """
    study = slots.study
    known = study.user_attrs.get(MLFLOW_RUN)
    if known and runs.exists(known):
        return known
    if known:
        problem = f"MLflow at {shown(runs.uri())}: it lacks run {known} of study {study.study_name}"
        if slots.where.file is None or _others(slots):
            raise Failure(f"{problem}; set MLFLOW_TRACKING_URI as the study's other workers have it, or see "
                          "pipeline/tune/README.md where the run is lost")
        print(f"tune: {problem}; another one has the trials from now on", flush=True)
    # Of an earlier version, or of a process that was killed before it could name it
    return runs.find(experiment, IDENTITY, study.user_attrs[IDENTITY])


def _leave(run: runs.Run, slots: Slots, *error) -> None:
    """End the study's MLflow run, unless others work on: then it is theirs, and the last of them ends it."""
    # Nobody begins or ends meanwhile
    with slots.where.alone():
        others = _others(slots)
        if others:
            killed.go_on(runs.connect(), run.id, others[0][process.PROCESS])
        else:
            run.__exit__(*error)


def _others(slots: Slots) -> list[Mapping[str, Any]]:
    """The other processes that train; one that only waits calls the run RUNNING when it trains again."""
    holder = turn.holder(slots.study)
    return [*(trial.user_attrs for trial in slots.others()),
            *([holder] if holder is not None and not process.is_this(holder) else [])]


def _tidy(study, parent: runs.Run) -> None:
    """End the MLflow runs of trials, and of trainings at full length, that have ended though their process could not
    say so."""
    def states() -> dict[str, str]:
        by_number = {str(trial.number): trial.state.name for trial in study.get_trials(deepcopy=False)}
        holder = turn.holder(study)
        return by_number if holder is None else {**by_number, holder[process.PROCESS]: "RUNNING"}

    killed.end_children(runs.connect(), parent.id, states)


def duration(seconds: float) -> str:
    """Seconds for a person."""
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"
