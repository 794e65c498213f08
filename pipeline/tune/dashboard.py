"""``ferpipe study``: a study to look at, as optuna-dashboard's pages or as the report; it changes nothing in it."""

import argparse
import contextlib
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from pipeline.system.failure import Failure, did_you_mean
from pipeline.tune import storage as studies
from pipeline.tune.storage import Address

HOST = "127.0.0.1"


def main(argv: list[str] | None = None) -> None:
    """Open the studies in optuna-dashboard at 127.0.0.1, or with --report write study.html and its pictures."""
    from pipeline.params import params as parameters

    parser = argparse.ArgumentParser("ferpipe study", description=main.__doc__)
    parser.add_argument("study", nargs="?", metavar="STUDY", help="default: the newest of params.yaml's recipe")
    parser.add_argument("--port", type=int, default=8080, help="default: 8080")
    parser.add_argument("--report", action="store_true", help="only write the report, as far as the study has come")
    options = parser.parse_args(argv)
    params = parameters.load()
    where = studies.address(params.dataset)
    storage = reading(where)
    with studies.in_one_line(where):
        name = chosen(storage, where, params.dataset, params.recipe, options.study)
        if options.report:
            print(f"study: {written(storage, name, params.reports)}")
            return
        number = storage.get_study_id_from_name(name)
    serve(storage, options.port, f"dashboard/studies/{number}", name)


def reading(where: Address):
    """The studies' storage, opened for reading alone: neither Optuna nor the dashboard can change a byte of it.

    Raises Failure where there are no studies yet.
    """
    import optuna
    from sqlalchemy import NullPool, create_engine, inspect

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    file = where.file
    if file is not None:
        if not file.exists():
            raise _nothing(where)
        address = f"{file.absolute().as_uri()}?mode=ro"
        url = "sqlite://"
        options: dict[str, Any] = {"poolclass": NullPool, "creator": lambda: sqlite3.connect(
            address, timeout=studies.WAIT, uri=True, check_same_thread=False)}
    else:
        url, options = where.url, dict(where.options)
        options["connect_args"] = {**options["connect_args"], "options": "-c default_transaction_read_only=on"}
    with studies.in_one_line(where):
        try:
            # Where the tables are missing, Optuna would make them, or be at a loss
            if not inspect(create_engine(url, **options)).has_table("version_info"):
                raise _nothing(where)
            # Optuna fills in a template, to which a password's braces would be fields
            storage = optuna.storages.RDBStorage(url.replace("{", "{{").replace("}", "}}"), engine_kwargs=options,
                                                 skip_table_creation=True, skip_compatibility_check=True)
        except ImportError as error:
            raise Failure(f"{studies.STORAGE} needs the extra 'team', but its driver is not installed: pip install "
                          "'.[team]' in the project's folder (make installs everything)") from error
        if storage.get_current_version() != storage.get_head_version():
            raise Failure(f"{where}: made by another version of Optuna; `dvc repro tune` says what to do")
    return storage


def _nothing(where: Address) -> Failure:
    return Failure(f"{where}: there is no study yet; `dvc repro tune` makes the first")


def chosen(storage, where: Address, dataset: str, recipe: str, name: str | None) -> str:
    """The study of this name; without one the newest of the data set, of the recipe if it has one."""
    import optuna

    found = optuna.get_all_study_summaries(storage, include_best_trial=False)
    names = [summary.study_name for summary in found]
    if name is not None:
        if name not in names:
            raise Failure(f"there is no study {name} at {where}{did_you_mean(name, names)}; there are "
                          f"{', '.join(names) or 'none'}")
        return name
    of_dataset = [summary for summary in found if summary.user_attrs.get("dataset") == dataset]
    if not of_dataset:
        raise _nothing(where)
    newest = max(of_dataset, key=lambda summary: (summary.study_name.rpartition("-")[0] == recipe, summary._study_id))
    return newest.study_name


def written(storage, name: str, reports: Path) -> Path:
    """Write the report of a study into a data set's reports; returns the page."""
    import optuna

    from pipeline.tune.report import page
    from pipeline.tune.report.facts import of_study

    study = optuna.load_study(study_name=name, storage=storage)
    dataset = study.user_attrs.get("dataset", reports.name)
    if dataset != reports.name:
        raise Failure(f"study {name} is of data set {dataset}, params.yaml has {reports.name}; set dataset: {dataset}")
    page.write(reports, of_study(study))
    return reports / page.PAGE


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    """No line per request."""

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def reads_only(app: Callable, port: int) -> Callable[[dict, Callable], Iterable[bytes]]:
    """The app without what would change a study, and for pages of its own alone: another site's page could reach it
    under a name that it has pointed at this machine."""
    hosts = (f"{HOST}:{port}", f"localhost:{port}")

    def guarded(environ: dict, start_response: Callable) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD") or environ.get("HTTP_HOST") not in hosts:
            start_response("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"this page shows studies and changes none\n"]
        return app(environ, start_response)

    return guarded


def server(storage, port: int) -> WSGIServer:
    """optuna-dashboard's server, not yet running. Raises Failure where the port is taken."""
    from optuna_dashboard import wsgi

    try:
        made = _Server((HOST, port), _Quiet)
    except OSError as error:
        raise Failure(f"port {port} is taken; end the program that listens there, or name another port (PORT=, --port)"
                      ) from error
    made.set_app(reads_only(wsgi(storage), made.server_port))
    return made


def serve(storage, port: int, path: str, name: str) -> None:
    """Show the dashboard until Ctrl-C."""
    with server(storage, port) as running:
        print(f"Study {name}: http://{HOST}:{running.server_port}/{path}, Ctrl-C ends it", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            running.serve_forever()
