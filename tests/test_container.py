"""The Dockerfile and the workflows, as far as that can be told without an engine and without GitHub."""

import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
import tomllib
import zipfile
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import pytest
from ruamel.yaml import YAML
from toy_faces import toy_bundle

from pipeline.bundle.bundle import Bundle
from pipeline.demo.web.app import create
from pipeline.demo.web.main import _arguments, hosts
from pipeline.demo.web.service import Service

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
IGNORE = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, such as ``("USER", "10001")``; comments are left out."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "").splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]


def of(word: str) -> list[str]:
    return [rest for name, rest in instructions() if name == word]


def sources() -> list[str]:
    """The files and folders of the project that are copied into the image."""
    return [name for rest in of("COPY") if not rest.startswith("--from") for name in rest.split()[:-1]]


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps this path out: the last line that names it or a folder above it decides."""
    parts = PurePosixPath(path)
    names = [str(parts), *(str(parent) for parent in parts.parents if parent.name)]
    result = False
    for line in IGNORE:
        pattern = line.removeprefix("!").removeprefix("**/")
        if line and not line.startswith("#") and any(
                fnmatch(PurePosixPath(name).name if "**/" in line else name, pattern) for name in names):
            result = not line.startswith("!")
    return result


def test_what_is_copied_exists_and_nothing_else_is_sent_to_the_engine():
    for name in sources():
        assert (ROOT / name).exists(), name
        assert not ignored(name), f".dockerignore leaves out {name}"
    for name in (".git/config", "tests/conftest.py", "data/external/archive.zip", "mlflow.db", ".venv/bin/python",
                 "pipeline/demo/__pycache__/main.pyc", "build/npm/node_modules/x.js", "reports/demo.png"):
        assert ignored(name), f".dockerignore lets {name} through"
    allowed = {line[1:] for line in IGNORE if line.startswith("!")}
    assert allowed == set(sources())


@pytest.mark.slow
def test_the_copied_files_make_the_whole_wheel(tmp_path):
    for name in sources():
        target = tmp_path / "build" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=tmp_path / "build", check=True,
                   capture_output=True)
    (wheel,) = tmp_path.glob("ferpipe-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
    champion = {f"pipeline/demo/champion/{file.name}" for file in (ROOT / "data/champion").iterdir()}
    code = {path.relative_to(ROOT).as_posix().replace("pipeline/ferpipe/", "ferpipe/")
            for path in (ROOT / "pipeline").rglob("*") if path.is_file() and "__pycache__" not in path.parts
            and path.name != "README.md" and not path.name.startswith(".")}
    assert code | champion <= files


@pytest.mark.skipif(shutil.which("sed") is None, reason="no sed here")
@pytest.mark.parametrize("command", [*(rest for rest in of("RUN") if "constraints.txt" in rest),
                                     (ROOT / ".github/workflows/page.yml").read_text(encoding="utf-8")])
def test_packages_are_installed_in_the_locks_versions(command):
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    versions = dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", lock, re.MULTILINE))
    done = subprocess.run(["sed", "-n", r"s/^\([a-z0-9].*\) \\$/\1/p", "requirements.lock"], cwd=ROOT,
                          capture_output=True, text=True, check=True)
    constraints = done.stdout.splitlines()
    assert {line.split("==")[0] for line in constraints} == set(versions)
    assert not [line for line in constraints if "\\" in line or "--hash" in line]
    if "opencv-python-headless" in command:
        script = re.search(r"sed -n '([^']*)' constraints", command)[1]
        done = subprocess.run(["sed", "-n", script], input=done.stdout, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == versions["opencv-python"]
    else:
        assert r"sed -n 's/^\([a-z0-9].*\) \\$/\1/p' requirements.lock" in command


def test_the_image_serves_the_page_to_other_machines_and_not_as_root():
    entry, command = (json.loads(of(word)[-1]) for word in ("ENTRYPOINT", "CMD"))
    assert (entry, command[0]) == (["ferpipe"], "web")
    args = _arguments(command[1:])
    assert args.host == "0.0.0.0" and of("EXPOSE") == [str(args.port)]
    assert hosts(args.host, args.allow_host) == ("*",)
    last_stage = [name for name, _ in instructions()][::-1]
    assert "USER" in last_stage[: last_stage.index("FROM")]
    assert re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", of("USER")[-1])


def test_the_health_check_asks_the_server_what_it_answers(tmp_path):
    program, option, code = json.loads(re.search(r"CMD (\[.*\])", of("HEALTHCHECK")[-1])[1])
    assert (program, option) == ("python", "-c")
    port, path = re.search(r"http://127\.0\.0\.1:(\d+)(/[\w.]+)'", code).groups()
    assert of("EXPOSE") == [port]
    asked = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(503 if len(asked) > 1 else 200)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = code.replace(f":{port}/", f":{server.server_port}/")
        healthy = [subprocess.run([sys.executable, "-c", here], capture_output=True).returncode for _ in range(2)]
        server.shutdown()
    assert healthy == [0, 1] and asked == [path, path]
    app = create(Service(Bundle.load(toy_bundle(tmp_path))))
    assert path in {route.path for route in app.routes}


def test_the_images_python_is_one_that_the_package_takes():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = {re.match(r"python:(3\.\d+)-slim", rest)[1] for rest in of("FROM")}
    assert len(versions) == 1, "the environment is copied from one to the other"
    assert f"Programming Language :: Python :: {versions.pop()}" in project["classifiers"]
    assert of("RUN")[0].count("-m venv") == 1


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_names_its_rights_and_every_actions_version(file):
    workflow = YAML(typ="safe", pure=True).load(file)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            assert "uses" not in step or re.fullmatch(r"[\w/-]+@v\d+\.\d+\.\d+", step["uses"]), step


def test_the_published_page_is_the_one_that_is_built():
    workflow = YAML(typ="safe", pure=True).load(ROOT / ".github/workflows/page.yml")
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    (upload,) = (step for step in build["steps"] if "upload-pages-artifact" in step.get("uses", ""))
    assert f"ferpipe web-static --out {upload['with']['path']}" in [step.get("run") for step in build["steps"]]
    assert publish["needs"] == "build" and publish["permissions"] == {"pages": "write", "id-token": "write"}
