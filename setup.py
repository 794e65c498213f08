"""The packages of the wheel; everything else is in pyproject.toml, which cannot list these."""

from pathlib import Path

from setuptools import find_packages, setup

packages = [*find_packages(include=["pipeline", "pipeline.*"], exclude=["pipeline.ferpipe"]), "ferpipe"]
# A clone whose champion was deleted installs too
if Path("data/champion/bundle.json").exists():
    packages.append("pipeline.demo.champion")
setup(packages=packages)
