"""The load test: refusals, errors and answers are told apart, who starves is not hidden, the memory is the server's."""

import asyncio
import contextlib
import os
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import WSMsgType, web
from toy_faces import toy_bundle

from pipeline.reporting.bench import clients, load
from pipeline.reporting.bench.clients import Picture, Tally
from pipeline.system.failure import Failure

ANSWER = {"model": "toy", "faces": [{"id": 1}]}
# A server that is this process
HERE = SimpleNamespace(poll=lambda: None, pid=os.getpid())


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(clients, "PAUSE", 0.02)
    monkeypatch.setattr(load, "REST", 0.0)


def on_a_server(count, seconds, make, *, predict=None, live=None, kind="api") -> load.Row:
    """The row of so many clients, made by ``make(address)``, on a server of this test."""
    async def run() -> load.Row:
        app = web.Application()
        app.add_routes([web.post("/predict", predict)] if predict else [web.get("/live", live)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        address = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        try:
            return await load.measured(load.Served(address, HERE), kind, make(address), count, seconds)
        finally:
            await runner.cleanup()

    return asyncio.run(run())


def test_answers_refusals_and_errors_of_the_api_are_told_apart():
    first = [web.json_response({"error": "full"}, status=503, headers={"Retry-After": "0.2"}),
             web.json_response(ANSWER | {"milliseconds": 7.0}), web.json_response({"error": "a bug"}, status=500),
             web.Response(text="full", status=503), web.Response(text="no JSON"),
             web.json_response(ANSWER | {"faces": []})]
    sent = []

    async def predict(request):
        sent.append(await request.read())
        await asyncio.sleep(0.02)
        return first.pop(0) if first else web.json_response(ANSWER)

    pictures = [Picture(b"one", ANSWER), Picture(b"two", ANSWER)]
    row = on_a_server(1, 1.5, lambda address: clients.caller(address, pictures), predict=predict)
    tally, = row.tallies
    assert sent[:7] == [b"one", b"one", *4 * [b"two"], b"one"], "a picture is sent until it is answered"
    assert tally.refused == 1 and tally.errors == {"status 500": 1, "status 503 without Retry-After": 1,
                                                   "JSONDecodeError": 1, "another answer than alone": 1}
    assert len(tally.seconds) == len(sent) - 4 > 3 and tally.longest > 0.2 + tally.seconds[0]
    cells = dict(zip(load.HEAD, row.cells(), strict=True))
    assert (cells["kind"], cells["clients"], cells["refused"], cells["errors"]) == ("API", "1", "1", "4")
    assert cells["answers"] == cells["fewest"] == f"{len(tally.seconds):,}"
    before, peak, after = row.megabytes
    assert 10 < before <= peak and after <= peak + 50


def test_a_camera_keeps_its_pace_and_comes_back_after_a_refusal(monkeypatch):
    monkeypatch.setattr(clients, "VISIT", 0.4)
    visits = []

    async def live(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        visits.append([])
        if len(visits) == 1:
            await socket.send_json({"error": "2 cameras are connected already"})
            await socket.close(code=clients.BUSY)
        if len(visits) == 3:
            await socket.close(code=1011)
        async for message in socket:
            assert message.type is WSMsgType.BINARY
            visits[-1].append((struct.unpack("<d", message.data[:8])[0], message.data[8:]))
            await socket.send_json(ANSWER)
        return socket

    row = on_a_server(1, 2.0, lambda address: clients.camera(address, [[b"a", b"b"]]), live=live, kind="live")
    tally, = row.tallies
    assert tally.refused == 1 and tally.errors == {"closed with 1011": 1}
    assert [len(visit) for visit in visits[:1] + visits[2:3]] == [0, 0] and len(visits) >= 4
    times, frames = zip(*visits[1], strict=True)
    assert 1 < len(times) <= 0.4 * clients.FPS + 1 and times[0] == pytest.approx(0, abs=0.01)
    assert list(times) == sorted(times) and frames[:2] == (b"a", b"b")
    assert len(tally.seconds) == sum(map(len, visits))


def test_clients_work_at_the_same_time_and_each_has_a_tally():
    present, most = 0, 0

    async def predict(request):
        nonlocal present, most
        present += 1
        most = max(most, present)
        await asyncio.sleep(0.1)
        present -= 1
        return web.json_response(ANSWER)

    row = on_a_server(5, 0.5, lambda address: clients.caller(address, [Picture(b"x", ANSWER)]), predict=predict)
    counts = [len(tally.seconds) for tally in row.tallies]
    assert most == 5 and all(1 <= count <= row.seconds / 0.1 + 1 for count in counts)
    assert all(seconds > 0.09 for tally in row.tallies for seconds in tally.seconds)
    assert float(row.cells()[3]) == pytest.approx(sum(counts) / row.seconds, abs=0.1)


def test_who_got_no_answer_is_named():
    fed, hungry = Tally(seconds=[0.1]), Tally(refused=3)
    hungry.errors["status 500"] += 1_000
    row = load.Row("live", [fed, hungry, hungry], 1.0, 0.0, (1.0, 2.0, 1.0))
    assert load.told([row]) == ["* live, 3 clients: 2,000 x status 500", "* live, 3 clients: 2 of them got no answer"]
    assert load.told([load.Row("api", [fed], 1.0, 0.0, (1.0, 1.0, 1.0))]) == [
        "There was no error, and every client got answers."]
    assert "-" in load.Row("api", [hungry], 1.0, 0.0, (1.0, 1.0, 1.0)).cells(), "no quantile of nothing"


def test_a_server_that_ends_is_one_line():
    ended = SimpleNamespace(poll=lambda: 3, returncode=3)
    with pytest.raises(Failure, match="the server has ended, exit code 3"):
        load.Served("", ended).megabytes()


@pytest.mark.parametrize("options", [["--minutes", "0"], ["--clients", "0"], ["--kinds", "both"]])
def test_options_that_cannot_be_are_refused(options, capsys):
    with pytest.raises(SystemExit):
        load.main(options)
    assert "bench-load: error:" in capsys.readouterr().err


@pytest.mark.slow
def test_the_real_server_answers_two_clients_and_a_long_look_writes_the_report(tmp_path, capsys, monkeypatch):
    model = toy_bundle(tmp_path)
    monkeypatch.setattr(load, "MINUTES", 0.01)
    monkeypatch.setattr(load, "PICTURES", load.PICTURES[:2])
    monkeypatch.setattr(load, "FILM_SECONDS", 0.1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(load.__file__).parents[3]))
    (tmp_path / "reports").mkdir()
    load.main(["--minutes", "0.01", "--clients", "2", "--model", str(model)])
    *table, verdict, last = capsys.readouterr().out.splitlines()
    assert verdict == "There was no error, and every client got answers."
    rows = [dict(zip(load.HEAD, (cell.strip() for cell in line.split("|")[1:-1]), strict=True)) for line in table[2:]]
    assert [row["kind"] for row in rows] == ["API", "live"] and all(row["errors"] == "0" for row in rows)
    assert all(int(row["fewest"]) >= 1 and float(row["MB before"]) > 30 for row in rows)
    assert last == f"bench-load: {load.PAGE}" and "\n".join(table) in load.PAGE.read_text(encoding="utf-8")


def test_a_hasty_look_is_printed_only(tmp_path, capsys, monkeypatch):
    async def measured(served, kind, client, count, seconds):
        return load.Row(kind, [Tally(seconds=[seconds])] * count, seconds, 0.1, (1.0, 1.0, 1.0))

    async def alone(address, data):
        return []

    for name, stand_in in (("measured", measured), ("alone", alone), ("drawn", list), ("films", list),
                           ("serving", lambda model: contextlib.nullcontext(load.Served("", HERE)))):
        monkeypatch.setattr(load, name, stand_in)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports").mkdir()
    model = str(toy_bundle(tmp_path))
    load.main(["--minutes", "0.1", "--clients", "1", "3", "--model", model])
    out = capsys.readouterr().out
    assert "| API | 1 | 1 |" in out and "| live | 3 | 3 | 0.5 | 6000.0 |" in out and not load.PAGE.exists()
    load.main(["--clients", "1", "3", "--kinds", "api", "--model", model])
    assert "| API | 3 | 3 | 0.0 | 300000.0 |" in load.PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_server_that_does_not_start_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(load.__file__).parents[3]))
    with pytest.raises(Failure, match=r"the server does not start: .*bundle"), load.serving(tmp_path):
        pass
