"""The names under which the server answers, and what it says to another one."""

import asyncio

import pytest

from pipeline.demo.web.guard import Guard
from pipeline.demo.web.main import LOOPBACK, _arguments, hosts


def get(host: str, allowed: tuple[str, ...]) -> tuple[int, str]:
    """The answer to a request with this Host header; 200 where it is passed on."""
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "headers": [(b"host", host.encode("latin-1"))]}
    asyncio.run(Guard(app, allowed)(scope, None, send))
    return sent[0]["status"], sent[1]["body"].decode()


def test_a_foreign_name_is_told_the_option_that_allows_it_and_then_it_works():
    status, answer = get("Faces.Example:443", LOOPBACK)
    assert status == 421 and len(answer.splitlines()) == 1
    hint = answer[answer.index("ferpipe web ") :].split()[2:]
    args = _arguments(hint)
    assert args.allow_host == ["faces.example"]
    allowed = hosts(args.host, args.allow_host)
    assert get("faces.example", allowed)[0] == get("localhost:8000", allowed)[0] == 200
    assert get("elsewhere.example", allowed)[0] == 421


@pytest.mark.parametrize("name", ["", "<b>x</b>", "x; rm -rf ~", "$(id)", "-o", "x" * 400, "\xe4.example"])
def test_what_is_no_plain_name_is_not_repeated(name):
    status, answer = get(name, LOOPBACK)
    assert status == 421 and "--allow-host NAME" in answer and (not name or name not in answer)


@pytest.mark.parametrize("address, names, answered, refused", [
    ("127.0.0.1", [], "localhost", "faces.example"),
    ("127.0.0.1", ["faces.example", "Other.Example"], "other.example", "else.example"),
    ("0.0.0.0", [], "anything.example", None),
    ("0.0.0.0", ["faces.example"], "faces.example", "anything.example"),
    ("192.0.2.7", ["faces.example"], "192.0.2.7:8000", "anything.example"),
    ("127.0.0.1", ["*"], "anything.example", None),
])
def test_names_are_checked_unless_other_machines_may_connect_and_none_is_named(address, names, answered, refused):
    allowed = hosts(address, names)
    assert get(answered, allowed)[0] == get("127.0.0.1:8000", allowed)[0] == 200
    assert refused is None or get(refused, allowed)[0] == 421
