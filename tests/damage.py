"""Strategies for hypothesis: bytes, JSON and texts that went wrong, and what a reader may do with them."""

import copy
import json
import time
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st

from pipeline.system.failure import Failure

# What a field may be by mistake or malice
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**400, 0.5, -0.0, 1e308, float("inf"), float("nan"), "", "a",
    "7", "../x", "/etc/passwd", "..", ".", "C:\\x", "a/b", "\x00", "\n", "\ud800", "\u202e", "x" * 300, "x" * 100_000,
    "1/3", "a,b", "{}", "null", "<b>", "%s", [], {}, [[]], [None], ["a", "a"], [1, "a"], {"a": 1}, {"": ""},
    {"../x": "0" * 64}, {"name": []}, [[[[[[]]]]]],
]
odd = st.sampled_from(ODD).map(copy.deepcopy) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6)


def readable(read: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What a reader returns, None where it refuses in one line, in good time; anything else is a fault of it."""
    begun = time.monotonic()
    try:
        answer = read()
    except Failure as failure:
        sentence = " ".join(str(failure).split())
        assert 10 < len(sentence) < 3000, sentence
        assert "Traceback" not in sentence
        answer = None
    assert time.monotonic() - begun < seconds
    return answer


@st.composite
def damaged(draw, whole: bytes, most: int = 3) -> bytes:
    """A file after some accidents: flipped bits, cut, repeated, lost and foreign pieces."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, most))):
        offset = draw(st.integers(0, max(0, len(data) - 1)))
        accident = draw(st.sampled_from(("flip", "set", "cut", "lose", "repeat", "insert", "number")))
        if not data or accident == "insert":
            data[offset:offset] = draw(st.binary(max_size=40))
        elif accident == "flip":
            data[offset] ^= 1 << draw(st.integers(0, 7))
        elif accident == "set":
            data[offset] = draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF, 0x0A, 0x22, 0x2C, 0x50)))
        elif accident == "number":
            value = draw(st.sampled_from((0, 1, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)))
            data[offset : offset + 4] = value.to_bytes(4, "little")
        elif accident == "cut":
            del data[offset:]
        else:
            piece = data[offset : offset + draw(st.integers(1, 200))]
            data[offset : offset + len(piece)] = b"" if accident == "lose" else piece * 2
    return bytes(data)


def paths_of(tree: Any, above: tuple = ()) -> list[tuple]:
    """Where something stands in a tree of dicts and lists."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree[:3]) if isinstance(tree, list) else ()
    return [above, *(path for key, value in inner for path in paths_of(value, (*above, key)))]


@st.composite
def altered(draw, tree: Any) -> Any:
    """A tree with one to three values replaced by odd ones, taken away or added."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(paths_of(tree)))
        if not path:
            if draw(st.integers(0, 9)) == 0:
                return draw(odd)
            continue
        parent = tree
        for key in path[:-1]:
            parent = parent[key]
        change = draw(st.sampled_from(("replace", "replace", "remove", "add")))
        if change == "replace":
            parent[path[-1]] = draw(odd)
        elif change == "remove":
            del parent[path[-1]]
        elif isinstance(parent, dict):
            parent[draw(st.text(max_size=10))] = draw(odd)
        else:
            parent.append(draw(odd))
    return tree


def broken_json(whole: Any) -> st.SearchStrategy[bytes]:
    """A JSON file that is well-formed with wrong values, or damaged."""
    text = json.dumps(whole)
    written = altered(whole).map(lambda tree: json.dumps(tree).encode("utf-8", "surrogatepass"))
    deep = st.sampled_from([b"[" * 100_000, b'{"a":' * 50_000, b"1" * 5000, b'"\\ud800"', b"\xff\xfe{\x00}\x00", b"",
                            b"NaN", b"-Infinity", b"{} {}", b"\xef\xbb\xbf" + text.encode()])
    return written | damaged(text.encode()) | deep
