"""Completion by the Tab key: a shell's script, made by shtab from the commands' own argparse parsers."""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest import mock

SHELLS = ("bash", "zsh", "fish")


class _Caught(Exception):
    """Carries a parser out of the ``main`` that made it."""

    def __init__(self, parser: argparse.ArgumentParser):
        self.parser = parser


def parser_of(main: Callable[[list[str]], None]) -> argparse.ArgumentParser | None:
    """The parser that a ``main(argv)`` makes before it does anything else.

    None where its module does not import argparse: such a command has no options, and calling it would run it.
    """
    if not hasattr(sys.modules[main.__module__], "argparse"):
        return None

    def catch(parser: argparse.ArgumentParser, *arguments, **named):
        raise _Caught(parser)

    with mock.patch.object(argparse.ArgumentParser, "parse_known_args", catch):
        try:
            main([])
        except _Caught as caught:
            return caught.parser
    return None


def script(
    program: str,
    commands: Mapping[str, tuple[argparse.ArgumentParser | None, str]],
    shell: str,
    choices: Mapping[str, list[str]],
) -> str:
    """The script that completes a program's commands, their options, file names and known words.

    Args:
        program: What a person types.
        commands: By name, a command's parser (None completes the name alone) and what it does.
        shell: One of ``SHELLS``.
        choices: The words for arguments, by their names: ``{"RECIPE": ["compact", ...]}``.
    """
    import shtab

    root = argparse.ArgumentParser(program)
    children = root.add_subparsers(dest="command")
    for name, (parser, purpose) in commands.items():
        # add_help: the command's own parser brings --help along
        child = children.add_parser(name, help=purpose, add_help=parser is None, parents=[parser] if parser else [],
                                    description=purpose)
        for action in child._actions:
            words = choices.get(str(action.metavar or action.dest).upper())
            if words is not None:
                action.choices = words
            elif action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    return shtab.complete(root, shell)
