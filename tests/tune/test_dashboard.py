"""`ferpipe study`: shows the studies of any storage and changes none of them."""

import hashlib
import json
import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path

import optuna
import pytest
import toy_models
from toy_study import trial

from pipeline.system.failure import Failure
from pipeline.tune import dashboard, storage

NAMES = ["compact-0123456789ab", "hour-0123456789ab", "compact-ba9876543210"]


def fill(where):
    """Three studies, the last of another data set, each with a complete, a pruned and a running trial."""
    opened = storage.open_storage(where)
    for name in NAMES:
        study = optuna.create_study(storage=opened, study_name=name, direction="maximize")
        study.set_user_attr("dataset", "sample" if name != NAMES[2] else "fer2013")
        study.set_user_attr("about", {"recipe": name.split("-")[0], "epochs a trial": 2})
        study.add_trials([trial(0, 0.5), trial(1, state="PRUNED", epochs={1: 0.4}, why="epoch 1: last")])
        study._storage.create_new_trial(study._study_id, trial(2, state="RUNNING"))
    opened.remove_session()
    opened.engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request, tmp_path, monkeypatch):
    """A storage with studies, in a project's folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv(storage.STORAGE, raising=False)
    Path("params.yaml").write_text(toy_models.PARAMS.read_text().replace("dataset: fer2013", "dataset: sample"))
    if request.param == "postgresql":
        monkeypatch.setenv(storage.STORAGE, request.getfixturevalue("postgresql"))
    address = storage.address("sample")
    fill(address)
    return address


@pytest.fixture
def page(where):
    """What the dashboard answers: its server's address."""
    running = dashboard.server(dashboard.reading(where), 0)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    thread.join()
    running.server_close()


def content(where):
    """All that is stored."""
    opened = storage.open_storage(where)
    return [(study.study_name, study.user_attrs, [
        (t.number, t.state, t.params, t.user_attrs) for t in opened.get_all_trials(study._study_id)])
        for study in optuna.get_all_study_summaries(opened)]


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_it_shows_the_studies_and_changes_nothing(where, page):
    before = content(where), where.file and (digest(where.file), where.file.stat().st_mtime_ns)
    with urllib.request.urlopen(f"{page}/api/studies") as answer:
        assert {study["study_name"] for study in json.load(answer)["study_summaries"]} == set(NAMES)
    with urllib.request.urlopen(f"{page}/api/studies/1?after=0") as answer:
        assert len(json.load(answer)["trials"]) == 3
    with urllib.request.urlopen(f"{page}/dashboard/studies/1") as answer:
        assert b"<html" in answer.read()
    change = json.dumps({"user_attrs": {"a": 1}}).encode()
    for path, method in (("/api/studies", "POST"), ("/api/studies/1", "DELETE"),
                         ("/api/trials/1/user-attrs", "POST"), ("/api/studies/1/note", "PUT")):
        asked = urllib.request.Request(page + path, change, {"Content-Type": "application/json"}, method=method)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(asked)
    # A page of another site, under a name that it has pointed at this machine
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(urllib.request.Request(f"{page}/api/studies", headers={"Host": "evil.example"}))
    assert (content(where), where.file and (digest(where.file), where.file.stat().st_mtime_ns)) == before
    assert not where.file or {path.name for path in where.file.parent.iterdir()} <= {"sample.db", "sample.db.lock"}


def test_what_it_has_opened_cannot_be_written(where):
    opened = dashboard.reading(where)
    with pytest.raises(optuna.exceptions.StorageInternalError):
        opened.set_study_user_attr(1, "note", "x")


def test_the_newest_study_of_the_data_set_and_recipe_is_shown_unless_another_is_named(where):
    opened = dashboard.reading(where)

    def chosen(name=None, dataset="sample", recipe="compact"):
        return dashboard.chosen(opened, where, dataset, recipe, name)

    assert chosen() == NAMES[0] and chosen(recipe="hour") == NAMES[1] == chosen(recipe="edge")
    assert chosen(NAMES[2]) == NAMES[2] == chosen(dataset="fer2013")
    with pytest.raises(Failure, match=r"there is no study compact-0123456789ac .*did you mean compact-0123456789ab"):
        chosen("compact-0123456789ac")
    with pytest.raises(Failure, match="there is no study yet; `dvc repro tune` makes the first"):
        chosen(dataset="my-faces")


def test_the_report_of_a_running_study_is_written_without_the_dashboard(where, capsys):
    before = content(where)
    dashboard.main(["--report"])
    assert capsys.readouterr().out == "study: reports/sample/study.html\n"
    text = Path("reports/sample/study.html").read_text(encoding="utf-8")
    assert NAMES[0] in text and "The study goes on" in text and "1 running" in text and "epoch 1: last" in text
    assert Path("reports/sample/study/history.png").exists() and content(where) == before
    with pytest.raises(Failure, match=r"is of data set fer2013, params.yaml has sample; set dataset: fer2013"):
        dashboard.main(["--report", NAMES[2]])


def test_a_taken_port_is_one_line(where):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Failure, match=f"port {port} is taken; end the program that listens there"):
            dashboard.server(dashboard.reading(where), port)


@pytest.mark.parametrize(("content", "said"), [
    (None, r"sample\.db: there is no study yet; `dvc repro tune` makes the first"),
    (b"", r"sample\.db: there is no study yet"), (b"junk" * 1000, r"sample\.db: .*not a database")])
def test_without_a_study_one_line_says_so_and_no_file_is_made(tmp_path, monkeypatch, content, said):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv(storage.STORAGE, raising=False)
    file = storage.address("sample").file
    if content is not None:
        file.parent.mkdir()
        file.write_bytes(content)
    with pytest.raises(Failure, match=said):
        dashboard.reading(storage.address("sample"))
    assert not file.exists() if content is None else file.read_bytes() == content
