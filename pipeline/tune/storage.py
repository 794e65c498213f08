"""Where studies are kept: a PostgreSQL that a team shares ($OPTUNA_STORAGE), else a sqlite file on this machine.

Both have heartbeats: a running trial whose process is silent for longer than the grace period counts as dead, and its
slot is free again (``slots``).
"""

import contextlib
import os
import re
import sqlite3
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.system import project
from pipeline.system.address import shown, without_secrets
from pipeline.system.failure import Failure
from pipeline.tune import lock

# The storage's address is in the environment alone: it may hold a password
STORAGE, HEARTBEAT, GRACE = "OPTUNA_STORAGE", "OPTUNA_HEARTBEAT", "OPTUNA_GRACE"
# Seconds between two heartbeats of a trial, and without one until it counts as dead
LOCAL, SHARED = (5, 20), (30, 180)
# Seconds to wait for another program that writes to the file, for a server's answer, and for another worker's claim
WAIT, CONNECT, PATIENCE = 5, 10, 180
# Of a connection: seconds of silence, and between what is then sent, until the third without an answer ends it
KEEPALIVES = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
# File systems that other machines write to, too. Not among them are 9p, drvfs and virtiofs: through these a virtual
# machine or container (WSL, Docker Desktop) sees a folder of the machine that it runs on. Names without the prefix
# ``fuse.``
NETWORK = ("acfs", "afpfs", "afs", "beegfs", "blobfuse", "blobfuse2", "ceph", "ceph-fuse", "cifs", "coda", "curlftpfs",
           "davfs", "davfs2", "gcsfuse", "gfs", "gfs2", "glusterfs", "goofys", "gpfs", "juicefs", "lizardfs", "lustre",
           "mfs", "moosefs", "nfs", "nfs4", "objectivefs", "ocfs2", "orangefs", "panfs", "pvfs2", "quobyte", "rclone",
           "s3fs", "seaweedfs", "smb2", "smb3", "smbfs", "sshfs", "webdav", "wekafs")
# What to do about an error, by a phrase of its message
ADVICE = {
    "locked": "end the other program that holds it (a second search, a database browser), then run again",
    "full": "free some space, then run again",
    "readonly": "look at the file's rights, then run again",
    "unable to open": "look at the folder's rights, then run again",
    "not a database": "move the file away to search anew",
    "malformed": "move the file away to search anew",
    "authentication failed": f"look at user and password in {STORAGE}",
    "no password": f"look at user and password in {STORAGE}",
    "does not exist": f"make it with createdb, or look at {STORAGE}",
    "permission denied": "let the user create tables there",
    "too many clients": "raise max_connections, or start fewer workers",
    "idle-in-transaction": "run it again",
}


@dataclass(frozen=True)
class Address:
    """Where the studies are; as text without user and password.

    Attributes:
        url: SQLAlchemy's.
        file: of sqlite; None for a server.
        heartbeat: seconds between two heartbeats.
        grace: seconds without one after which a trial counts as dead.
    """

    url: str = field(repr=False)
    file: Path | None
    heartbeat: int
    grace: int

    def __str__(self) -> str:
        return str(self.file) if self.file else shown(self.url)

    @property
    def options(self) -> dict:
        """What SQLAlchemy's engine takes."""
        if self.file:
            return {"connect_args": {"timeout": WAIT}}
        return {"pool_pre_ping": True,
                "connect_args": {"connect_timeout": CONNECT, "application_name": "ferpipe", **KEEPALIVES}}

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the one lock of these studies, for as long as a few statements or calls of MLflow take; it ends with the
        process.

        Optuna's own transactions are not enough: on sqlite two workers can take the same trial, and no storage makes
        the tables twice at a time. Not reentrant. Raises Failure after PATIENCE seconds, and where a server has ended
        the lock of a process that was stopped (``lock``): as soon as an opened storage would commit, at the latest when
        the block ends. It refuses nothing else: what the block then still does to MLflow, or to tables that it makes,
        is done without the lock.
        """
        with contextlib.ExitStack() as stack:
            if self.file:
                # An empty sqlite beside the file: a lock that every system has
                try:
                    gate = sqlite3.connect(f"{self.file}.lock", PATIENCE, isolation_level=None)
                    stack.callback(gate.close)
                    gate.execute("BEGIN EXCLUSIVE")
                except sqlite3.OperationalError as error:
                    raise self.refused(str(error)) from error
            else:
                from sqlalchemy import NullPool, create_engine

                engine = create_engine(self.url, poolclass=NullPool, connect_args=self.options["connect_args"])
                try:
                    stack.enter_context(lock.held(engine, str(self), PATIENCE))
                except TimeoutError as error:
                    raise self.refused("its lock is held by another worker") from error
            yield

    def refused(self, reason: str) -> Failure:
        """The Failure for an error of the storage: its reason without secrets, and what to do."""
        reason = " ".join(reason.split())
        advice = next((text for phrase, text in ADVICE.items() if phrase in reason), (
            "move the file away to search anew" if self.file else
            f"start the server or look at {STORAGE}; without it, this machine searches on its own"))
        return Failure(f"{self}: the study cannot be read or written ({without_secrets(reason, self.url)}); "
                       f"{advice}")


def address(dataset: str) -> Address:
    """$OPTUNA_STORAGE, else the data set's file in .studies/, which neither git nor DVC tracks.

    Raises Failure for a storage that loses trials.
    """
    named = os.environ.get(STORAGE, "").strip()
    if not named or named.startswith("sqlite:///"):
        file = project.root() / (named.removeprefix("sqlite:///") or f".studies/{dataset}.db")
        return Address(f"sqlite:///{file.as_posix()}", file, *_seconds(LOCAL))
    if re.match(r"(grpc|dns)s?:", named, re.I) or re.fullmatch(r"[\w.-]+:\d+", named):
        raise Failure(f"{STORAGE}: Optuna's gRPC proxy has no heartbeat, so a trial whose process is killed would stay "
                      "RUNNING for ever; name the database behind it, postgresql+psycopg2://...")
    if not re.match(r"postgresql(\+\w+)?://", named):
        raise Failure(f"{STORAGE}: expected postgresql+psycopg2://USER:PASSWORD@HOST/DATABASE, found "
                      f"{shown(named) if '://' in named else 'another form of address'}; unset it to search on this "
                      "machine alone")
    if named.count("@") > 1:
        raise Failure(f"{STORAGE}: expected one @, found {named.count('@')}; write @ in a user name or "
                      "password as %40")
    return Address(named, None, *_seconds(SHARED))


def _seconds(default: tuple[int, int]) -> list[int]:
    """Heartbeat and grace period, from the environment or by default."""
    seconds = []
    for name, value in zip((HEARTBEAT, GRACE), default, strict=True):
        text = os.environ.get(name) or str(value)
        if not text.isdecimal() or not 1 <= int(text) <= 86_400:
            raise Failure(f"{name}: expected whole seconds from 1 to 86400, found {text!r}")
        seconds.append(int(text))
    if seconds[0] >= seconds[1]:
        raise Failure(f"{GRACE}: {seconds[1]} s, expected more than the {seconds[0]} s between two heartbeats "
                      f"({HEARTBEAT})")
    return seconds


def check_shared(where: Address) -> None:
    """Raise Failure for a sqlite file that lies where several machines write: it would lose trials."""
    import psutil

    if where.file is None:
        return
    folder = where.file.resolve().parent
    mounts = {Path(disk.mountpoint): disk.fstype for disk in psutil.disk_partitions(all=True)}
    kind = next((mounts[path] for path in (folder, *folder.parents) if path in mounts), "")
    if kind.lower().removeprefix("fuse.") in NETWORK:
        raise Failure(f"{where}: on a network file system ({kind}), where sqlite loses what several machines write; "
                      f"set {STORAGE}=postgresql+psycopg2://..., or to search on this machine alone, "
                      f"{STORAGE}=sqlite:////PATH/{where.file.name} on a disk of its own")


@contextlib.contextmanager
def in_one_line(where: Address) -> Iterator[None]:
    """Turn every error of the storage into a Failure that names it."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except Failure:
        raise
    except Exception as error:
        # Optuna wraps the error, or trips over it while it closes the trial
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, SQLAlchemyError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        raise where.refused(str(getattr(cause, "orig", None) or cause)) from error


def open_storage(where: Address):
    """The studies' storage; tables that it lacks are made, by one worker at a time."""
    import optuna

    # At lower levels Optuna prints a traceback for what failure.run prints as one line
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # experimental since 2020: the version is pinned
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)

    class Storage(optuna.storages.RDBStorage):
        def record_heartbeat(self, trial_id: int) -> None:
            # Runs in a thread, where an error is a traceback; the trial itself meets the same error
            with contextlib.suppress(optuna.exceptions.StorageInternalError):
                super().record_heartbeat(trial_id)

    if where.file:
        where.file.parent.mkdir(parents=True, exist_ok=True)
    with in_one_line(where):
        try:
            with where.alone():
                # Optuna fills in a template, to which a password's braces would be fields
                url = where.url.replace("{", "{{").replace("}", "}}")
                storage = Storage(url, engine_kwargs=where.options, heartbeat_interval=where.heartbeat,
                                  grace_period=where.grace)
            if not where.file:
                lock.limit_silence(storage.engine)
                lock.refuse_writes_without(storage.engine)
            return storage
        except RuntimeError as error:
            raise Failure(f"{where}: made by another version of Optuna; " + (
                "move the file away to search anew" if where.file else
                f"take another database, or `optuna storage upgrade --storage ${STORAGE}`")) from error
        except ImportError as error:
            raise Failure(f"{STORAGE} needs the extra 'team', but its driver is not installed: pip install '.[team]' "
                          "in the project's folder (make installs everything)") from error
