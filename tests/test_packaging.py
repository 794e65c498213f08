"""The package: what it brings, what it leaves out, and that it works where nothing else is."""

import ast
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import urllib.request
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import cv2
import pytest
from toy_faces import face_frame, python

from pipeline.bundle.bundle import sha256
from pipeline.system.extras import EXTRAS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# What a wheel is made of
SOURCES = ("pipeline", "data/champion", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE",
           "CHANGELOG.md")
# FastAPI brings them
BROUGHT = {"anyio", "starlette"}
MEGABYTES = 450


def names(requirements: list[str]) -> set[str]:
    """The distributions that requirements name, in their canonical spelling."""
    return {re.match(r"[\w.-]+", line)[0].lower().replace(".", "-").replace("_", "-") for line in requirements}


BASE = names(PROJECT["project"]["dependencies"])
BY_EXTRA = {extra: names(lines) for extra, lines in PROJECT["project"]["optional-dependencies"].items()}
# What only training, its records and its tables need
LEFT_OUT = BY_EXTRA["plots"] | BY_EXTRA["static"] | BY_EXTRA["pipeline"] - {"ferpipe"}


def test_every_package_that_is_imported_is_in_the_base_or_in_the_extra_that_messages_name():
    brought_by = importlib.metadata.packages_distributions()
    for path in sorted((ROOT / "pipeline").rglob("*.py")):
        tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        imported = {name.split(".")[0] for node in tree
                    for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else
                                 [node.module or ""] if isinstance(node, ast.ImportFrom) else [])}
        for name in imported - {"pipeline"} - set(sys.stdlib_module_names):
            distributions = names(brought_by.get(name, [name]))
            extra = next((extra for extra, packages in EXTRAS.items() if name in packages), None)
            expected = BASE | BROUGHT if extra is None else BY_EXTRA[extra]
            assert distributions & expected, f"{path.relative_to(ROOT)} imports {name}, which no requirement brings"


def test_every_file_beside_the_code_is_in_the_package():
    packaged = PROJECT["tool"]["setuptools"]["package-data"]
    folders = {"pipeline.demo.champion": "data/champion", "ferpipe": "pipeline/ferpipe"}
    patterns = [f"{folders.get(package, package.replace('.', '/'))}/{pattern}"
                for package, lines in packaged.items() for pattern in lines]
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "pipeline").rglob("*") if path.is_file()
             and path.suffix not in (".py", ".pyc") and path.name != "README.md" and not path.name.startswith(".")]
    assert len(files) > 50 and "pipeline/py.typed" in files and "pipeline/ferpipe/py.typed" in files
    assert not [file for file in files if not any(fnmatch(file, pattern) for pattern in patterns)]


def test_the_lock_holds_every_extra():
    lock = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE))
    assert BASE.union(*BY_EXTRA.values()) - {"ferpipe"} <= {name.replace(".", "-") for name in lock}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(f"--extra {extra}" in makefile for extra in ("pipeline", "team", "cluster", "dev"))


def test_the_changelog_and_the_citation_have_the_packages_version():
    versions = re.findall(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert next(version for version in versions if version != "Unreleased") == PROJECT["project"]["version"]
    assert f"\nversion: {PROJECT['project']['version']}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


# Imports of what the base installation has not fail as if it were not installed
BASE_ALONE = f"""
import sys
from importlib.abc import MetaPathFinder
class LeftOut(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {sorted(set().union(*EXTRAS.values()))}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, LeftOut())
import importlib.util
find = importlib.util.find_spec
def absent(name, package=None):
    try:
        return find(name, package)
    except ModuleNotFoundError:
        return None
importlib.util.find_spec = absent
from pipeline.cli import main
"""


@pytest.fixture
def face(tmp_path) -> Path:
    path = tmp_path / "a face.png"
    cv2.imwrite(str(path), face_frame())
    return path


def test_predict_demo_and_the_page_need_the_base_alone_and_other_commands_name_their_extra(face, tmp_path):
    script = (f"{BASE_ALONE}_, face, out = sys.argv\nmain(['predict', face])\n"
              "main(['demo', face, '--headless', '--out', out])\n"
              "import pipeline.demo.web.app, pipeline.demo.web.build, pipeline.demo.web.facts, pipeline.ferpipe\n"
              "main(['promote'])")
    process = python("-c", script, face, tmp_path / "out.png")
    said, error = process.communicate(timeout=60)
    assert said.count("a face.png") == 1 and "%" in said and (tmp_path / "out.png").exists(), error
    assert process.returncode == 1
    assert re.fullmatch(r"ferpipe promote: this needs the extra 'pipeline', .*\n", error), error


def test_a_diagram_without_matplotlib_names_its_extra_before_anything_is_read(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"")
    process = python("-c", f"{BASE_ALONE}main(['predict', *sys.argv[1:]])", tmp_path / "clip.mp4", "--plot", tmp_path)
    said, error = process.communicate(timeout=60)
    assert (said, process.returncode) == ("", 1)
    assert re.fullmatch(r"ferpipe predict: this needs the extra 'plots', .*\n", error), error


def test_an_annotated_video_without_matplotlib_is_written_and_one_line_says_what_is_missing(tmp_path):
    from toy_faces import write_clip

    clip = write_clip(tmp_path / "clip.mp4", frames=2, empty=0)
    process = python("-c", f"{BASE_ALONE}main(['predict', *sys.argv[1:]])", clip, "--annotate", tmp_path / "marked")
    said, error = process.communicate(timeout=60)
    assert process.returncode == 0 and "clip.mp4" in said, error
    assert [path.name for path in (tmp_path / "marked").iterdir()] == ["clip-faces.webm"]
    assert error.count("'plots'") == 1 and "no diagram" in error


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, made of a source distribution, which is made of a copy: setuptools leaves files where it builds."""
    return built(tmp_path_factory.mktemp("wheel"))


def built(folder: Path) -> Path:
    """The wheel, built in a folder, beside its source distribution; of one commit's time."""
    for name in SOURCES:
        (folder / "copy").mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / "copy" / name, ignore=shutil.ignore_patterns("__pycache__"),
                            copy_function=shutil.copyfile)
        else:
            shutil.copyfile(ROOT / name, folder / "copy" / name)
    build, environment = ("import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])",
                          {**os.environ, "SOURCE_DATE_EPOCH": "1750000000"})
    subprocess.run([sys.executable, "-c", build, str(folder)], cwd=folder / "copy", check=True, capture_output=True,
                   env=environment)
    (source,) = folder.glob("ferpipe-*.tar.gz")
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps",
                    "--no-build-isolation", "--wheel-dir", str(folder), str(source)], check=True, capture_output=True,
                   env=environment)
    return next(folder.glob("ferpipe-*.whl"))


@pytest.mark.slow
def test_two_builds_are_the_same_byte_for_byte(wheel, tmp_path):
    again = built(tmp_path / "elsewhere and later")
    (one,), (two,) = (path.parent.glob("ferpipe-*.tar.gz") for path in (wheel, again))
    assert sha256(one) == sha256(two), "the source distribution"
    assert sha256(wheel) == sha256(again), "the wheel"
    with tarfile.open(one) as archive:
        assert {(member.mtime, member.uid, member.uname) for member in archive} == {(1_750_000_000, 0, "")}


@pytest.mark.slow
def test_the_wheel_carries_the_champion_once_and_every_module_once(wheel):
    with zipfile.ZipFile(wheel) as archive:
        files = archive.namelist()
        for name in ("bundle.json", "promotion.json"):  # the second says which model it has to be
            assert archive.read(f"pipeline/demo/champion/{name}") == (ROOT / "data/champion" / name).read_bytes()
    detector = "pipeline/demo/see/blazeface/"
    assert sorted(name for name in files if name.endswith(".onnx")) == [
        "pipeline/demo/champion/model.onnx", f"{detector}full.onnx", f"{detector}short.onnx"]
    assert not [name for name in files if name.startswith(("tests/", "data/", "pipeline/ferpipe/"))]
    modules = {path.relative_to(ROOT).as_posix().replace("pipeline/ferpipe/", "ferpipe/")
               for path in (ROOT / "pipeline").rglob("*.py")}
    assert {name for name in files if name.endswith(".py")} == modules
    assert {"ferpipe/py.typed", "pipeline/demo/web/page/index.html", "pipeline/demo/emoji/happy.png"} <= set(files)


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The folder of the programs of an environment with the wheel and what it needs, in the lock's versions."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True, capture_output=True)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    constraints = wheel.parent / "constraints.txt"
    constraints.write_text("\n".join(re.findall(r"^([a-z0-9].*?) \\$", lock, re.MULTILINE)))
    done = subprocess.run([str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                           "--retries", "1", "--timeout", "15", "--constraint", str(constraints), str(wheel)],
                          capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1]
        if re.search(r"connection broken|Could not fetch|from versions: none", done.stderr):
            pytest.skip(f"pip cannot reach its packages: {reason}")
        pytest.fail(f"pip install {wheel.name}: {reason}")
    yield programs
    shutil.rmtree(environment, ignore_errors=True)


@pytest.mark.slow
def test_an_installation_beside_no_repository_reads_pictures_serves_the_page_and_is_small(installed, face, tmp_path):
    (tmp_path / "empty").mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DVC_ROOT")}
    options = {"cwd": tmp_path / "empty", "env": environment, "text": True}
    ferpipe = str(installed / "ferpipe")
    champion = json.loads((ROOT / "data/champion/bundle.json").read_text(encoding="utf-8"))

    done = subprocess.run([ferpipe, "predict", str(face), "--json"], capture_output=True, timeout=60, **options)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["classes"] == champion["classes"] and len(told["files"][0]["faces"]) == 1

    script = "from ferpipe import Reader; import sys; print([face.label for face in Reader().read(sys.argv[1])])"
    done = subprocess.run([str(installed / "python"), "-c", script, str(face)], capture_output=True, timeout=60,
                          **options)
    assert done.stdout.strip() == str([told["files"][0]["faces"][0]["emotion"]]), done.stderr

    with subprocess.Popen([ferpipe, "web", "--port", "0"], stdout=subprocess.PIPE, **options) as server:
        try:
            address = re.search(r"http://\S+", server.stdout.readline())[0]
            request = urllib.request.Request(f"{address}/predict", face.read_bytes(), {"Content-Type": "image/png"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert json.load(answer)["faces"] == told["files"][0]["faces"]
            with urllib.request.urlopen(address, timeout=30) as page:
                assert b"<html" in page.read()
        finally:
            server.terminate()
    assert list((tmp_path / "empty").iterdir()) == [], "nothing is left where it is called"

    environment_folder = installed.parent
    files = [path for path in environment_folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) < MEGABYTES * 1e6
    present = names([path.name.split("-")[0] for path in environment_folder.rglob("*.dist-info")])
    assert {"ferpipe", "opencv-python", "onnxruntime"} <= present and not present & LEFT_OUT
