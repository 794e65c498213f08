"""compose.yaml is what Compose takes, names no password, and its services work together, here without containers."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import jsonschema
import pytest
import toy_models
import toy_servers
import toy_study
from ruamel.yaml import YAML

from pipeline.tracking import entering, ledger, registry, runs
from pipeline.tune import storage as studies

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
COMPOSE = YAML(typ="safe", pure=True).load(TEXT)
SERVICES = COMPOSE["services"]
PASSWORD, KEY = "aSecret1", "aSecret2"
ENDPOINT = "MLFLOW_S3_ENDPOINT_URL"


def filled(value: str, settings: dict[str, str]) -> str:
    """Compose's interpolation: ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?message}``."""
    return re.sub(r"\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}", lambda match: settings.get(match[1], match[2] or ""), value)


def test_it_keeps_to_the_specification():
    """Against the JSON schema of compose-spec, see its ``$comment``."""
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text(encoding="utf-8"))
    jsonschema.validate(COMPOSE, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"services": {"a": {"imagee": "b"}}}, schema)


def test_what_a_service_names_is_there():
    for name, service in SERVICES.items():
        assert "image" in service and set(service.get("depends_on", ())) <= set(SERVICES), name
        for volume in service.get("volumes", ()):
            assert volume.split(":")[0] in COMPOSE["volumes"], name
        for config in service.get("configs", ()):
            assert config["source"] in COMPOSE["configs"], name
        if "build" in service:
            assert (ROOT / service["build"]["context"] / "Dockerfile").is_file()
    healthy = {other for service in SERVICES.values() if isinstance(service.get("depends_on"), dict)
               for other, how in service["depends_on"].items() if how["condition"] == "service_healthy"}
    assert all("healthcheck" in SERVICES[name] for name in healthy)


def test_every_port_is_this_machine_s_unless_told_otherwise():
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports and all(filled(port, {}).startswith("127.0.0.1:") for port in ports)


def test_passwords_are_asked_for_and_the_example_names_every_setting():
    example = (ROOT / "deploy/example.env").read_text(encoding="utf-8")
    settings = dict(line.split("=", 1) for line in example.splitlines() if line and not line.startswith("#"))
    assert {name for name in settings if not settings[name]} == set(re.findall(r"\$\{(\w+):\?", TEXT))
    assert set(settings) == set(re.findall(r"\$\{(\w+)", TEXT))
    assert "/.env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_the_services_have_the_lock_s_versions():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = [line for line in (ROOT / "deploy/requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert {line.partition("==")[0] for line in pinned} >= {"mlflow", "optuna-dashboard", "psycopg2-binary", "boto3"}
    for line in pinned:
        assert f"\n{line} " in lock, f"deploy/requirements.txt: {line} is not what the lock has"


def test_a_node_gets_the_lock_s_versions():
    """Ray refuses another one, and a network of another Keras may not be read here."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    command = re.search(r"pip install (.*ray.*?) *#", (ROOT / "deploy/README.md").read_text(encoding="utf-8"))[1]
    pinned = dict(re.findall(r"(\w+)(?:\[\w+\])?==([\d.]+)", command))
    assert set(pinned) == {"ray", "keras"}
    for package, version in pinned.items():
        assert f"\n{package}=={version} " in lock, f"deploy/README.md: {package} {version} is not what the lock has"


def test_the_databases_are_healthy_only_when_other_machines_can_reach_them():
    """The image first starts a server that listens on a socket alone, and makes the databases."""
    test = SERVICES["postgresql"]["healthcheck"]["test"]
    assert test[test.index("--host") + 1] == "127.0.0.1"


def test_the_page_for_a_team_names_what_there_is():
    page = (ROOT / "deploy/README.md").read_text(encoding="utf-8")
    for name in ("MLFLOW_TRACKING_URI", "OPTUNA_STORAGE", "dvc push --run-cache", "ferpipe tune-worker",
                 "sbatch --array=1-8", "--on ray://"):
        assert name in page
    for port in (5000, 5432, 8080):
        assert f":{port}" in page
    assert len(page.splitlines()) <= 100


@pytest.fixture(scope="module")
def databases():
    """PostgreSQL with the two databases, as compose.yaml makes them; its port."""
    import psycopg2

    with toy_servers.postgresql("ferpipe", PASSWORD) as port:
        connection = psycopg2.connect(host="127.0.0.1", port=port, user="ferpipe", password=PASSWORD,
                                      dbname="postgres")
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {SERVICES['postgresql']['environment']['POSTGRES_DB']}")
        connection.cursor().execute(COMPOSE["configs"]["databases"]["content"])
        connection.close()
        yield port


def command_of(service, database, port):
    """A service's command as Compose would run it, at addresses of this machine."""
    own = next(part.split(":")[-1] for part in SERVICES[service]["ports"])
    return [filled(part, {"POSTGRES_PASSWORD": PASSWORD}).replace("postgresql:5432", f"127.0.0.1:{database}")
            .replace("0.0.0.0", "127.0.0.1").replace(f"--port={own}", f"--port={port}")
            .replace("--workers=2", "--workers=1") for part in SERVICES[service]["command"]]


@pytest.fixture(scope="module")
def object_store():
    """An object store with the bucket, as compose.yaml makes it: the environment of those who use it."""
    from moto.server import ThreadedMotoServer

    storage = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    storage.start()
    keys = {name: filled(value, {"S3_SECRET_KEY": KEY}) for name, value in SERVICES["bucket"]["environment"].items()}
    settings = {**keys, ENDPOINT: "http://{}:{}".format(*storage.get_host_and_port())}
    _, _, *bucket = SERVICES["bucket"]["command"]
    for _ in range(2):  # a second start finds it
        subprocess.run([sys.executable, ROOT / "deploy/bucket.py", *bucket], env={**os.environ, **settings}, check=True)
    yield settings
    storage.stop()


@pytest.fixture(scope="module")
def server(databases, object_store, tmp_path_factory):
    """The services as compose.yaml starts them, at addresses of this machine: MLflow's address and the bucket."""
    import boto3

    folder = tmp_path_factory.mktemp("services")
    environment = {**os.environ, **object_store, "MLFLOW_DISABLE_TELEMETRY": "true",
                   "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    port = toy_servers.free_port()
    allowed = filled(SERVICES["mlflow"]["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"], {})
    with toy_servers.serving([sys.executable, "-m", *command_of("mlflow", databases, port)],
                             f"http://127.0.0.1:{port}/health", folder / "mlflow.log", cwd=folder,
                             env={**environment, "MLFLOW_SERVER_ALLOWED_HOSTS": allowed}):
        yield f"http://127.0.0.1:{port}", boto3.resource(
            "s3", endpoint_url=object_store[ENDPOINT], aws_access_key_id="mlflow", aws_secret_access_key=KEY,
            region_name="us-east-1").Bucket("mlflow")


@pytest.mark.slow
def test_data_and_run_cache_go_through_an_object_store_to_a_colleague(object_store, tmp_path, monkeypatch):
    """As the page for a team says, with the key in the file that git ignores."""
    for name in object_store:
        monkeypatch.delenv(name, raising=False)

    def dvc(folder, *arguments):
        done = subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=folder, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert KEY not in done.stdout + done.stderr
        return done.stdout

    author, colleague = tmp_path / "author", tmp_path / "colleague"
    author.mkdir()
    (author / "dvc.yaml").write_text(
        "stages: {faces: {cmd: mkdir faces && cp raw.csv faces/a, deps: [raw.csv], outs: [faces]}}")
    (author / "raw.csv").write_text("emotion,pixels")
    dvc(author, "init", "-q", "--no-scm")
    (author / ".dvc/config").write_text(
        "[core]\n    analytics = false\n    no_scm = true\n    remote = team\n['remote \"team\"']\n"
        f"    url = s3://mlflow/ferpipe\n    endpointurl = {object_store[ENDPOINT]}\n")
    (author / ".dvc/config.local").write_text(
        f"['remote \"team\"']\n    access_key_id = mlflow\n    secret_access_key = {KEY}\n")
    shutil.copytree(author, colleague)
    dvc(author, "add", "-q", "raw.csv")
    assert "Running stage" in dvc(author, "repro")
    dvc(author, "push", "--run-cache")
    shutil.copyfile(author / "raw.csv.dvc", colleague / "raw.csv.dvc")
    (colleague / "raw.csv").unlink()
    dvc(colleague, "pull", "--run-cache", "raw.csv")
    assert (colleague / "raw.csv").read_text() == "emotion,pixels"
    assert "is cached - skipping run" in dvc(colleague, "repro", "--pull"), "though there is no dvc.lock"
    assert (colleague / "faces/a").read_text() == "emotion,pixels"


@pytest.mark.slow
def test_a_run_and_its_model_are_kept_by_the_services(server, project, monkeypatch, tmp_path):
    """The way of a model into the records, with no key of the object store on this side."""
    address, bucket = server
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", ENDPOINT):
        monkeypatch.delenv(name, raising=False)
    with runs.start("toy seed 3", "sample-7", {"recipe": "toy"}) as run:
        bundle = toy_models.bundle(project / "data/sample/bundle", run_id=run.id)
        run.model(bundle)
    entering.record(ledger.entry(bundle, toy_models.FIGURES, 0.5), bundle)
    version = entering.register("sample-7", bundle)
    assert runs.connect().get_run(run.id).data.metrics["accuracy/PublicTest"] == 0.5
    assert registry.download_bundle("sample-7", version, tmp_path / "back").id == bundle.id
    kept = [file.key for file in bucket.objects.all()]
    assert any(key.endswith("bundle/model.onnx") for key in kept)
    assert any(key.endswith("figures/per_class.json") for key in kept)
    assert not list(project.glob("mlruns/*")), "nothing of it lies here"


@pytest.mark.slow
def test_the_dashboard_shows_a_study_that_a_worker_has_made(databases, tmp_path, monkeypatch):
    import optuna

    monkeypatch.setenv(studies.STORAGE, f"postgresql+psycopg2://ferpipe:{PASSWORD}@127.0.0.1:{databases}/optuna")
    storage = studies.open_storage(studies.address("fer2013"))
    study = optuna.create_study(storage=storage, study_name="compact-0123456789ab", direction="maximize")
    study.add_trial(toy_study.trial(0, 0.5))
    port = toy_servers.free_port()
    program, *options = command_of("optuna-dashboard", databases, port)
    address = f"http://127.0.0.1:{port}"
    with toy_servers.serving([Path(sys.executable).with_name(program), *options], f"{address}/dashboard/",
                             tmp_path / "dashboard.log"):
        listed = json.load(urllib.request.urlopen(f"{address}/api/studies"))["study_summaries"]
        assert [summary["study_name"] for summary in listed] == ["compact-0123456789ab"]
        number = listed[0]["study_id"]
        assert urllib.request.urlopen(f"{address}/dashboard/studies/{number}").status == 200
        shown = json.load(urllib.request.urlopen(f"{address}/api/studies/{number}?after=0"))
        assert [trial["values"] for trial in shown["trials"]] == [[0.5]]
    storage.engine.dispose()
