"""The one door through which a model enters the records: MLflow run, bundle on its shelf, ledger entry, registry.

``enter`` is the whole way, for what is made and measured in one command. The stages train and evaluate, which DVC runs
one by one, each go their half of it: ``begin`` and ``attach``, then ``record``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pipeline.bundle.bundle import Bundle
from pipeline.bundle.manifest import Trained
from pipeline.system import project
from pipeline.system.atomic import to_disk
from pipeline.system.lock import exclusive
from pipeline.tracking import ledger, promotions, registry, restoring, runs, shelves
from pipeline.tracking.entry import Entry, SplitFigures, SplitRobustness
from pipeline.tracking.runs import Run

# Seconds to wait for another process that makes and measures a model of the same shelf
PATIENCE = 3600.0


class Measured(Protocol):
    """What evaluate measured of a model; see ``evaluate.measure.Evaluation``."""

    @property
    def figures(self) -> SplitFigures: ...

    @property
    def probabilities(self) -> Mapping[str, np.ndarray]: ...

    @property
    def milliseconds(self) -> float: ...

    @property
    def robustness(self) -> SplitRobustness | None: ...

    @property
    def copy_free(self) -> SplitFigures | None: ...


@dataclass(frozen=True)
class Origin:
    """Where a model that ``enter`` records comes from.

    Attributes:
        kind: of the run: train, quantise or ensemble.
        mark: name and value of a tag that only the run which makes this model has, so that an interrupted run is found
            again.
        trained: what is known of the training.
        shelf: the folder that gets the bundle, under its id.
        name: of the run; without one it has recipe and seed.
        history: the curves of a training that was not watched from here.
    """

    kind: str
    mark: tuple[str, str]
    trained: Trained
    shelf: Path
    name: str = ""
    history: tuple[dict[str, float], ...] = ()


@dataclass(frozen=True)
class Entered:
    """A model in the records."""

    bundle: Bundle
    entry: Entry
    path: Path


def enter(
    origin: Origin,
    known: Callable[[], Bundle | None],
    make: Callable[[Path, str], Bundle],
    measure: Callable[[Bundle], Measured],
) -> Entered:
    """Take a model into the records; an interrupted call continues where it was, a second one adds nothing, and waits
    for the first where both are at it.

    Args:
        known: looks for the model on its shelf (``shelves.first``); None where it has to be made.
        make: writes its bundle into a folder, with the id of the run in it.
        measure: evaluate's; not called for a model that the ledger has.
    """
    with exclusive(origin.shelf.with_name(f".{origin.shelf.name}.lock"), str(origin.shelf), PATIENCE):
        return _enter(origin, known(), make, measure)


def _enter(origin: Origin, bundle: Bundle | None, make: Callable[[Path, str], Bundle],
           measure: Callable[[Bundle], Measured]) -> Entered:
    if bundle is None:
        trained, (tag, value) = origin.trained, origin.mark
        tags = {**restoring.tags_of(trained), "kind": origin.kind, tag: value}
        run_id = runs.find(runs.experiment_of(tags), tag, value)
        with begin(tags, trained.config, restoring.data_of(trained), name=origin.name, run_id=run_id) as run:
            run.history(origin.history)
            draft = make(shelves.draft(origin.shelf), run.id)
            # an id is known only when all is written, and the rename makes the bundle appear whole or not at all
            bundle = Bundle.load(draft.folder.rename(origin.shelf / draft.id))
            to_disk(origin.shelf)
            attach(run, bundle)
    entry, predicted = ledger.recorded(bundle), None
    if entry is None:
        measured = measure(bundle)
        entry = ledger.entry(bundle, measured.figures, measured.milliseconds, measured.robustness,
                             measured.copy_free)
        predicted = measured.probabilities
    return Entered(bundle, entry, record(entry, bundle, predicted))


@contextmanager
def begin(tags: Mapping[str, Any], config: Mapping[str, Any], manifest: Mapping[str, Any], *, name: str = "",
          run_id: str | None = None, note: Path | None = None, system_metrics: bool = False) -> Iterator[Run]:
    """The run that makes a model, with its parameters and its data: a new one, or the interrupted one of ``run_id``.

    Args:
        tags: ``runs.tags_of`` or ``restoring.tags_of``, and more.
        config: the resolved config.
        manifest: of the faces that are trained on.
        note: a file that keeps the run's id for the call that continues an interrupted one.
    """
    if note is not None and note.exists():
        run_id = note.read_text(encoding="utf-8")
    with runs.start(name or runs.run_name(tags), runs.experiment_of(tags), tags, run_id=run_id,
                    system_metrics=system_metrics) as run:
        if note is not None:
            note.write_text(run.id, encoding="utf-8")
        run.params(config)
        run.dataset(manifest)
        yield run


def attach(run: Run, bundle: Bundle) -> None:
    """The bundle becomes the model of the run that made it."""
    run.tags({"bundle": bundle.id})
    run.model(bundle)


def record(entry: Entry, bundle: Bundle, probabilities: Mapping[str, np.ndarray] | None = None,
           files: Iterable[Path] = ()) -> Path:
    """Write a measured model's entry into the ledger, and its figures into its run; returns the entry's file.

    Args:
        probabilities: of every face by test split, for the ledger; None for a model that it has.
        files: reports that the run keeps.
    """
    with exclusive(project.root() / "data" / ".record.lock", "record"):
        run = Run(runs.connect(), restoring.restore(entry, bundle))
        run.history(entry.history)
        run.evaluation(entry.all_figures)
        run.files(files, "reports")
        # last: a model that the ledger has is not measured again
        return ledger.record(entry, probabilities)


def register(name: str, bundle: Bundle) -> str:
    """The bundle's version in the registry; a run or version that the server lacks is made from ledger and bundle."""
    run_id = restoring.restore(ledger.recorded(bundle) or ledger.unmeasured(bundle), bundle)
    return registry.register(name, bundle, run_id)


def register_champion(name: str, bundle: Bundle) -> None:
    """Register the champion in a registry that has another one or none, with its decision and its card, as far as the
    records have them."""
    version = register(name, bundle)
    registry.alias(name, "champion", version)
    promoted = [record for record in promotions.records(bundle.provenance.dataset)
                if (record.model, record.challenger.bundle, record.decision) == (name, bundle.id, promotions.PROMOTED)]
    if promoted:
        registry.decide(promoted[-1], version)
    card = promotions.card_folder(name)
    if (text := card / promotions.DESCRIPTION).exists() and bundle.id in text.read_text(encoding="utf-8"):
        registry.describe(name, version, card)
