"""Where MLflow's database or server is, and the message when it cannot be reached."""

import contextlib
import http.client
import logging
import os
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from pipeline.system import project, telemetry
from pipeline.system.address import shown, without_secrets
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure

# Seconds to wait for another program that writes to the database, and for another that creates it
WAIT, CREATION = 5, 180
# Seconds until a server has to begin its first answer
ANSWER = 10.0
SETTINGS = {
    **telemetry.OFF,
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # MLflow's own seven retries take minutes when a server is down
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}
HALF_MADE = "half upgraded by a program that was ended; move the file away and run `ferpipe rebuild-mlflow`"
# What sqlite leaves beside a database whose process was killed
JOURNALS = ("-journal", "-wal", "-shm")
# The explanation of an error, by a phrase of its message
ADVICE = {
    "database is locked": "locked by another program; end it (a second run, a database browser) and run again",
    "unable to open database": "cannot be opened; look at the folder's rights or at MLFLOW_TRACKING_URI",
    "file is not a database": "not an MLflow database; move the file away and run `ferpipe rebuild-mlflow`",
    "readonly database": "cannot be written; look at the file's rights",
    "disk is full": "no space left on the disk; free some and run again",
    "already exists": HALF_MADE,
    "duplicate column name": HALF_MADE,
    "out-of-date database": "made by another version; move the file away and run `ferpipe rebuild-mlflow`",
    "SSLError": "it speaks no https, or its certificate is not trusted here; look at MLFLOW_TRACKING_URI, or at "
                "MLFLOW_TRACKING_SERVER_CERT_PATH",
    # Of http and https
    "ConnectionPool": "no server answers there; start it, or unset MLFLOW_TRACKING_URI to use mlflow.db",
}


def uri() -> str:
    """``$MLFLOW_TRACKING_URI``, else sqlite in the project's folder; a relative sqlite path lies in that folder too."""
    named = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if not named.startswith("sqlite:///"):
        return named
    return "sqlite:///" + (project.root() / named.removeprefix("sqlite:///")).absolute().as_posix()


def file(address: str) -> Path | None:
    """The database's file when the address is sqlite's."""
    return Path(address.removeprefix("sqlite:///").split("?")[0]) if address.startswith("sqlite:///") else None


def artefacts(address: str) -> str | None:
    """Where a new experiment keeps its files: mlruns/ beside the database; None where a server decides."""
    if address.startswith(("http:", "https:", "databricks")):
        return None
    database = file(address)
    return ((database.parent if database else project.root().absolute()) / "mlruns").as_uri()


def quieten() -> None:
    """Settings for MLflow that the environment does not name, and no log lines below an error; before its import."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # It logs a traceback of every lock before it raises
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def check_answers(address: str, seconds: float = ANSWER) -> None:
    """Raise Failure where a server takes a connection and says nothing; MLflow would wait for minutes, then try again.
    So too for an address that no library can read.

    What else may be wrong is MLflow's to say: it knows the user's certificates and passwords.
    """
    if not address.startswith(("http:", "https:")):
        return
    try:
        parts = urllib.parse.urlsplit(address)
    except ValueError as error:
        raise Failure("MLFLOW_TRACKING_URI: its host cannot be read; write [ and ] in a user name or password as %5B "
                      "and %5D") from error
    with contextlib.suppress(OSError, ValueError, http.client.HTTPException):  # a refusal is an answer too
        try:
            plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
            urllib.request.urlopen(plain, timeout=seconds).close()
        except (TimeoutError, urllib.error.URLError) as error:
            if isinstance(getattr(error, "reason", error), TimeoutError):
                raise Failure(f"MLflow at {shown(address)}: no answer within {seconds:g} seconds; restart the server, "
                              "or unset MLFLOW_TRACKING_URI to use mlflow.db") from error
            raise


@contextlib.contextmanager
def in_one_line() -> Iterator[None]:
    """Turn what goes wrong on the way to the server into a Failure."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("mlflow", "sqlalchemy", "requests", "urllib3", "sqlite3"):
            raise
        raise Failure(_explain(str(error))) from error


def _explain(text: str) -> str:
    # A server's address may hold a password, and so may its libraries' messages
    address, text = shown(uri()), without_secrets(text, uri())
    for symptom, advice in ADVICE.items():
        if symptom in text:
            return f"MLflow at {address}: {advice}"
    return f"MLflow at {address}: {text.strip().splitlines()[0] if text.strip() else 'unknown error'}"


@contextlib.contextmanager
def alone(database: Path) -> Iterator[None]:
    """Hold the database's gate, an empty sqlite beside it: a lock that every system has and no crash leaves behind.

    Several processes that open a new database would race in MLflow's migrations.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(f"{database}.lock", CREATION, isolation_level=None)) as gate:
        gate.execute("BEGIN EXCLUSIVE")
        # A database that cannot be written is found here in seconds; MLflow would go on trying for minutes
        if database.exists():
            with contextlib.closing(sqlite3.connect(database, WAIT, isolation_level=None)) as probe:
                probe.execute("BEGIN IMMEDIATE")
                probe.rollback()
        yield


def complete(address: str, database: Path) -> None:
    """Make the database where there is none, or only a part of one; inside ``alone``.

    MLflow's migrations take seconds, and MLflow cannot go on with those that a killed process began: they are done
    under another name.
    """
    empty = not database.exists() or not database.stat().st_size
    if not empty:
        if not _half_made(database):
            return
        print(f"MLflow at {shown(address)}: its making was interrupted and it holds no run; made again", flush=True)
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with atomic_file(database) as new:
        SqlAlchemyStore(f"sqlite:///{new.as_posix()}", artefacts(address)).engine.dispose()
        for ending in JOURNALS:
            # of the database that is replaced: sqlite would play it back into the new one
            Path(f"{database}{ending}").unlink(missing_ok=True)


def _half_made(database: Path) -> bool:
    """Whether a file is the beginning of an MLflow database, without anything that a run left in it."""
    from mlflow.store.db import utils
    from mlflow.store.db.base_sql_model import Base

    with contextlib.closing(sqlite3.connect(database, WAIT)) as content:
        tables = {name for (name,) in content.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        others = {name for name in tables - set(Base.metadata.tables) if not name.lstrip("_").startswith("alembic_")}
        holds_data = any(content.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone()
                         for name in ("runs", "registered_models", "trace_info") if name in tables)
        if others or holds_data:
            return False
        version = content.execute("SELECT version_num FROM alembic_version").fetchall() if (
            "alembic_version" in tables) else []
    return version != [(utils._get_latest_schema_revision(),)]
