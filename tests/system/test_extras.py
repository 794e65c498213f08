"""A package of an extra that is not installed ends in one line that names the extra."""

import importlib
import sys

import pytest

from pipeline import cli, run
from pipeline.system import extras
from pipeline.system.failure import Failure


@pytest.mark.parametrize(("module", "extra"), [
    ("mlflow", "pipeline"), ("keras.ops", "pipeline"), ("sklearn", "pipeline"), ("matplotlib.figure", "plots"),
    ("jax", "dev"), ("psycopg2.extensions", "team"), ("dvc_s3", "team"), ("ray", "cluster"), ("numpy", None),
])
def test_a_module_belongs_to_the_extra_that_brings_it(module, extra):
    assert extras.extra_of(module) == extra


@pytest.mark.parametrize(("module", "extra"), [("mlflow.tracking", "pipeline"), ("psycopg2.extensions", "team"),
                                               ("dvc_s3", "team")])
def test_a_missing_package_of_an_extra_becomes_one_line_on_how_to_get_it(monkeypatch, module, extra):
    package = module.partition(".")[0]
    monkeypatch.setitem(sys.modules, package, None)
    # What was imported before would be taken from here
    monkeypatch.delitem(sys.modules, module) if module in sys.modules and module != package else None

    with pytest.raises(Failure, match=rf"^this needs the extra '{extra}', but {package} is not .*'\.\[{extra}\]'"):
        extras.checked(lambda: importlib.import_module(module))()


def test_other_missing_modules_are_bugs_and_stay_errors():
    def own() -> None:
        import pipeline.nowhere  # noqa: F401

    def part() -> None:
        import matplotlib.nowhere  # noqa: F401

    for main in (own, part):
        with pytest.raises(ModuleNotFoundError):
            extras.checked(main)()


def test_a_python_without_ferpipes_packages_is_not_sent_for_an_extra(monkeypatch):
    def main() -> None:
        import mlflow  # noqa: F401

    for name in ("mlflow", extras.BASE):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError):
        extras.checked(main)()


def test_the_command_line_says_it(monkeypatch):
    def main(argv):
        raise ModuleNotFoundError("No module named 'mlflow'", name="mlflow")

    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setattr(run, "main", main)
    for key in cli.ENVIRONMENT:
        monkeypatch.setenv(key, "kept")
    monkeypatch.setattr(sys, "argv", ["ferpipe"])
    with pytest.raises(SystemExit, match=r"^ferpipe run: this needs the extra 'pipeline'"):
        cli.main(["run"])
