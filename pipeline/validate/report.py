"""validation.html: one self-contained page with the verdict, every expectation and the counts; no pictures of faces.

The page is page.html.jinja, beside this file. It escapes whatever it is given, because a source, a note or an id may
come from a file that somebody else made.
"""

from pathlib import Path
from typing import Any

from pipeline.faces.manifest import Counts
from pipeline.validate.result import Check, Result


def page(result: Result) -> str:
    """The page for what ``checks.validate`` returned; the same result gives the same bytes."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True,
                              lstrip_blocks=True, undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["thousands"] = lambda number: f"{number:,}"
    checks = sorted(({**check, "state": _state(check)} for check in result["expectations"]),
                    key=lambda check: ("failed", "warning", "holds").index(check["state"]))
    return environment.get_template("page.html.jinja").render(
        {**result, "expectations": checks, "charts": _charts(result["counts"])})


def _state(check: Check) -> str:
    """``holds``, or what its severity makes of an expectation that does not: ``failed`` or ``warning``."""
    return "holds" if check["success"] else "failed" if check["severity"] == "critical" else "warning"


def _charts(counts: Counts) -> list[dict[str, Any]]:
    """A bar chart per split: its images, their share of all, and each class's share of the split; all from 0 to 1.

    ``length`` is a bar's part of the longest bar of all charts, so that the shares can be compared across splits.
    """
    totals = {split: max(sum(row.values()), 1) for split, row in counts.items()}
    longest = max(n / totals[split] for split, row in counts.items() for n in row.values()) or 1
    images = max(sum(sum(row.values()) for row in counts.values()), 1)
    return [{"split": split, "images": sum(row.values()), "share": sum(row.values()) / images,
             "bars": [{"name": name, "share": n / totals[split], "length": n / totals[split] / longest}
                      for name, n in row.items()]}
            for split, row in counts.items()]
