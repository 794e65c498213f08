"""Trainings on other machines: what a node does with one, and that a lost node costs no ledger entry."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from argparse import ArgumentParser
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import toy_models
import toy_servers

from pipeline.experiments import elsewhere, node, seeds
from pipeline.faces.faces import Faces
from pipeline.system import extras
from pipeline.system.failure import Failure
from pipeline.tracking import ledger

ROOT = Path(__file__).parents[2]
# A training of four epochs, the last three only once there is the file ``go``; it goes on from its last one, and leaves
# what MADE has for its seed
EPOCHS = '''
import json, os, shutil, sys, time
from pathlib import Path
from unittest.mock import MagicMock
config, faces, out = map(Path, sys.argv[1:])
config, manifest = json.loads(config.read_text()), json.loads((faces / "manifest.json").read_text())
made, seed = Path({made!r}), config["seed"]
out.mkdir(parents=True, exist_ok=True)
state = out / "epoch"
first = int(state.read_text()) if state.exists() else 0
(made / f"began-{{seed}}-{{first}}-{{os.getpid()}}").touch()
for epoch in range(first, 4):
    while epoch and not (made / "go").exists():
        time.sleep(0.02)
    state.write_text(str(epoch + 1))
    print(f"epoch {{epoch + 1}} of 4", flush=True)
shutil.copyfile(made / f"{{seed}}.keras", out / "net.keras")
rows = [{{"epoch": 1, "loss": 2.0, "accuracy": 0.2, "val_loss": 1.9, "val_accuracy": 0.25}}]
(out / "history.json").write_text(json.dumps(rows))
names = ("dataset", "edition", "protocol", "class_set", "source_digest")
(out / "run.json").write_text(json.dumps({{
    **{{name: manifest[name] for name in names}}, "data_digest": manifest["digest"], "recipe": config["recipe"],
    "config": config, "seed": seed, "epochs_run": 1, "epochs_asked": 1, "best_epoch": 1, "seconds": 1.0,
    "finished": "2026-01-01T00:00:00+00:00", "hardware": "a node", "backend": "none", "precision": "float32"}}))
'''


def stand_in(training: str, **more: str) -> dict[str, bytes]:
    """The code of a node whose ``python -m pipeline.training`` is this one."""
    kept = {path: content for path, content in elsewhere.code().items() if "/training/" not in path}
    files = {"__init__": "", "__main__": training, **more}
    return {**kept, **{f"pipeline/training/{name}.py": text.encode() for name, text in files.items()}}


def on_a_node(training: str, shared="", patience=5.0, **more) -> node.Outcome:
    return node.train("key", "{}", stand_in(training, **more), {"manifest.json": b"{}"}, str(shared), {}, patience)


LEAVE = """
import sys
from pathlib import Path
from unittest.mock import MagicMock
out = Path(sys.argv[3])
out.mkdir(parents=True, exist_ok=True)
for name in ("net.keras", "history.json", "run.json"):
    (out / name).write_text(f"{name} of this training")
"""


def test_what_a_training_leaves_comes_home_and_its_lines_are_printed(capfd):
    outcome = on_a_node("print('epoch 1 of 1')\n" + LEAVE)
    assert outcome["files"] == {name: f"{name} of this training".encode() for name in node.FILES}
    assert not outcome["error"]
    assert capfd.readouterr().out == "epoch 1 of 1\n"


def test_a_training_that_fails_is_its_last_line():
    fails = "from pipeline.system import failure\ndef main():\n    raise failure.Failure('no room')\n"
    outcome = on_a_node(fails + "failure.run(main, 'training')")
    assert (outcome["files"], outcome["error"], outcome["diverged"]) == ({}, "training: no room", False)
    assert on_a_node("raise SystemExit(7)")["error"] == "exit code 7"
    assert on_a_node("print('nothing left')")["error"] == "nothing left", "an exit code of 0 is not enough"


def test_a_training_that_diverges_is_known_as_one():
    loop = "from pipeline.system.failure import Failure\nclass Diverged(Failure):\n    pass\n"
    diverges = ("from pipeline.system import failure\nfrom pipeline.training.loop import Diverged\n"
                "def main():\n    raise Diverged('the loss is nan')\nfailure.run(main, 'training')")
    outcome = on_a_node(diverges, loop=loop)
    assert (outcome["error"], outcome["diverged"]) == ("training: the loss is nan", True)


def test_a_complete_training_in_the_shared_folder_is_not_trained_again_and_then_forgotten(tmp_path):
    assert on_a_node(LEAVE, shared=tmp_path)["files"]
    outcome = on_a_node("raise SystemExit('trained again')", shared=tmp_path)
    assert outcome["files"]["run.json"] == b"run.json of this training"
    node.forget("key", str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_that_a_lost_node_still_holds_is_waited_for(tmp_path):
    held = f"from pathlib import Path\ncount = Path('{tmp_path}/count')\ncount.write_text(count.read_text() + 'x' if " \
           f"count.exists() else 'x')\nif len(count.read_text()) < 3:\n    raise SystemExit('{node.HELD} (locked)')\n"
    assert on_a_node(held + LEAVE, patience=4.0)["files"]
    assert (tmp_path / "count").read_text() == "xxx"
    assert node.HELD in on_a_node(f"raise SystemExit('{node.HELD} (locked)')", patience=0.1)["error"]


@pytest.mark.slow
def test_that_is_what_training_says_of_one(tmp_path):
    from pipeline.training import checkpoint

    with checkpoint.alone(tmp_path / "run"), pytest.raises(Failure, match=node.HELD), \
            checkpoint.alone(tmp_path / "run"):
        pass


def test_a_training_ends_with_the_worker_that_started_it(tmp_path):
    sleeps = f"import os, time\nfrom pathlib import Path\nPath('{tmp_path}/pid').write_text(str(os.getpid()))\n" \
             "time.sleep(100)"
    program = f"from tests_of_node import *\non_a_node({sleeps!r})"
    shutil.copyfile(__file__, tmp_path / "tests_of_node.py")
    worker = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, env={
        **os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests", tmp_path)))})
    assert wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    training = int((tmp_path / "pid").read_text())
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    import psutil

    assert wait_for(lambda: not psutil.pid_exists(training), 10)


def wait_for(condition, seconds=60.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.slow
def test_the_code_that_is_sent_is_enough_for_a_training(project, capfd):
    """The contract itself: a real training from the files that travel, and nothing else of this project."""
    faces = toy_models.faces("sample", per_class=5)
    faces.manifest.update(protocol="published", class_set="7")
    faces.save(project / "faces")
    contents = {file.name: file.read_bytes() for file in (project / "faces").iterdir()}
    config = {
        "recipe": "toy", "seed": 3, "classes": list(faces.classes), "augment": {},
        "model": {"name": "compact", "stem": 4, "width": 4, "stages": 1, "dropout": 0.0},
        "train": {"epochs": 1, "batch_size": 32, "optimizer": "adamw", "learning_rate": 0.01, "schedule": "constant",
                  "warmup": 0.0, "momentum": 0.9, "weight_decay": 0.01, "label_smoothing": 0.0, "keep": "last",
                  "early_stopping": 0, "plateau_factor": 0.5, "plateau_patience": 5, "precision": "float32"}}
    outcome = node.train("key", json.dumps(config), elsewhere.code(), contents, "", {"PYTHONPATH": ""})
    assert not outcome["error"] and json.loads(outcome["files"]["run.json"])["data_digest"] == faces.digest()
    assert "epoch   1 of 1: PublicTest accuracy" in capfd.readouterr().out


@pytest.mark.parametrize(("options", "message"), [
    (["--on", "10.0.0.1:6379"], "--on 10.0.0.1:6379: expected ray://HOST:PORT"),
    (["--on", "ray://head"], "--on ray://head: expected ray://HOST:PORT"),
    (["--on", "ray", "--gpus", "-1"], "--gpus -1 --cpus 1: expected numbers from 0 on"),
    (["--on", "ray", "--gpus", "1.5"], "of GPUs a fraction or whole ones"),
    (["--on", "ray", "--shared", "runs"], "--shared runs: expected a full path"),
    (["--gpus", "1"], "say --on ray or --on ray://HOST:10001"),
])
def test_options_that_cannot_be_are_one_line(options, message):
    parser = ArgumentParser()
    elsewhere.add_options(parser)
    with pytest.raises(Failure) as caught:
        elsewhere.where(parser.parse_args(options))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_an_address_that_does_not_answer_is_one_line_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"ray://127.0.0.1:{free.getsockname()[1]}"
    begun = time.monotonic()
    with pytest.raises(Failure, match=rf"^no Ray cluster answers at {address} \(.*ray start --head"), \
            elsewhere.connected(elsewhere.Where(address)):
        pass
    assert time.monotonic() - begun < elsewhere.WAIT + 1


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)

    def main():
        with elsewhere.connected(elsewhere.Where("ray")):
            pass

    with pytest.raises(Failure, match=r"the extra 'cluster', but ray is not installed: pip install '\.\[cluster\]'"):
        extras.checked(main)()


# A node gives its own programs 15 seconds to start, which a busy machine only keeps where their bytecode is at hand
WARM = """
import contextlib, importlib
for name in ("dashboard.agent", "_private.runtime_env.agent.runtime_env_agent", "_private.workers.default_worker"):
    with contextlib.suppress(ImportError, SystemExit):
        importlib.import_module(f"ray.{name}")
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A Ray cluster of a head that trains nothing and two nodes of one core each; ``client`` is its address for other
    machines."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Ray reads it when it is imported, here before a command is called
        environment.setenv("RAY_DEDUP_LOGS", "0")
        environment.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("bytecode")))
        environment.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        subprocess.run([sys.executable, "-c", WARM], check=True, stderr=subprocess.DEVNULL)
        import ray
        from ray.cluster_utils import Cluster

        for attempts_left in (2, 1, 0):
            made, port = Cluster(), toy_servers.free_port()
            made.client = f"ray://127.0.0.1:{port}"
            try:
                made.add_node(num_cpus=0, include_dashboard=False, ray_client_server_port=port)
                for _ in range(2):
                    made.add_node(num_cpus=1, include_dashboard=False)
                break
            except Exception:
                made.shutdown()
                if not attempts_left:
                    raise
        environment.setenv("RAY_ADDRESS", made.address)
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def four(project, monkeypatch):
    """Toy faces, and what the stand-in for a training of seeds 1 to 4 leaves: networks that differ."""
    import keras

    shutil.copyfile(toy_models.PARAMS, project / "params.yaml")
    faces = toy_models.faces("sample", per_class=5)
    faces.save(project / "data/sample/faces")
    made = project / "made"
    made.mkdir()
    for seed in (1, 2, 3, 4):
        net = keras.Sequential([keras.Input((48, 48, 1)), keras.layers.Rescaling(1 / 255),
                                keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(7)])
        net.layers[-1].set_weights([net.layers[-1].get_weights()[0] + seed, net.layers[-1].get_weights()[1]])
        net.save(made / f"{seed}.keras")
    code = stand_in(EPOCHS.format(made=str(made)))
    monkeypatch.setattr(elsewhere, "code", lambda: code)
    return made


def began(made: Path, seed: str = "*") -> list[str]:
    return sorted(file.name for file in made.glob(f"began-{seed}-*"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_node_that_is_lost_costs_no_entry_and_its_training_goes_on_from_its_checkpoint(project, cluster, four, capfd):
    import psutil

    def lose_one():
        assert wait_for(lambda: len(list((project / "shared").glob("*/epoch"))) >= 2)
        cluster.remove_node(cluster.worker_nodes.copy().pop(), allow_graceful=False)
        # its training ends with it, and is not to get to its end before
        wait_for(lambda: not all(psutil.pid_exists(int(name.split("-")[3])) for name in began(four)))
        (four / "go").touch()

    thread = threading.Thread(target=lose_one)
    thread.start()
    seeds.main(["speedrun", "--dataset", "sample", "--seeds", "1", "2", "3", "4", "--on", "ray",
                "--shared", str(project / "shared")])
    thread.join()
    assert [entry.seed for entry in ledger.entries("sample")] == [1, 2, 3, 4]
    restarts = [name for name in began(four) if name.split("-")[2] != "0"]
    assert len(began(four)) == 5 and len(restarts) == 1, "one began again, after its first epoch"
    out = capfd.readouterr().out
    assert "seeds: 3 nodes, 2 CPUs and 0 GPUs, at ray" in out
    assert re.search(r"\(speedrun, seed 3 pid=[^)]*\) epoch 4 of 4", out), "a training's lines are seen as they come"
    assert out.count("seeds: speedrun, seed") == 4
    assert not list((project / "shared").iterdir()) and not list((project / ".checkpoints").iterdir())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_failed_is_named_after_the_others_and_trained_again_by_the_next_call(project, cluster, four, capfd):
    (four / "go").touch()
    (four / "2.keras").rename(four / "lost.keras")
    arguments = ["speedrun", "--dataset", "sample", "--seeds", "1", "2", "--on", "ray"]
    with pytest.raises(Failure, match="1 of 2 seeds failed; the same command trains those again"):
        seeds.main(arguments)
    assert "seeds: speedrun, seed 2: failed: FileNotFoundError" in capfd.readouterr().out
    (four / "lost.keras").rename(four / "2.keras")
    seeds.main(arguments)
    assert [entry.seed for entry in ledger.entries("sample")] == [1, 2] and len(began(four, "1")) == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_training_is_not_lost_when_the_records_cannot_be_reached(project, cluster, four, monkeypatch):
    from pipeline.experiments import import_run

    (four / "go").touch()
    with monkeypatch.context() as broken, pytest.raises(Failure, match="does not answer"):
        def no_server(*_):
            raise Failure("the tracking server does not answer")

        broken.setattr(import_run, "import_run", no_server)
        seeds.main(["speedrun", "--dataset", "sample", "--seeds", "1", "--on", "ray"])
    seeds.main(["speedrun", "--dataset", "sample", "--seeds", "1", "--on", "ray"])
    assert len(ledger.entries("sample")) == 1 and len(began(four)) == 1
    with contextlib.suppress(FileNotFoundError):
        assert not list((project / ".checkpoints").iterdir())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_cluster_of_other_machines_trains_by_its_address(project, cluster, four, capfd):
    """Through Ray's own server for clients, which is what ``ray start --head --ray-client-server-port=`` starts."""
    (four / "go").touch()
    for attempts_left in (2, 1, 0):
        try:
            seeds.main(["speedrun", "--dataset", "sample", "--seeds", "1", "2", "--on", cluster.client])
            break
        except Failure as failure:
            # Ray gives it 30 seconds, which a busy machine may not have, but has the next time
            if "Initialization failure from server" not in str(failure):
                raise
            if not attempts_left:
                pytest.skip("Ray's server for clients does not start here")
            time.sleep(3)
    assert sorted(entry.seed for entry in ledger.entries("sample")) == [1, 2]
    out = capfd.readouterr().out
    assert f"0 GPUs, at {cluster.client}" in out
    # The cluster's head colours the names
    assert re.search(r"\(speedrun, seed [12] pid=[^)]*\)\S* epoch \d of 4", out), "its lines come along"


def test_faces_of_the_same_table_travel_once(project):
    class Ray:
        """Counts what is put into the cluster."""

        def __init__(self):
            self.sent = []

        def put(self, value):
            self.sent.append(value)
            return len(self.sent)

        def remote(self, function):
            return self

        def options(self, **_):
            return self

    ray = Ray()
    running = elsewhere.Cluster(ray, elsewhere.Where("ray"))
    faces = toy_models.faces("sample", per_class=5)
    other = Faces(**{**vars(faces), "manifest": {**faces.manifest, "protocol": "leak-free"}})
    assert running._sent(faces) == running._sent(faces) != running._sent(other)
    assert len(ray.sent) == 3 and set(ray.sent[1]) == {"images.npy", "faces.csv", "manifest.json"}


@pytest.mark.parametrize("shared", [None, "/shared"])
def test_what_an_earlier_call_has_brought_home_goes_from_the_shared_folder_too(project, shared):
    cluster, faces = elsewhere.Cluster(MagicMock(), elsewhere.Where("ray", shared=shared)), toy_models.faces("sample")
    cluster._forget = MagicMock()
    config = {"recipe": "toy", "seed": 3}
    cluster.submit("first", "toy", config, faces)
    (_, key), = cluster._running.values()
    cluster._running.clear()
    home = elsewhere._home(key)
    home.mkdir(parents=True)
    (home / node.FILES[-1]).touch()
    cluster.submit("again", "toy", config, faces)
    assert [(trained.tag, trained.out) for trained in cluster.results()] == [("again", home)] and not home.exists()
    assert [call.args for call in cluster._forget.remote.call_args_list] == ([(key, shared)] if shared else [])


@pytest.mark.parametrize(("gpus", "hidden", "memory"), [(0, True, False), (0.25, False, True), (1, False, False)])
def test_a_training_sees_the_gpus_that_it_asked_for(gpus, hidden, memory):
    """Ray gives whoever asks for some a CUDA_VISIBLE_DEVICES of its own, which nothing here may overwrite."""
    environment = elsewhere.Cluster(MagicMock(), elsewhere.Where("ray", gpus=gpus))._environment()
    assert environment.get("CUDA_VISIBLE_DEVICES") == ("" if hidden else None)
    assert ("XLA_PYTHON_CLIENT_PREALLOCATE" in environment) == memory
