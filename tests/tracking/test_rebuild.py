"""MLflow is a view: what it showed can be made again from the ledger and the bundles."""

import pytest
import toy_models

from pipeline.tracking import entering, ledger, promotions, rebuild, registry, restoring, runs


def all_runs():
    client = runs.connect()
    return client.search_runs([one.experiment_id for one in client.search_experiments()])


def view(run):
    return run.data.params, run.data.metrics, {name: run.data.tags[name] for name in (*runs.TAGS, "bundle")}


def test_an_emptied_server_shows_the_same_again_and_twice_is_once(project, database):
    """A run trained and evaluated here, then the database lost."""
    bundle = toy_models.bundle(project / "draft")
    about = restoring.tags_of(bundle.provenance)
    with runs.start("toy seed 3", "sample-7", {**about, "kind": "train"}) as run:
        run.params(bundle.provenance.config)
        for row in toy_models.HISTORY:
            run.epoch(row, row["epoch"])
        bundle = toy_models.bundle(project / "data/sample/bundle", run_id=run.id)
        run.tags({"bundle": bundle.id})
        run.model(bundle)
    path = entering.record(ledger.entry(bundle, toy_models.FIGURES, 0.5), bundle)
    promotions.append("sample", toy_models.promotion("sample-7", bundle.id))
    before = view(runs.connect().get_run(run.id))
    assert rebuild.rebuild() == 1
    assert len(all_runs()) == 1, "a server that has the run needs no second"

    (project / "mlflow.db").rename(project / "lost.db")
    toy_models.shutil.copyfile(database, project / "again.db")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MLFLOW_TRACKING_URI", "sqlite:///again.db")
        for _ in range(2):
            assert rebuild.rebuild() == 1
            (again,) = all_runs()
            assert view(again) == before
            assert again.data.tags["ledger"] == path.name
            assert registry.champion("sample-7") == ("1", bundle.id)
            decision = runs.connect().get_model_version("sample-7", "1").tags["decision"]
            assert decision == "promoted: the first model, PublicTest 50.00 %"


def test_the_ledgers_of_all_data_sets_are_rebuilt(project):
    for name in ("sample", "my-moods"):
        toy_models.record(toy_models.bundle(project / name, name))
    assert rebuild.rebuild() == 2
    assert {run.data.tags["dataset"] for run in all_runs()} == {"sample", "my-moods"}


def test_the_committed_champion_is_registered_and_a_ledger_entry_needs_no_bundle(project, capsys):
    champion = toy_models.bundle(project / "data/champion", "fer2013")
    for bundle in (champion, toy_models.bundle(project / "elsewhere", "fer2013", off=4, protocol="leak-free")):
        toy_models.record(bundle)
    promotions.append("sample", toy_models.promotion("sample-7", "abc"))
    card = promotions.card_folder(promotions.IN_GIT)
    card.mkdir(parents=True)
    (card / promotions.DESCRIPTION).write_text(f"The card of {champion.id}")
    rebuild.main([])
    version = runs.connect().get_model_version(promotions.IN_GIT, "1")
    assert version.description == f"The card of {champion.id}", "the registered version has its card again"
    assert registry.champion(promotions.IN_GIT) == ("1", champion.id)
    names = {run.info.run_name for run in all_runs()}
    assert names == {"toy seed 3", "toy seed 3, without exact copies"}, "twins are told apart"
    out = capsys.readouterr().out
    assert "the 2 models of the ledger" in out
    assert "the champion of sample-7, abc, is not at hand" in out


def test_a_model_and_its_int8_twin_are_told_apart(project):
    twins = [toy_models.entry(bundle="b1", run_id=None), toy_models.entry(bundle="b2", run_id=None,
                                                                          quantised=toy_models.QUANTISED)]
    names = {runs.connect().get_run(restoring.restore(twin)).info.run_name for twin in twins}
    assert names == {"toy seed 1", "toy seed 1 in int8"}
