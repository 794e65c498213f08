"""Where a study is: the environment says so, what loses trials is refused, and a password is shown nowhere."""

import contextlib
import multiprocessing
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import toy_servers

from pipeline.system.failure import Failure
from pipeline.tune import lock, slots, storage

SECRET = "postgresql+psycopg2://ada:s3cret@127.0.0.1:1/studies"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for name in (storage.STORAGE, storage.HEARTBEAT, storage.GRACE):
        monkeypatch.delenv(name, raising=False)


def test_without_an_address_the_study_is_a_file_that_nobody_tracks(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    where = storage.address("sample")
    assert where.file == tmp_path / ".studies/sample.db"
    assert (where.heartbeat, where.grace) == (5, 20)
    monkeypatch.setenv(storage.STORAGE, "sqlite:///elsewhere.db")
    assert storage.address("sample").file == tmp_path / "elsewhere.db"


def test_a_server_has_slower_heartbeats_and_both_can_be_set(monkeypatch):
    monkeypatch.setenv(storage.STORAGE, SECRET)
    where = storage.address("sample")
    assert where.file is None and (where.heartbeat, where.grace) == (30, 180)
    monkeypatch.setenv(storage.HEARTBEAT, "1")
    monkeypatch.setenv(storage.GRACE, "3")
    where = storage.address("sample")
    assert (where.heartbeat, where.grace) == (1, 3)


@pytest.mark.parametrize(("name", "value", "said"), [
    ("HEARTBEAT", "soon", "OPTUNA_HEARTBEAT: expected whole seconds from 1 to 86400, found 'soon'"),
    ("HEARTBEAT", "0", "OPTUNA_HEARTBEAT: expected whole seconds"),
    ("GRACE", "30", "OPTUNA_GRACE: 30 s, expected more than the 30 s between two heartbeats"),
])
def test_seconds_that_cannot_be_are_one_line(monkeypatch, name, value, said):
    monkeypatch.setenv(storage.STORAGE, SECRET)
    monkeypatch.setenv(getattr(storage, name), value)
    with pytest.raises(Failure, match=said):
        storage.address("sample")


@pytest.mark.parametrize("address", ["grpc://host:13000", "grpcs://ada:s3cret@host", "dns:///host:13000", "host:13000"])
def test_optuna_s_grpc_proxy_is_refused_with_the_reason(monkeypatch, address):
    monkeypatch.setenv(storage.STORAGE, address)
    with pytest.raises(Failure, match="no heartbeat, so a trial whose process is killed would stay RUNNING") as caught:
        storage.address("sample")
    assert "s3cret" not in str(caught.value) and "postgresql+psycopg2://" in str(caught.value)


@pytest.mark.parametrize("address", ["mysql://ada:s3cret@host/studies", "redis://:s3cret@host", "s3cret"])
def test_another_storage_is_refused_without_its_secrets(monkeypatch, address):
    monkeypatch.setenv(storage.STORAGE, address)
    with pytest.raises(Failure, match="OPTUNA_STORAGE: expected postgresql") as caught:
        storage.address("sample")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("password", ["s3cretpart", "s:cretpart", "s/cretpart", "s#cretpart?", "s%40cretpart",
                                      "s[cretpart]", "s{cretpart}", "sécretpart"])
def test_a_server_that_does_not_answer_is_one_line_without_its_password(monkeypatch, password):
    monkeypatch.setenv(storage.STORAGE, SECRET.replace("s3cret", password))
    where = storage.address("sample")
    assert not toy_servers.shows(f"{where} {where!r}", password) and "127.0.0.1:1" in str(where)
    with pytest.raises(Failure, match="start the server or look at OPTUNA_STORAGE") as caught:
        storage.open_storage(where)
    assert not toy_servers.shows(str(caught.value), password) and "ada" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("password", ["s@cretpart", "@cretpart", "cretpart@", "s@cret@part", "s@cretpart:port",
                                      "s@[cretpart]", "12@cretpart/more", "s@cret?part"])
def test_a_password_s_at_sign_is_refused_before_a_library_takes_the_rest_for_a_host(monkeypatch, password):
    monkeypatch.setenv(storage.STORAGE, SECRET.replace("s3cret", password))
    with pytest.raises(Failure, match=r"OPTUNA_STORAGE: expected one @, found .* as %40") as caught:
        storage.address("sample")
    assert not toy_servers.shows(str(caught.value), password)


def test_a_wrong_password_and_a_missing_database_are_one_line(monkeypatch, postgresql):
    for address, said in ((postgresql.replace(":s3cret", ":wrong"), "look at user and password in OPTUNA_STORAGE"),
                          (f"{postgresql}x", "make it with createdb")):
        monkeypatch.setenv(storage.STORAGE, address)
        with pytest.raises(Failure, match=said) as caught:
            storage.open_storage(storage.address("sample"))
        assert "cret{word}" not in str(caught.value) and "wrong{word}" not in str(caught.value)


def test_a_driver_that_is_not_installed_names_the_extra(monkeypatch):
    monkeypatch.setenv(storage.STORAGE, SECRET.replace("psycopg2", "pg8000"))
    with pytest.raises(Failure, match="needs the extra 'team'"):
        storage.open_storage(storage.address("sample"))


def test_workers_do_not_share_a_file_on_a_network_file_system(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    mounts = [SimpleNamespace(mountpoint="/", fstype="ext4"), SimpleNamespace(mountpoint=str(tmp_path))]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    for kind in ("nfs4", "lustre", "beegfs", "wekafs", "panfs", "gfs2", "ocfs2", "davfs", "fuse.glusterfs", "fuse.mfs",
                 "fuse.s3fs", "fuse.rclone", "fuse.sshfs"):
        mounts[1].fstype = kind
        with pytest.raises(Failure, match=rf"sample\.db: on a network file system \({kind}\)"):
            storage.check_shared(storage.address("sample"))
    for kind in ("ext4", "overlay", "virtiofs", "9p", "fuse.grpcfuse", "fuseblk"):
        mounts[1].fstype = kind
        storage.check_shared(storage.address("sample"))
    mounts[1].fstype = "nfs4"
    monkeypatch.setenv(storage.STORAGE, "sqlite:////var/tmp/sample.db")
    storage.check_shared(storage.address("sample"))
    assert storage.address("sample").file == Path("/var/tmp/sample.db")
    monkeypatch.setenv(storage.STORAGE, SECRET)
    storage.check_shared(storage.address("sample"))


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("link", [".studies", ".studies/sample.db"])
def test_a_link_to_a_network_file_system_is_refused_too(tmp_path, monkeypatch, link):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    shared = tmp_path / "shared"
    shared.mkdir()
    (tmp_path / "project" / link).parent.mkdir(parents=True)
    (tmp_path / "project" / link).symlink_to(shared / Path(link).name)
    mounts = [SimpleNamespace(mountpoint=path, fstype=kind) for path, kind in (("/", "ext4"), (str(shared), "nfs4"))]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    with pytest.raises(Failure, match=r"sample\.db: on a network file system \(nfs4\)"):
        storage.check_shared(storage.address("sample"))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_lock_is_one_worker_s_at_a_time_and_ends_with_its_process(request, tmp_path, monkeypatch, kind):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    if kind == "postgresql":
        monkeypatch.setenv(storage.STORAGE, request.getfixturevalue("postgresql"))
    (tmp_path / ".studies").mkdir()
    monkeypatch.setattr(storage, "PATIENCE", 0.2)
    where = storage.address("sample")
    process = multiprocessing.get_context("fork").Process(target=_hold, args=(where, tmp_path / "held"))
    process.start()
    while not (tmp_path / "held").exists():
        assert process.is_alive()
    with pytest.raises(Failure, match="the study cannot be read or written"), where.alone():
        pass
    process.kill()
    process.join()
    with contextlib.suppress(Failure), where.alone():
        # A server takes a moment to see that its client is gone
        return
    monkeypatch.setattr(storage, "PATIENCE", 10)
    with where.alone():
        pass


def _hold(where, flag):
    with where.alone():
        flag.touch()
        time.sleep(60)


@pytest.mark.parametrize("stopped_in", ["_new", "_begin"])
def test_a_worker_that_is_stopped_with_the_lock_holds_nobody_up_and_writes_nothing_late(
        postgresql, tmp_path, monkeypatch, stopped_in, capfd):
    """As a laptop that sleeps, or a node that is gone; here in the middle of a claim."""
    import optuna

    monkeypatch.setenv(storage.STORAGE, postgresql)
    monkeypatch.setattr(lock, "SILENCE", 1)
    where = storage.address("sample")
    study = optuna.create_study(storage=storage.open_storage(where), study_name="toy")
    process = multiprocessing.get_context("fork").Process(
        target=_claim_late, args=(where, stopped_in, tmp_path / "end"))
    process.start()
    while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
        assert process.is_alive()
        time.sleep(0.01)
    claim = slots.Slots(study, where).claim(1)
    assert claim.slot == 0
    before = study.trials
    os.kill(process.pid, signal.SIGCONT)
    process.join()
    end = (tmp_path / "end").read_text()
    assert "the server has ended this process' lock" in end and "run it again" in end and "\n" not in end
    assert study.trials == before and [trial.state.name for trial in before] == ["RUNNING"]
    assert "Traceback" not in capfd.readouterr().err


def _claim_late(where, stopped_in, end):
    import optuna

    own = slots.Slots(optuna.load_study(study_name="toy", storage=storage.open_storage(where)), where)
    continued = getattr(own, stopped_in)

    def stop(*arguments):
        os.kill(os.getpid(), signal.SIGSTOP)
        return continued(*arguments)

    setattr(own, stopped_in, stop)
    try:
        own.claim(1)
    except Failure as failure:
        end.write_text(str(failure))


def test_a_worker_that_waits_for_something_else_keeps_the_lock(postgresql, monkeypatch):
    """As for an MLflow that answers slowly."""
    import optuna

    monkeypatch.setenv(storage.STORAGE, postgresql)
    monkeypatch.setattr(lock, "SILENCE", 2)
    where = storage.address("sample")
    study = optuna.create_study(storage=storage.open_storage(where), study_name="toy")
    with where.alone():
        time.sleep(2.3)
        monkeypatch.setattr(storage, "PATIENCE", 0.2)
        with pytest.raises(Failure, match="its lock is held by another"), where.alone():
            pass
        study.set_user_attr("late", True)
    assert study.user_attrs == {"late": True}


def test_a_lock_that_was_lost_is_told_though_nothing_is_written(postgresql, monkeypatch, capfd):
    import sqlalchemy

    monkeypatch.setenv(storage.STORAGE, postgresql)
    where = storage.address("sample")
    locks = sqlalchemy.text("SELECT pid FROM pg_locks WHERE locktype = 'advisory'")
    end = sqlalchemy.text(f"SELECT pg_terminate_backend(pid) FROM ({locks}) AS locks")
    engine = sqlalchemy.create_engine(postgresql)
    with pytest.raises(Failure, match="the server has ended this process' lock") as caught, where.alone(), \
            engine.connect() as connection:
        assert connection.execute(end).all() == [(True,)]
        deadline = time.monotonic() + 10
        while connection.execute(locks).all():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    engine.dispose()
    assert "s3cret" not in str(caught.value) and "\n" not in str(caught.value)
    assert "Traceback" not in capfd.readouterr().err


def test_opening_a_study_leaves_its_file_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    where = storage.address("sample")
    storage.open_storage(where)
    before = where.file.read_bytes()
    storage.open_storage(where)
    assert where.file.read_bytes() == before
    with contextlib.closing(sqlite3.connect(where.file)) as base:
        assert base.execute("SELECT count(*) FROM studies").fetchone() == (0,)
