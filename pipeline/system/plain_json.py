"""JSON that comes from outside: parsed, or refused as no JSON, however deeply it is nested."""

import json
from typing import Any

# Levels of objects and lists. What is nested more deeply is nobody's file, and writing or showing it would fail later
DEEPEST = 50


def parse(text: str | bytes) -> Any:
    """The value that a JSON text holds. Raises ValueError where it is none, or nested in more than DEEPEST levels."""
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST):
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)
                 if isinstance(child, dict | list)]
        if not level:
            return value
    raise ValueError(f"nested too deeply, in more than {DEEPEST} levels")
