"""The Makefile, the installation and .ci/run: what a stranger meets first. Nothing is installed here."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import install

ROOT = Path(__file__).parents[1]
TARGETS = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

# Answers as Python VERSION would; `-m pipeline.install` makes a .venv whose python is this script again
PYTHON = """#!/bin/sh
case "$1 $2" in
  "-c "*) echo VERSION;;
  "-m pipeline.install") mkdir -p .venv/bin && cp "$0" .venv/bin/python && cp requirements.lock .venv/;;
esac
printf '%s|' "$(basename "$0")" "$@" >> calls; echo >> calls
"""


@pytest.fixture
def place(tmp_path):
    """A folder with a blank in its name that holds the Makefile, and an empty bin beside it for PATH."""
    if os.name == "nt" or not shutil.which("make"):
        pytest.skip("make and a POSIX shell are missing: apt install make")
    folder = tmp_path / "a folder with blanks"
    folder.mkdir()
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "make", "mkdir", "cp", "basename", "awk", "rm", "find"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    return folder


def pretend(place: Path, name: str, version: str) -> None:
    script = place.parent / "bin" / name
    script.write_text(PYTHON.replace("VERSION", version))
    script.chmod(0o755)


def make(place: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["make", *arguments],
        cwd=place,
        env={"PATH": str(place.parent / "bin"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def calls(place: Path) -> list[str]:
    return [line for line in (place / "calls").read_text().splitlines() if "|-c|" not in line]


def test_help_is_the_default_and_lists_every_target_with_a_text(place):
    page = make(place).stdout
    assert page == make(place, "help").stdout
    assert len(TARGETS) >= 11
    for target in TARGETS:
        assert re.search(rf"^make {target} +\S+", page, re.MULTILINE), target


def test_every_target_is_phony_so_that_a_file_of_its_name_cannot_hide_it():
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony and sorted(phony[1].split()) == sorted(TARGETS)


def test_the_readme_names_no_target_that_does_not_exist():
    if not (ROOT / "README.md").exists():
        pytest.skip("README.md is missing")
    named = set(re.findall(r"`make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert named <= set(TARGETS)


def test_run_makes_the_environment_once_in_a_folder_with_blanks_and_passes_paths_with_blanks_on(place):
    pretend(place, "python3", "3.12")
    first = make(place, "run", "FER2013=my data/archive.zip")
    assert first.returncode == 0, first.stderr
    again = make(place, "run", "DATASET=sample")
    assert again.returncode == 0, again.stderr
    assert calls(place) == [
        "python3|-m|pipeline.install|",
        "python|-m|pipeline.cli|run|--fer2013|my data/archive.zip|",
        "python|-m|pipeline.cli|run|--dataset|sample|",
    ]


def test_a_changed_lock_or_a_half_made_environment_is_installed_again(place):
    pretend(place, "python3", "3.13")
    make(place, "quick")
    stamp = place / ".venv" / "requirements.lock"
    os.utime(stamp, (1, 1))
    make(place, "quick")
    stamp.unlink()
    make(place, "quick")
    assert calls(place) == ["python3|-m|pipeline.install|", "python|-m|pytest|-n|2|--dist|loadfile|-m|not slow|"] * 3


def test_demo_and_promotion_take_a_source_and_further_arguments(place):
    pretend(place, "python3", "3.11")
    make(place, "promote-and-demo", "SOURCE=a clip.mp4", "ARGS=--headless --out b.mp4")
    assert calls(place)[1:] == [
        "python|-m|pipeline.cli|promote|",
        "python|-m|pipeline.cli|demo|a clip.mp4|--headless|--out|b.mp4|",
    ]


def test_another_python_gets_one_clear_line(place):
    pretend(place, "python3", "3.9")
    done = make(place, "run")
    ours = [line for line in done.stderr.splitlines() if not line.startswith("make:")]
    assert done.returncode != 0 and done.stdout == ""
    assert len(ours) == 1 and "3.11, 3.12 or 3.13, found 3.9 (python3)" in ours[0] and "PYTHON=" in ours[0]
    assert not (place / ".venv").exists()


def test_no_python_at_all_gets_one_clear_line(place):
    done = make(place, "test")
    assert done.returncode != 0 and "found none" in done.stderr


def test_a_suitable_python_beside_an_unsuitable_one_is_taken(place):
    pretend(place, "python3", "3.14")
    pretend(place, "python3.12", "3.12")
    assert make(place, "run").returncode == 0
    assert calls(place)[0] == "python3.12|-m|pipeline.install|"


def test_a_python_named_by_hand_is_taken_and_no_other_in_its_stead(place):
    for name, version in (("python3", "3.12"), ("my python", "3.11"), ("old", "3.9")):
        pretend(place, name, version)
    assert make(place, "run", f"PYTHON={place.parent / 'bin' / 'old'}").returncode != 0
    assert make(place, "run", f"PYTHON={place.parent / 'bin' / 'my python'}").returncode == 0
    assert calls(place)[0] == "my python|-m|pipeline.install|"


def test_clean_keeps_the_environment_the_real_data_and_the_champion(place):
    kept = [".venv/python", "data/external/archive.zip", "data/fer2013/faces", "data/champion/bundle.json", "mlflow.db"]
    gone = ["data/sample/faces", "reports/sample/metrics.json", ".mypy_cache/x", "pipeline/__pycache__/x"]
    for name in [*kept, *gone, "tests/test_it.py"]:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).touch()
    assert make(place, "clean").returncode == 0
    assert all((place / name).exists() for name in kept)
    assert not any((place / name).exists() for name in gone)


def test_an_unsuitable_python_is_told_by_the_installation_too(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    with pytest.raises(SystemExit, match=r"3\.11, 3\.12 or 3\.13, this is 3\.9"):
        install.main()


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """An empty project's folder with the installation's costly steps recorded instead of done."""
    monkeypatch.chdir(tmp_path)
    install.LOCK.write_text("numpy==2.4.0 \\\n    --hash=sha256:00\n")
    done = []
    monkeypatch.setattr(install, "_make_venv", lambda: (install.VENV.mkdir(exist_ok=True), done.append("venv")))
    monkeypatch.setattr(install, "_install_packages", lambda python, total: done.append(f"{total} packages"))
    monkeypatch.setattr(install, "pip", lambda python, *arguments: done.append("ferpipe"))
    return done


def test_the_stamp_is_the_last_thing_written(steps, monkeypatch):
    def cut(*arguments, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(install, "pip", cut)
    with pytest.raises(KeyboardInterrupt):
        install.main()
    assert not install.READY.exists()
    with pytest.raises(KeyboardInterrupt):
        install.main()
    assert steps == ["venv", "1 packages"] * 2


def test_an_unchanged_lock_installs_no_packages_and_a_changed_one_does(steps):
    install.main()
    install.main()
    install.LOCK.write_text("numpy==2.4.1\npandas==3.0.0\n")
    install.main()
    assert steps == ["venv", "1 packages", "ferpipe", "ferpipe", "2 packages", "ferpipe"]
    assert install.READY.read_text() == install.LOCK.read_text()


def test_a_pip_that_fails_is_heard_itself_and_ends_the_installation_in_one_line(tmp_path, capfd):
    if os.name == "nt":
        pytest.skip("a shell script plays pip")
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho \"$@\"; echo 'ERROR: no space left' >&2; exit 2\n")
    python.chmod(0o755)
    with pytest.raises(SystemExit, match=r"^install: pip failed, .*run again$"):
        install.pip(python, "--requirement", "a lock")
    said = capfd.readouterr()
    assert said.out == "-m pip --disable-pip-version-check install --requirement a lock\n"
    assert said.err == "ERROR: no space left\n"


def test_the_installation_parses_on_a_python_that_is_too_old_so_that_it_can_say_so():
    ast.parse(Path(install.__file__).read_text(encoding="utf-8"), feature_version=(3, 6))


def test_the_lock_holds_hashes_for_every_package_and_names_no_index():
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    packages = [number for number, line in enumerate(lines) if re.match(r"[a-z0-9]", line)]
    assert len(packages) > 150
    assert all("==" in lines[number] and lines[number + 1].startswith("    --hash=sha256:") for number in packages)
    assert not [line for line in lines if "://" in line or "index" in line or "find-links" in line]


def test_git_ignores_data_and_the_samples_reports_but_keeps_the_champion():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git repository")
    names = {
        "data/fer2013/faces/images.npy": True,
        "data/external/archive.zip": True,
        "data/external/train/happy/Training_1.jpg": True,
        "archive.zip": True,
        "reports/sample/metrics.json": True,
        "reports/my-faces/results/one.json": True,
        "reports/replications/balance.csv": False,
        "mlflow.db-wal": True,
        ".venv/bin/python": True,
        "data/README.md": False,
        "data/external/README.md": False,
        "data/champion/bundle.json": False,
        "data/champion/model.onnx": False,
        "reports/fer2013/metrics.json": False,
        "reports/results/one.json": False,
        "reports/results/one.npz": False,
        "reports/sample/results/one.npz": True,
        "params.yaml": False,
    }
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", *names], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert set(done.stdout.split()) == {name for name, ignored in names.items() if ignored}


def test_continuous_integration_is_valid_bash_and_ends_with_the_tests():
    if os.name == "nt" or not shutil.which("bash"):
        pytest.skip("bash is missing: apt install bash")
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert script.read_text(encoding="utf-8").splitlines()[-1] == "timeout 40m make test"
