"""One real ``dvc repro`` in a copy of the project: every stage, then what a cache hit and a changed parameter do."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import toy_models
from ruamel.yaml import YAML
from warm_python import warm_python

from pipeline.bundle.bundle import Bundle

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow
# The first repro has real processes; after it they need not import all libraries again
PROGRAM = {"python": sys.executable}
# The first repro has searched; again it would only take its time
NO_SEARCH = ("-S", "tune.trials=0")


def files() -> list[str]:
    """What a clone of this working tree would hold."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    return listed.stdout.splitlines()


@pytest.fixture(scope="module")
def project(tmp_path_factory, database):
    """A copy in a folder with a blank in its name, with tiny parameters, after its first repro."""
    folder = tmp_path_factory.mktemp("a clone") / "fer pipe"
    for name in files():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    toy_models.small_run(folder)
    for command in ("init -q", "add -A", "-c user.name=t -c user.email=t@t commit -qm copy"):
        subprocess.run(["git", *command.split()], cwd=folder, check=True)
    shutil.copyfile(database, folder / "mlflow.db")
    dvc(folder, "repro", "evaluate")
    with warm_python() as python, pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROGRAM, "python", str(python))
        yield folder


def environment() -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if name not in ("DVC_ROOT", "MLFLOW_TRACKING_URI")}
    folders = (str(Path(python).parent) for python in (PROGRAM["python"], sys.executable))
    env["PATH"] = os.pathsep.join((*folders, env["PATH"]))
    env.update(GIT_AUTHOR_NAME="t", GIT_AUTHOR_EMAIL="t@t", GIT_COMMITTER_NAME="t", GIT_COMMITTER_EMAIL="t@t")
    return env


def dvc(folder, *arguments):
    done = subprocess.run([PROGRAM["python"], "-m", "dvc", *arguments], cwd=folder, env=environment(), text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def bundle(folder) -> dict:
    return json.loads((folder / "data/sample/bundle/bundle.json").read_text())


def runs(folder) -> set[str]:
    import sqlite3

    with sqlite3.connect(folder / "mlflow.db") as database:
        return {row[0] for row in database.execute(
            "select run_uuid from runs except select run_uuid from tags where key = 'kind' and value = 'machine'")}


def ledger(folder) -> list[Path]:
    return sorted((folder / "reports/sample/results").glob("*.json"))


def test_every_stage_leaves_what_it_promises(project):
    stages = YAML(typ="safe").load(project / "dvc.yaml")["stages"]
    for name, stage in stages.items():
        if name == "demo":
            continue
        for out in stage.get("outs", []) + stage.get("metrics", []) + stage.get("plots", []):
            path = (out if isinstance(out, str) else next(iter(out))).replace("${dataset}", "sample")
            assert (project / path).exists(), f"{name}: {path}"
    metrics = json.loads((project / "reports/sample/metrics.json").read_text())
    assert metrics["edition"] == "drawn" and metrics["bundle"] and metrics["PublicTest"]["flip"]["n"] > 0
    assert len(ledger(project)) == 1


def test_the_runs_stamp_everything_with_the_run_that_made_it(project):
    assert bundle(project)["provenance"]["run_id"] in runs(project)
    assert json.loads(ledger(project)[0].read_text())["run_id"] == bundle(project)["provenance"]["run_id"]


def test_nothing_changed_means_nothing_runs(project):
    before = runs(project)
    assert "Running stage" not in dvc(project, "repro", "evaluate")
    assert runs(project) == before


def test_a_colleague_who_clones_and_pulls_has_nothing_to_run(project, tmp_path):
    """Whatever the storage of studies: neither a study's file nor its opening is anything to DVC. The data that a
    person has put there, and that the stages depend on, comes along."""
    author, clone = shutil.copytree(project, tmp_path / "author"), tmp_path / "clone"
    external = author / "data/external"
    draw_moods(external / "my-moods")
    names = ("archive.zip", "fer2013.csv", "ferplus_votes.csv", "my-moods")
    for name in names[:3]:
        (external / name).write_text(f"what {name} holds")

    def git(folder, *arguments):
        return subprocess.run(["git", *arguments], cwd=folder, env=environment(), check=True, capture_output=True,
                              text=True).stdout

    dvc(author, "add", "-q", *(f"data/external/{name}" for name in names))
    assert dvc(author, "repro", "evaluate").count("Running stage") == 1, "other data to download, and the same faces"
    dvc(author, "remote", "add", "-d", "store", str(tmp_path / "store"))
    # Git ignores the reports of other data than FER-2013
    git(author, "add", "-A", "-f", "reports/sample")
    git(author, "add", "-A")
    git(author, "commit", "-qm", "the sample's run")
    dvc(author, "push", "-q", "--run-cache")
    git(tmp_path, "clone", "-q", str(author), str(clone))
    assert not any((clone / f"data/external/{name}").exists() for name in names)
    assert (clone / "reports/sample/trials.csv").read_text().startswith("slot,state,accuracy,epochs,")
    dvc(clone, "pull", "-q")
    assert all((clone / f"data/external/{name}").exists() for name in names)
    output = dvc(clone, "repro", "evaluate")
    assert output.count("didn't change, skipping") == len(names) + 6 and "Running stage" not in output, output
    assert git(clone, "status", "--porcelain") == ""


def test_a_changed_parameter_trains_anew_and_a_cache_hit_brings_the_old_model_with_its_own_run(project):
    """The worst trap: a checkpoint that is taken up by the next parameter set would report the old model's figures."""
    first = bundle(project)
    dvc(project, "exp", "run", "-q", "-S", "train.learning_rate=0.05", *NO_SEARCH, "evaluate")
    second = bundle(project)
    assert second["files"]["model.keras"] != first["files"]["model.keras"]
    assert second["provenance"]["epochs_run"] == 2 and second["provenance"]["config"]["train"]["learning_rate"] == 0.05
    history = (project / "data/sample/bundle/history.csv").read_text().splitlines()
    assert len(history) == 3, "two epochs were trained"
    assert not list((project / ".checkpoints").iterdir()), "no checkpoint stays behind"

    before = runs(project)
    dvc(project, "exp", "run", "-q", "-S", "train.learning_rate=null", "-S", "tune.trials=1", "evaluate")
    assert bundle(project) == first and len(runs(project) - before) == 0


def test_a_temporary_experiment_in_int8_leaves_its_run_in_the_project_s_own_mlflow_and_ledger(project):
    before, entries = runs(project), ledger(project)
    int8 = ("-S", "quantise.int8=true", "-S", "quantise.max_loss=1.0")
    dvc(project, "exp", "run", "-q", "--temp", "-S", "seed=5", *int8, *NO_SEARCH, "evaluate")
    assert len(runs(project) - before) >= 1
    new = set(ledger(project)) - set(entries)
    entry, = (json.loads(path.read_text()) for path in new)
    assert entry["seed"] == 5 and entry["onnx_bytes"] == entry["quantised"]["bytes"]["int8"]


def test_experiments_on_the_sample_are_compared_by_eight_numbers(project):
    """Their reports are not in git: the one metric comes out of DVC's cache."""
    workspace, commit = json.loads(dvc(project, "exp", "show", "--json"))
    experiments = [revision for group in commit["experiments"] for revision in group["revs"]]
    assert workspace["rev"] == "workspace" and experiments
    for state in (workspace, *experiments):
        metrics = state["data"]["metrics"]
        assert set(metrics) == {"data/sample/scores.json"}, state["name"]
        assert len(metrics["data/sample/scores.json"]["data"]) == 8, state["name"]


def test_the_stage_train_survives_kill_9_to_the_same_bundle_in_the_same_mlflow_run(project, tmp_path):
    """The project's own bundle is that of the undisturbed run."""
    folder = shutil.copytree(project, tmp_path / "cut")
    shutil.rmtree(folder / "data/sample/bundle")
    env = environment()
    command = [sys.executable, "-m", "pipeline.train"]
    before = runs(folder)
    first = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list((folder / ".checkpoints").glob("*/epoch-00001")):
        assert first.poll() is None
        time.sleep(0.01)
    first.kill()
    first.wait()
    assert list((folder / ".checkpoints").glob("*/epoch-*")), "the run was over before it was cut"
    subprocess.run([PROGRAM["python"], *command[1:]], cwd=folder, env=env, check=True, capture_output=True)
    assert len(runs(folder) - before) == 1
    assert not list((folder / ".checkpoints").iterdir())
    whole, cut = (Bundle.load(where / "data/sample/bundle") for where in (project, folder))
    images = np.random.default_rng(0).integers(0, 256, (20, 48, 48), dtype="uint8")
    np.testing.assert_array_equal(whole.predict(images), cut.predict(images))
    assert cut.provenance.epochs_run == whole.provenance.epochs_run == 2


def test_bad_data_costs_neither_the_good_data_nor_the_good_report(project, tmp_path):
    """DVC deletes a stage's outs before it runs it; the first stages' persist."""
    folder = shutil.copytree(project, tmp_path / "copy")
    (folder / "data/external/fer2013.csv").write_text("emotion,pixels,Usage\n7,0,Training\n")
    text = (folder / "params.yaml").read_text().replace("sample_faces: 140", "sample_faces: 10")
    (folder / "params.yaml").write_text(text)
    done = subprocess.run([PROGRAM["python"], "-m", "dvc", "repro", "validate"], cwd=folder, env=environment(),
                          capture_output=True, text=True)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    for name in ("data/sample/faces/images.npy", "reports/sample/validation.json"):
        assert (folder / name).exists(), name


def test_a_sample_run_leaves_what_is_committed_alone(project):
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=project, capture_output=True, text=True).stdout
    touched = {line[3:].strip('"') for line in changed.splitlines()}
    assert touched <= {"dvc.lock", "params.yaml"}, touched


MOODS = ("Bored", "happiness", "Tired", "Very Focused", "calm")


def draw_moods(folder):
    """Five classes of colourful pictures of 70x60 pixels, told apart by their brightness; train and a val folder."""
    random = np.random.default_rng(0)
    for split, count in (("Train", 16), ("valid", 6)):
        for label, name in enumerate(MOODS):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                image = random.integers(0, 50, (60, 70, 3)) + 50 * label
                cv2.imwrite(str(folder / split / name / f"{number}.jpg"), image.astype("uint8"))


def test_a_data_set_of_one_s_own_goes_through_every_stage_under_its_name(project, tmp_path):
    """Another size, classes of its own, a val folder, a recipe that wants the FER+ votes."""
    folder = shutil.copytree(project, tmp_path / "own")
    draw_moods(folder / "data/external/my-moods")
    said = dvc(folder, "exp", "run", "-S", "dataset=my-moods", "-S", "train.votes=0.4", *NO_SEARCH, "evaluate")
    assert "there is no test: PrivateTest is 10% of every class in train, cut by seed 1" in said
    trained = Bundle.load(folder / "data/my-moods/bundle")
    assert trained.classes == ("happy", "bored", "calm", "tired", "very focused") and trained.class_set == "5"
    assert trained.provenance.config["train"]["votes"] == 0
    metrics = json.loads((folder / "reports/my-moods/metrics.json").read_text())
    assert metrics["dataset"] == "my-moods" and metrics["class_set"] == "5"
    assert [metrics[split]["single"]["n"] for split in ("PublicTest", "PrivateTest")] == [30, 10]
    entry, = (folder / "reports/my-moods/results").glob("*.json")
    assert json.loads(entry.read_text())["classes"] == list(trained.classes)
    promote = subprocess.run([PROGRAM["python"], "-m", "pipeline.promote"], cwd=folder, env=environment(), text=True,
                             capture_output=True)
    assert promote.returncode == 0 and "my-moods-5 version 1 is the champion now" in promote.stdout, promote.stderr
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=folder, capture_output=True, text=True).stdout
    assert {line[3:].strip('"') for line in changed.splitlines()} <= {"dvc.lock", "params.yaml"}, changed
