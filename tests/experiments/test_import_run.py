"""A run from another machine enters the records as one from here does, and once."""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy_models

from pipeline.experiments import import_run, resolve
from pipeline.faces.faces import EMOTIONS
from pipeline.params.params import Evaluate, Train
from pipeline.system.failure import Failure
from pipeline.tracking import entering, ledger, runs

SETTINGS = Evaluate(confidence=0.95)
CONFIG = {
    "recipe": "toy", "seed": 3, "classes": list(EMOTIONS), "class_weights": None,
    "model": {"name": "compact", "stem": 4, "width": 4, "stages": 1, "dropout": 0.0}, "augment": {},
    "train": Train(epochs=2, batch_size=32, optimizer="adamw", learning_rate=0.01, schedule="constant",
                   weight_decay=0.01, keep="last").model_dump(mode="json"),
}


@pytest.fixture
def faces(project):
    """Toy faces in the sample's place."""
    made = toy_models.faces("sample", per_class=5)
    made.manifest.update(protocol="published", class_set="7")
    made.save(project / "data/sample/faces")
    return made.load(project / "data/sample/faces")


def test_a_folder_that_training_did_not_finish_is_one_line(tmp_path):
    with pytest.raises(Failure, match=r"not the output of .*pipeline\.training"):
        import_run.read(tmp_path)
    (tmp_path / "net.keras").write_bytes(b"")
    (tmp_path / "history.json").write_text("[]")
    (tmp_path / "run.json").write_text('{"recipe": "toy"}')
    with pytest.raises(Failure, match=r"run\.json: not the record of a training \(dataset: missing\)"):
        import_run.read(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps(trained("0" * 64)))
    with pytest.raises(Failure, match=r"history\.json: expected the figures of every epoch, at least one"):
        import_run.read(tmp_path)
    for field, wrong, said in (("recipe", "../there", "recipe: expected"), ("seed", "3", "seed: expected a valid int"),
                               ("class_set", "9", "no class set '9', there are 7, 6")):
        (tmp_path / "run.json").write_text(json.dumps({**trained("0" * 64), field: wrong}))
        with pytest.raises(Failure, match=said):
            import_run.read(tmp_path)


@pytest.mark.parametrize("history", [
    "", "null", "{}", "[[]]", "[{}]", "[null]", '[{"epoch": "1"}]', '[{"loss": 1}]', '[{"epoch": 2}]',
    '[{"epoch": 1}, {"epoch": 1}]', '[{"epoch": 1, "loss": 1}, {"epoch": 2}]', '[{"epoch": 1, "a\\n,b": 1}]',
    '[{"epoch": 1, "loss": [1]}]', "[" * 9999,
])
def test_curves_that_cannot_be_are_one_line(tmp_path, history):
    (tmp_path / "net.keras").write_bytes(b"")
    (tmp_path / "run.json").write_text(json.dumps(trained("0" * 64)))
    (tmp_path / "history.json").write_text(history)
    with pytest.raises(Failure, match=r"history\.json: expected the figures of every epoch, at least one"):
        import_run.read(tmp_path)


def test_the_curves_of_a_training_that_diverged_are_curves(tmp_path):
    read = left(tmp_path, b"", "0" * 64)
    assert [row["epoch"] for row in read.history] == [1, 2]
    (tmp_path / "history.json").write_text('[{"epoch": 1, "loss": NaN}]')
    assert np.isnan(import_run.read(tmp_path).history[0]["loss"])


def trained(source_digest):
    """The record of a training."""
    return {"dataset": "sample", "edition": "drawn", "protocol": "published", "class_set": "7", "data_digest": "d",
            "source_digest": source_digest, "recipe": "toy", "config": {}, "seed": 1, "epochs_run": 2,
            "epochs_asked": 2, "best_epoch": 2, "seconds": 1.0, "finished": "2026-01-01T00:00:00+00:00",
            "hardware": "a box", "backend": "none", "precision": "float32"}


def left(out, net, source_digest):
    """What a run away from home leaves in ``out``."""
    (out / "net.keras").write_bytes(net)
    (out / "history.json").write_text(json.dumps(toy_models.HISTORY))
    (out / "run.json").write_text(json.dumps(trained(source_digest)))
    return import_run.read(out)


def damaged_zip() -> bytes:
    """An archive of Keras's kind whose directory is whole and whose contents are not."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            archive.writestr(name, b"{}")
    return whole.getvalue().replace(b"{}", b"[]")


def test_a_run_on_other_faces_is_one_line_before_anything_is_made(project, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(import_run, "load", lambda *arguments: pytest.fail("the network was opened"))
    with pytest.raises(Failure, match=r"trained on sample \(drawn, ffffffff\)"):
        import_run.import_run(left(tmp_path, b"", "f" * 64), faces, SETTINGS)


@pytest.mark.slow
@pytest.mark.parametrize("net", [b"no network", damaged_zip()], ids=["no zip", "a damaged zip"])
def test_a_file_that_is_no_network_leaves_nothing_behind(project, faces, tmp_path, net):
    with pytest.raises(Failure, match=r"net\.keras: not a network"):
        import_run.import_run(left(tmp_path, net, faces.manifest["digest"]), faces, SETTINGS)
    assert not (project / "data/sample/imported").exists()
    assert not (project / "reports").exists()


@pytest.mark.slow
def test_keras_is_imported_without_tensorflow_s_lines(tmp_path):
    program = (
        "import sys; from pathlib import Path; from pipeline.experiments import import_run\n"
        "from pipeline.system.failure import Failure\n"
        "try: import_run.load(Path('net.keras'))\n"
        "except Failure: assert 'keras' in sys.modules\n"
        "else: raise AssertionError\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    (tmp_path / "net.keras").write_bytes(b"")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True,
                          env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])})
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_a_run_comes_home_as_bundle_ledger_entry_and_mlflow_run_and_twice_is_once(project, faces, tmp_path):
    from pipeline.training.__main__ import main

    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    main([str(tmp_path / "config.json"), str(project / "data/sample/faces"), str(tmp_path / "out")])
    remote = import_run.read(tmp_path / "out")
    entered = import_run.import_run(remote, faces, SETTINGS)
    again = import_run.import_run(remote, faces, SETTINGS)
    bundle = entered.bundle
    assert (again.bundle.id, again.path) == (bundle.id, entered.path)
    assert bundle.folder.resolve() == (project / "data/sample/imported" / bundle.id).resolve()
    (entry,) = ledger.entries("sample")
    assert entry == entered.entry and entry.bundle == bundle.id
    assert entry.figures["PublicTest"]["single"]["n"] == 35
    assert [row["epoch"] for row in entry.history] == [1, 2]
    client = runs.connect()
    (run,) = client.search_runs([client.get_experiment_by_name("sample-7").experiment_id])
    assert run.info.run_id == bundle.run_id
    assert run.data.metrics["accuracy/PrivateTest_flip"] == entry.figures["PrivateTest"]["flip"]["accuracy"]
    assert run.data.params["train.learning_rate"] == "0.01"
    assert [point.step for point in client.get_metric_history(bundle.run_id, "val_loss")] == [1, 2]
    shutil.rmtree(tmp_path / "out")
    assert entering.register("sample-7", bundle) == "1", "it can challenge the champion"


# strong without what it has from edge: the usual recipe of accelerators, at a rate that is safe for two epochs
USUAL = ["train.optimizer=sgd", "train.learning_rate=0.01", "train.mixup=0.3", "train.cutmix=1.0", "train.ema=0.9",
         "train.label_smoothing=0.1", "augment.erasing=0.5", "augment.contrast=0.3"]


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "devices", "more"), [
    ("tensorflow", 1, []), ("jax", 1, []), ("jax", 1, USUAL), ("jax", 2, USUAL)])
def test_the_recipe_for_accelerators_goes_away_and_comes_home(project, faces, tmp_path, capsys, backend, devices, more):
    toy_models.small_run(project)
    # the toy's own images are of one grey each: standardised, nothing is left of them but rounding errors
    noise = np.random.default_rng(0).integers(0, 256, faces.images.shape, "uint8")
    voted = replace(faces, images=noise, votes=np.eye(10, dtype="uint8")[faces.labels] * 9,
                    manifest={**faces.manifest, "votes": {"sha256": "toy"}})
    voted.save(project / "data/sample/faces")
    small = ["model.width=4", "model.blocks=[1]", "model.squeeze=2", "train.epochs=2", "train.batch_size=16", *more]
    resolve.main(["--recipe", "strong", *small, "train.teacher=0", "--faces", str(tmp_path / "faces")])
    (tmp_path / "config.json").write_text(capsys.readouterr().out)
    arguments = (str(tmp_path / name) for name in ("config.json", "faces", "out"))
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.training", *arguments],
        env={**os.environ, "PYTHONPATH": str(toy_models.ROOT), "KERAS_BACKEND": backend,
             # compiled without optimising, which takes most of the test's time
             "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0 "
                          "--xla_llvm_disable_expensive_passes=true"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    import_run.main([str(tmp_path / "out")])
    entry, = ledger.entries("sample")
    assert (entry.recipe, entry.backend, entry.epochs.run) == ("strong", backend, 2)
    assert entry.config["train"]["votes"] == 0.4 and entry.figures["PrivateTest"]["flip"]["n"] == 35
