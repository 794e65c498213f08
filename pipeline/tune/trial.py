"""One trial: a slot's values, and the short training that judges them."""

import contextlib
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.faces.faces import Faces
from pipeline.params.params import Params
from pipeline.params.resolved import resolve
from pipeline.system.failure import Failure
from pipeline.tracking import killed, runs
from pipeline.training.config import ResolvedConfig
from pipeline.training.importing import quiet
from pipeline.tune import front, pruning, sampling, warm
from pipeline.tune.budget import Budget
from pipeline.tune.declared import check_networks
from pipeline.tune.slots import CPU, EPOCHS_RUN, RUN, Claim, Slots, TooLate, in_time
from pipeline.tune.space import Space

# So many networks of a slot may be too large, or have the values of another slot, before the search gives up; but in a
# space of at most so many trials all of them are looked through
DRAWS, FEW = 20, 1000


@dataclass(frozen=True)
class Search:
    """What every worker of a study must agree on.

    Attributes:
        name: the study's, a hash of everything else.
        parts: a hash of every part, by its name.
        space: of the recipe, whose values slot 0 has.
        learns: whether the sampler learns from finished trials; one that does not searches at random.
        loop: what stands for pipeline.training.loop where nothing is to be trained.
    """

    name: str
    parts: dict[str, str]
    space: Space
    faces: Faces
    learns: bool = True
    loop: Any = None

    @property
    def params(self) -> Params:
        """The recipe's own parameters."""
        return self.space.params

    @property
    def weighs_speed(self) -> bool:
        """Whether a trial has two figures, accuracy and milliseconds per face, and none is pruned."""
        return self.params.tune.objective != "accuracy"

    @property
    def images(self) -> int:
        """How many an accuracy is measured on."""
        return int((self.faces.splits == "PublicTest").sum())

    @property
    def limits(self) -> Budget:
        """The budgets of params.yaml."""
        tune = self.params.tune
        return Budget(tune.trials, tune.hours, tune.flat, self.images)


def run(search: Search, slots: Slots, claim: Claim, parent: runs.Run) -> None:
    """One trial, from its values to its end; an error ends it as FAIL, and its slot is free again."""
    import optuna
    from optuna.storages._heartbeat import get_heartbeat_thread

    begun = time.process_time()

    with get_heartbeat_thread(claim.id, slots.study._storage):
        try:
            with in_time():
                _train(search, slots, claim, values_for(search, slots, claim), parent, begun)
        except optuna.TrialPruned:
            pass
        except TooLate:
            raise
        except (Exception, KeyboardInterrupt):
            with contextlib.suppress(TooLate):
                slots.finish(claim, "FAIL")
            raise


def values_for(search: Search, slots: Slots, claim: Claim) -> dict[str, Any]:
    """A slot's values: the baseline's, those of the trial that it repeats, or the first of the sampler's draws whose
    network is small enough and that no other slot has or will have. Where all values have been used, they repeat."""
    from optuna.trial import TrialState

    most = search.params.tune.max_parameters
    fixed = search.space.baseline if claim.slot == 0 else claim.values or warm.values_of_slot(slots.study, claim.slot)
    if fixed is not None:
        size = _size(search, fixed)
        if claim.slot == 0 and size > most:
            raise Failure(f"params.yaml: tune.max_parameters: the recipe's own network has {size:,}; allow more, or "
                          "make it smaller")
        if size <= most:
            slots.take(claim, fixed, equal=True)
            return fixed
    # A worker may be here before those of the slots whose values are known beforehand
    reserved = [search.space.baseline, *warm.values(slots.study)]
    history = slots.history(claim) if search.learns else ()
    drawing = sampling.drawing(search.params.seed, claim.slot, history, search.space.conditional,
                               slots.study.directions)
    small = None
    for _ in range(DRAWS):
        candidate = drawing.ask()
        values = search.space.suggest(candidate)
        size = _size(search, values)
        if size > most:
            print(f"tune: trial {claim.slot}: drawn again, {size:,} parameters", flush=True)
        elif slots.take(claim, values, reserved=reserved):
            return values
        else:
            small = values
        # The sampler learns that it should look elsewhere
        drawing.tell(candidate, state=TrialState.PRUNED)
    for values in _unused(search, slots, claim, reserved):
        if _size(search, values) <= most and slots.take(claim, values, reserved=reserved):
            return values
    if small is None:
        raise Failure(f"params.yaml: tune.max_parameters: {DRAWS} networks of the search had more than {most:,}; allow "
                      "more, or search smaller ones")
    # A space of fewer values than slots
    slots.take(claim, small, equal=True)
    return small


def _unused(search: Search, slots: Slots, claim: Claim, reserved: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What no other slot has of a space of few values, in an order of the slot's own; nothing of a larger one."""
    used = [*reserved, *slots.taken(claim)]
    unused = [values for values in search.space.combinations(FEW) or () if values not in used]
    return [unused[index] for index in sampling.order(search.params.seed, claim.slot, len(unused))]


def _loop(search: Search):
    """The module that trains; the import of Keras takes seconds."""
    if search.loop is not None:
        return search.loop
    with quiet():
        from pipeline.training import loop
    return loop


def _config(search: Search, values: dict[str, Any]) -> ResolvedConfig:
    changed = search.space.override(values).override({"train.epochs": search.params.tune.epochs})
    return resolve(changed, search.faces.manifest)


def check(search: Search) -> None:
    """Build the space's networks before the first trial; see ``declared.check_networks``."""
    loop = _loop(search)
    check_networks(search.space, lambda params: loop.build_net(resolve(params, search.faces.manifest)))


def _size(search: Search, values: dict[str, Any]) -> int:
    """The parameters of the network that a trial would train."""
    return _loop(search).build_net(_config(search, values)).count_params()


def _train(search: Search, slots: Slots, claim: Claim, values: dict[str, Any], parent: runs.Run,
           begun: float) -> None:
    """Train a trial and end it as COMPLETE, or as PRUNED, which is raised, too, for the MLflow run to see.

    Args:
        begun: this process's CPU seconds when the trial began.
    """
    import optuna

    params, last, loop = search.params, None, _loop(search)
    trial = optuna.Trial(sampling.judged(slots.study, params.tune.epochs), claim.id)
    # Leaves the values and their ranges in the storage
    search.space.suggest(trial)
    config = _config(search, values)
    tags = {**runs.tags_of(config, search.faces.manifest), "kind": "trial", "trial": claim.number, "slot": claim.slot,
            "host": platform.node()}
    name, experiment = f"{runs.run_name(tags)}, trial {claim.slot}", f"{params.dataset}-{params.classes}"
    killed.go_on(runs.connect(), parent.id)
    with runs.start(name, experiment, tags, parent=parent.id) as run, in_time():
        trial.set_user_attr(RUN, run.id)
        # MLflow takes no @ in a name
        run.params(search.space.by_path(values))
        run.dataset(search.faces.manifest)

        def on_epoch(row: dict) -> None:
            nonlocal last
            epoch, accuracy = int(row["epoch"]), row["val_accuracy"]
            # First, for it finds out where this process comes too late
            if search.weighs_speed:
                trial.set_user_attr(EPOCHS_RUN, epoch)
            else:
                trial.report(accuracy, epoch)
            last = accuracy
            run.epoch(row, epoch)
            if search.weighs_speed or epoch >= params.tune.epochs:
                return
            # The baseline is what the others are compared with: it is asked too, but never pruned
            if trial.should_prune() and claim.slot:
                prune("pruned", pruning.reason(slots.study.get_trials(deepcopy=False), claim.number, epoch, accuracy))

        def prune(what: str, why: str) -> None:
            trial.set_user_attr(pruning.WHY, why)
            trial.set_user_attr(CPU, round(time.process_time() - begun, 2))
            slots.finish(claim, "PRUNED", None if search.weighs_speed or last is None else [last])
            run.tags({"pruned": "true", "why": why})
            print(f"tune: trial {claim.slot} {what}, {why}", flush=True)
            raise optuna.TrialPruned

        try:
            fitted = loop.fit_faces(config, search.faces, on_epoch=on_epoch)
        except loop.Diverged as error:
            if claim.slot == 0:
                raise
            prune(f"diverged with {shown(values)}", pruning.diverged(error))
        accuracy = fitted.history[-1]["val_accuracy"]
        figures = [accuracy, front.milliseconds(fitted.net)] if search.weighs_speed else [accuracy]
        trial.set_user_attr(CPU, round(time.process_time() - begun, 2))
        # Before MLflow's run ends: what is trained counts, whatever comes of that
        slots.finish(claim, "COMPLETE", figures)
    speed = f", {figures[1]:.3f} ms per face," if search.weighs_speed else ""
    print(f"tune: trial {claim.slot}: PublicTest accuracy {accuracy:.4f}{speed} with {shown(values)}", flush=True)


def shown(values: dict[str, Any]) -> str:
    """A trial's values for a person: numbers with four digits."""
    return ", ".join(f"{path} {float(f'{value:.4g}') if isinstance(value, float) else value}"
                     for path, value in values.items())
