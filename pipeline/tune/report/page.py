"""study.html: one self-contained page with the verdict, the ten best trials, those cut short, and the pictures.

The page is study.html.jinja, beside this file. It escapes whatever it is given: a study may come from a database that
others write to.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.system.atomic import atomic_file, atomic_folder
from pipeline.tune.report import pictures
from pipeline.tune.report.facts import Facts, typed

# In a data set's reports: the page, and the folder of its pictures
PAGE, PICTURES = "study.html", "study"


def write(reports: Path, facts: Facts) -> None:
    """Write the page and the pictures of a study into a data set's reports; the same study gives the same bytes."""
    reports.mkdir(parents=True, exist_ok=True)
    importances = pictures.importances(facts)
    with atomic_folder(reports / PICTURES) as folder:
        texts = pictures.write(folder, facts, importances)
        shown = [{"text": text, "data": base64.b64encode((folder / name).read_bytes()).decode()}
                 for name, text in texts.items()]
    _render(reports, {"title": f"Study {facts.name}", "facts": facts, "pictures": shown, "absent": "",
                      "importances": importances, "verdict": facts.verdict,
                      "words": words(facts.verdict)})


def write_none(reports: Path, why: str) -> None:
    """The same files where there is no study; ``why`` says so."""
    reports.mkdir(parents=True, exist_ok=True)
    with atomic_folder(reports / PICTURES) as folder:
        pictures.none(folder, why)
    _render(reports, {"title": "No study", "absent": why})


def words(verdict: Mapping[str, Any]) -> tuple[str, str, str]:
    """The verdict's style, its headline and its reason; empty while there is none."""
    if not verdict:
        return "warn", "The study goes on", "What follows is as far as it has come."
    if "front" in verdict:
        return ("good", f"A front of {len(verdict['front'])} trials",
                "Nothing is taken by itself: choose a trial from the table, and set its values in params.yaml.")
    finalists = verdict.get("finalists", [])
    if not finalists and (recipe := verdict.get("recipe_accuracy")) is not None:
        return ("warn", "The recipe's own values are kept",
                f"At full length they get {100 * recipe:.2f} % of PublicTest right, which no trial could beat beyond "
                "chance, so that none was trained at full length.")
    if not finalists and (better := verdict.get("best_trial")):
        return ("warn", "The recipe's own values are kept",
                f"Trial {better} was the most accurate after the short schedule, but `tune.finalists` is 0: none was "
                "trained at full length, without which none is taken.")
    if not finalists:
        return ("warn", "The recipe's own values are kept",
                "No trial was more accurate than the recipe's own, so that none was trained at full length.")
    winner = next((row for row in finalists if row["trial"] == verdict.get("taken")), None)
    if winner is None:
        best = finalists[0]
        if best.get("stopped"):
            return ("warn", "The recipe's own values are kept",
                    f"At full length trial {best['trial']} was stopped after epoch {best['stopped']}, "
                    f"{-100 * best['gain']:.2f} points behind the recipe.")
        return ("warn", "The recipe's own values are kept",
                f"At full length trial {best['trial']} is {100 * best['gain']:+.2f} points against the recipe, and the "
                f"probability that this is a gain is {best['probability']:.4f}; {best['needed']:.4f} is needed among "
                "so many trials.")
    return ("good", f"Trial {winner['trial']} is taken",
            f"At full length it is {100 * winner['gain']:+.2f} points against the recipe, and the probability that "
            f"this is a gain is {winner['probability']:.4f}; {winner['needed']:.4f} is needed among so many trials.")


def _render(reports: Path, values: dict[str, Any]) -> None:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True,
                              lstrip_blocks=True, undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["typed"] = typed
    environment.filters["percent"] = lambda share: "" if share is None else f"{100 * share:.2f} %"
    with atomic_file(reports / PAGE) as new:
        new.write_text(environment.get_template(f"{PAGE}.jinja").render(values), encoding="utf-8")
