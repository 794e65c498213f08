"""Which model serves when none is named."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.system import project


@pytest.fixture
def installed(tmp_path, monkeypatch) -> Path:
    """A champion that was installed, and an empty folder to work in."""
    folder = tmp_path / "site-packages" / "champion"
    folder.mkdir(parents=True)
    (folder / "bundle.json").touch()
    monkeypatch.setattr(project, "INSTALLED", (tmp_path / "nowhere", folder))
    monkeypatch.delenv("DVC_ROOT", raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder


def champion(root: Path) -> Path:
    folder = root / "data" / "champion"
    folder.mkdir(parents=True)
    (folder / "bundle.json").touch()
    return folder


def test_outside_a_project_the_installed_champion_serves(installed):
    assert project.model_folder() == installed


def test_the_projects_champion_comes_before_the_installed_one(installed, tmp_path, monkeypatch):
    champion(Path())
    assert project.model_folder() == Path("data/champion")
    parent = champion(tmp_path / "parent")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "parent"))
    assert project.model_folder() == parent


def test_a_model_that_is_named_comes_before_every_other_even_where_it_is_missing(installed):
    champion(Path())
    assert project.model_folder("elsewhere") == Path("elsewhere")


def test_a_promotion_that_was_killed_leaves_the_champion_that_there_was(installed):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    old = champion(Path()).rename(f"data/.champion.{process.pid}.old")
    Path(f"data/.champion.{process.pid}.new").mkdir()
    assert project.model_folder() == Path("data/champion")
    assert not old.exists()


def test_where_there_is_none_the_projects_place_is_named(installed):
    (installed / "bundle.json").unlink()
    assert project.model_folder() == Path("data/champion")


def test_this_checkouts_champion_serves_wherever_an_editable_installation_is_called(tmp_path, monkeypatch):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert project.model_folder().resolve() == Path(__file__).parents[2] / "data" / "champion"
