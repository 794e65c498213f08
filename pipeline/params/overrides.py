"""``path=value`` from the command line."""

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.system.failure import Failure


def values_of(pairs: list[str]) -> dict[str, Any]:
    """The values of ``train.epochs=3`` and the like, by path. Raises Failure for anything else."""
    yaml = YAML(typ="safe", pure=True)
    values = {}
    for pair in pairs:
        path, equals, text = pair.partition("=")
        if not equals:
            raise Failure(f"{pair}: expected path=value, as in train.epochs=3")
        try:
            values[path] = yaml.load(text)
        # the last two: numbers and dates that cannot be, and brackets in brackets without end
        except (YAMLError, ValueError, RecursionError) as error:
            reason = " ".join(str(error).split())[:300]
            raise Failure(f"{pair[:100]}: the value is not YAML ({reason})") from error
    return values
