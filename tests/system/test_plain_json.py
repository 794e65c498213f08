"""JSON from outside is parsed or refused; nesting without end is no bug of this program."""

import pytest

from pipeline.system.plain_json import DEEPEST, parse


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def test_what_a_file_of_this_project_holds_is_parsed():
    assert parse(b'{"a": [1, {"b": null}]}') == {"a": [1, {"b": None}]} and parse("3") == 3
    assert parse(nested(DEEPEST))


@pytest.mark.parametrize("text", ["", "{", b"\xff\xfe", nested(DEEPEST + 1), nested(900), nested(100_000),
                                  '{"a": ' * 60 + "1" + "}" * 60, "1" * 5000])
def test_anything_else_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        parse(text)
