"""Set before anything imports the libraries: no telemetry, quiet logs, one thread beside the others' work."""

import os
import signal

import pytest

from pipeline.system import telemetry
from pipeline.training import importing

# A shell that runs the tests in the background lets them ignore Ctrl-C, and what they start would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)

telemetry.switch_off()
os.environ.setdefault("MPLBACKEND", "Agg")
for name, value in importing.ENVIRONMENT.items():
    os.environ.setdefault(name, value)


# The files that take longest come first, so that with several processes none waits for another at the end
LONGEST = ("tests/test_chaos.py", "tests/test_repro.py", "tests/experiments/test_import_run.py",
           "tests/training/test_loop.py", "tests/experiments/test_elsewhere.py", "tests/tune/test_team.py",
           "tests/training/models/test_models.py",
           "tests/tune/test_search.py", "tests/training/test_towers.py", "tests/test_packaging.py",
           "tests/reporting/bench/test_throughput.py", "tests/reporting/bench/test_gains.py")


def pytest_collection_modifyitems(items):
    rank = {file: index for index, file in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.nodeid.partition("::")[0], len(rank)))


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    """An MLflow database whose migrations are paid for once."""
    import toy_models

    return toy_models.migrated_database(tmp_path_factory)


@pytest.fixture
def project(tmp_path, database, monkeypatch):
    """An empty project folder, with a blank in its name, that the test works in."""
    import toy_models

    return toy_models.project(tmp_path / "with a blank", database, monkeypatch)
