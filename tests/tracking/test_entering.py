"""One door: run, bundle on its shelf, ledger entry; cut short anywhere it goes on, called again it adds nothing."""

import errno
import subprocess
import sys

import numpy as np
import pytest
import toy_models

from pipeline.evaluate.measure import Evaluation
from pipeline.system.failure import Failure
from pipeline.tracking import entering, ledger, registry, runs, shelves

PREDICTED = {split: np.random.default_rng(index).dirichlet(np.ones(7), 280).astype("float32")
             for index, split in enumerate(("PublicTest", "PrivateTest"))}
# two that are the same in half precision
PREDICTED["PublicTest"][0] = [0.4, 0.40001, 0.19999, 0, 0, 0, 0]
MEASURED = Evaluation(toy_models.FIGURES, PREDICTED, 0.5)


@pytest.fixture
def enter(project):
    """Enter a toy model; ``make`` and ``measure`` can be replaced."""
    trained = toy_models.bundle(project / "elsewhere").provenance
    shelf = shelves.shelf_of("sample", "imported")

    def call(make=lambda folder, run_id: toy_models.bundle(folder, run_id=run_id), measure=lambda bundle: MEASURED):
        origin = entering.Origin("train", ("imported", "abc"), trained, shelf, history=tuple(toy_models.HISTORY))
        return entering.enter(origin, lambda: shelves.first(shelf, lambda bundle: True), make, measure)

    return call


def forbidden(*_):
    pytest.fail("made or measured again")


def cut(*_):
    raise KeyboardInterrupt


def all_runs():
    client = runs.connect()
    return client.search_runs([client.get_experiment_by_name("sample-7").experiment_id])


def test_a_model_is_on_its_shelf_in_the_ledger_and_in_its_run(enter, project):
    entered = enter()
    assert entered.bundle.folder.resolve() == (project / "data/sample/imported" / entered.bundle.id).resolve()
    assert ledger.entries("sample") == [entered.entry] and ledger.path_of(entered.entry) == entered.path
    assert (entered.entry.figures, entered.entry.milliseconds) == (toy_models.FIGURES, 0.5)
    (run,) = all_runs()
    assert run.info.run_id == entered.bundle.run_id and run.info.status == "FINISHED"
    assert {"recipe": "toy", "seed": "3", "kind": "train", "imported": "abc", "bundle": entered.bundle.id}.items() <= \
        run.data.tags.items()
    assert run.data.params == {"train.epochs": "2", "model.name": "toy"}
    assert run.data.metrics["accuracy/PublicTest"] == 0.5 and run.data.metrics["val_loss"] == 1.0
    assert run.inputs.dataset_inputs[0].dataset.name == "sample"
    assert len(run.outputs.model_outputs) == 1
    assert entering.register("sample-7", entered.bundle) == "1" and registry.champion("sample-7") is None


def test_what_the_model_predicts_for_every_test_face_lies_beside_its_entry(enter):
    entered = enter()
    assert sorted(path.name for path in entered.path.parent.iterdir()) == [
        entered.path.name, entered.path.with_suffix(".npz").name]
    kept = ledger.probabilities(entered.entry)
    assert list(kept) == ["PublicTest", "PrivateTest"]
    for split, probabilities in PREDICTED.items():
        assert kept[split].dtype == "float32" and abs(kept[split] - probabilities).max() < 6e-4
        assert np.array_equal(kept[split].argmax(axis=1), probabilities.argmax(axis=1))
    before = entered.path.with_suffix(".npz").read_bytes()
    enter(forbidden, forbidden)
    assert entered.path.with_suffix(".npz").read_bytes() == before


def test_an_entry_from_before_the_predictions_has_none_and_a_damaged_file_is_one_line(enter):
    entered = enter()
    file = entered.path.with_suffix(".npz")
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(Failure, match=r"\.npz: not a model's predictions .*restore it from git"):
        ledger.probabilities(entered.entry)
    file.unlink()
    assert ledger.probabilities(entered.entry) is None
    assert enter(forbidden, forbidden).entry == entered.entry, "and is not measured again for them"


def test_a_second_call_neither_makes_nor_measures_nor_adds(enter):
    first = enter()
    before = first.path.read_bytes()
    assert enter(forbidden, forbidden) == first
    assert first.path.read_bytes() == before and len(all_runs()) == 1


def test_one_that_was_cut_while_it_was_made_goes_on_in_its_run(enter, project):
    with pytest.raises(KeyboardInterrupt):
        enter(make=cut)
    assert [run.info.status for run in all_runs()] == ["KILLED"]
    assert not (project / "data/sample/imported").exists() and not (project / "reports").exists()
    entered = enter()
    (run,) = all_runs()
    assert run.info.run_id == entered.bundle.run_id and run.info.status == "FINISHED"


def test_what_a_killed_process_left_on_the_shelf_is_removed(enter, project):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    shelf = project / "data/sample/imported"
    for name in (f".new-{dead.pid}", f"..new-{dead.pid}.{dead.pid}.new"):
        (shelf / name).mkdir(parents=True)
    entered = enter()
    assert [path.name for path in shelf.iterdir()] == [entered.bundle.id]


def test_one_that_was_cut_before_it_was_measured_is_not_made_again(enter):
    with pytest.raises(KeyboardInterrupt):
        enter(measure=cut)
    assert ledger.entries("sample") == []
    entered = enter(make=forbidden)
    assert ledger.entries("sample") == [entered.entry] and len(all_runs()) == 1


def test_one_that_was_cut_before_the_ledger_is_measured_again_and_recorded_once(enter, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(ledger, "record", cut)
        enter()
    entered = enter(make=forbidden)
    assert ledger.entries("sample") == [entered.entry] and len(all_runs()) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")],
                         ids=["Ctrl-C", "full disk"])
def test_one_whose_storing_in_mlflow_was_cut_has_one_whole_model_in_one_finished_run(enter, monkeypatch, error):
    import mlflow.models

    log = mlflow.models.Model.log

    def cut_short(*arguments, **options):
        log(*arguments, **options)
        raise error

    with monkeypatch.context() as patched, pytest.raises(type(error)):
        patched.setattr(mlflow.models.Model, "log", cut_short)
        patched.setattr(mlflow.tracking.MlflowClient, "finalize_logged_model", lambda *_: None)
        enter()
    entered = enter(make=forbidden)
    (run,) = all_runs()
    assert run.info.status == "FINISHED" and run.info.run_id == entered.bundle.run_id
    (model,) = runs.connect().search_logged_models([run.info.experiment_id])
    assert model.status == "READY" and model.tags["bundle"] == entered.bundle.id


def test_a_training_goes_on_in_the_run_that_its_note_names(project):
    tags = {"recipe": "toy", "seed": 3, "dataset": "sample", "class_set": "7", "kind": "train"}
    ids = []
    for interrupted in (True, False):
        try:
            with entering.begin(tags, {"train": {"epochs": 2}},
                                {"dataset": "sample", "edition": "drawn", "digest": "d" * 64},
                                note=project / "note") as run:
                ids.append(run.id)
                if interrupted:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
    assert ids[0] == ids[1] == (project / "note").read_text()
    assert [run.info.status for run in all_runs()] == ["FINISHED"]
