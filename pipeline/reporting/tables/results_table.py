"""``ferpipe results``: README.md's table, from the ledger."""

import json
import re
from collections import defaultdict

from pipeline.params import recipe, resolved
from pipeline.reporting.figures import by_seed, cell, processor, published_ensemble, title
from pipeline.system import project
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure
from pipeline.tracking import ledger
from pipeline.tracking.entry import Entry

BEGIN, END = "<!-- results -->", "<!-- /results -->"


def table(entries: list[Entry]) -> str:
    """The results table in Markdown: one row per recipe, values, protocol, class set and processor, over the seeds."""
    groups = defaultdict(list)
    for entry in entries:
        config = {name: value for name, value in resolved.comparable(entry.config).items() if name != "seed"}
        key = (entry.recipe, entry.class_set, entry.protocol, entry.parameters, processor(entry), entry.source_digest,
               json.dumps(entry.tuned), json.dumps(config, sort_keys=True), entry.quantised is not None)
        groups[key].append(entry)
    rows = [
        "| recipe | classes | protocol | PublicTest | PrivateTest | PrivateTest, flip | test folder | seeds | epochs "
        "| parameters | MB | ms a face | minutes | hardware |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (_, class_set, protocol, parameters, *_), every in sorted(groups.items()):
        group = by_seed(every)
        first = group[0]
        cells = [cell(group, split, view) for split, view in
                 (("PublicTest", "single"), ("PrivateTest", "single"), ("PrivateTest", "flip"), ("test", "single"))]
        epochs = sorted({f"{entry.epochs.run} of {entry.epochs.asked}" for entry in group})
        # another program beside a training makes it longer, nothing makes it shorter
        quick = min(every, key=lambda entry: entry.minutes)
        shortest = min((entry.milliseconds for entry in every if entry.milliseconds is not None), default=None)
        face = "" if shortest is None else f"{shortest:.2f}"
        name = ", ".join([title(first) + (" + search" if first.tuned else ""), *_changes(first)])
        name += " in int8" if first.quantised else ""
        name += f", {first.weights}" if first.weights else ""
        rows.append(f"| {name} | {class_set} | {protocol} | {' | '.join(cells)} | {len(group)} | {', '.join(epochs)} "
                    f"| {parameters / 1e6:.2f} M | {first.onnx_bytes / 1e6:.2f} | {face} "
                    f"| {quick.minutes:.1f} | {quick.hardware} |")
    return "\n".join(rows)


def _changes(entry: Entry) -> list[str]:
    """What else was set on the command line or in params.yaml; what has a column is not repeated."""
    # an ensemble has no recipe, nor has a model whose recipe was removed since
    if entry.recipe not in recipe.names():
        return []
    shown = {"train.epochs", "balance.drop_leaks", *entry.tuned}
    changes = resolved.changed(entry.config, recipe.named(entry.recipe))
    return resolved.as_typed({path: value for path, value in changes.items() if path not in shown})


def fill_in(page: str, text: str) -> str:
    """``page`` with what is between the results markers replaced."""
    if BEGIN not in page or END not in page:
        raise Failure(f"README.md: the markers {BEGIN} and {END} are missing; put them where the table belongs")
    return re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{text}\n{END}", page, flags=re.DOTALL)


def our_own(entries: list[Entry]) -> list[Entry]:
    """The entries of this project's own recipes; what compares with the published systems is in reports/recipes.md."""
    return [entry for entry in entries if not (published_ensemble(entry) if entry.recipe == ledger.ENSEMBLE
                                               else recipe.named(entry.recipe)["published"])]


def main(argv: list[str] | None = None) -> None:
    """Generate README.md's table anew from the ledger."""
    readme = project.root() / "README.md"
    text = table(our_own(ledger.entries()))
    page = fill_in(readme.read_text(encoding="utf-8"), text)
    with atomic_file(readme) as new:
        new.write_text(page, encoding="utf-8")
    print(text)
