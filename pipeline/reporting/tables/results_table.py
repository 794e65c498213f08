"""``ferpipe results``: README.md's table, and how any table here tells the ledger's entries."""

import json
import re
from collections import defaultdict

from pipeline.params import recipe, resolved
from pipeline.reporting.figures import by_seed, cell, processor, published_ensemble, title
from pipeline.system import project
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure
from pipeline.tracking import ledger

BEGIN, END = "<!-- results -->", "<!-- /results -->"


def table(lines: list[dict]) -> str:
    """The results table in Markdown: one row per recipe, values, protocol, class set and processor, over the seeds."""
    groups = defaultdict(list)
    for line in lines:
        config = {name: value for name, value in resolved.comparable(line["config"]).items() if name != "seed"}
        key = (line["recipe"], line["class_set"], line["protocol"], line["parameters"], processor(line),
               line["source_digest"], json.dumps(line["tuned"]), json.dumps(config, sort_keys=True),
               bool(line.get("quantised")))
        groups[key].append(line)
    rows = [
        "| recipe | classes | protocol | PublicTest | PrivateTest | PrivateTest, flip | test folder | seeds | epochs "
        "| parameters | MB | ms a face | minutes | hardware |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (_, class_set, protocol, parameters, _, _, tuned, _, int8), lines_of in sorted(groups.items()):
        group = by_seed(lines_of)
        cells = [cell(group, split, view) for split, view in
                 (("PublicTest", "single"), ("PrivateTest", "single"), ("PrivateTest", "flip"), ("test", "single"))]
        epochs = sorted({f"{line['epochs']['run']} of {line['epochs']['asked']}" for line in group})
        # another program beside a training makes it longer, nothing makes it shorter
        quick = min(lines_of, key=lambda line: line["minutes"])
        shortest = min((line["milliseconds"] for line in lines_of if "milliseconds" in line), default=None)
        face = "" if shortest is None else f"{shortest:.2f}"
        name = ", ".join([title(group[0]) + (" + search" if tuned != "{}" else ""), *_changes(group[0])])
        name += " in int8" if int8 else ""
        name += f", {group[0]['weights']}" if "weights" in group[0] else ""
        rows.append(f"| {name} | {class_set} | {protocol} | {' | '.join(cells)} | {len(group)} | {', '.join(epochs)} "
                    f"| {parameters / 1e6:.2f} M | {group[0]['onnx_bytes'] / 1e6:.2f} | {face} "
                    f"| {quick['minutes']:.1f} | {quick['hardware']} |")
    return "\n".join(rows)


def _changes(line: dict) -> list[str]:
    """What else was said on the command line or in params.yaml; what has a column is not told again."""
    # an ensemble has no recipe, nor has a model whose recipe was taken out since
    if line["recipe"] not in recipe.names():
        return []
    shown = {"train.epochs", "balance.drop_leaks", *line["tuned"]}
    found = resolved.changed(line["config"], recipe.named(line["recipe"]))
    return resolved.told({path: value for path, value in found.items() if path not in shown})


def fill_in(page: str, text: str) -> str:
    """``page`` with what stands between the results markers replaced."""
    if BEGIN not in page or END not in page:
        raise Failure(f"README.md: the markers {BEGIN} and {END} are missing; put them where the table belongs")
    return re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{text}\n{END}", page, flags=re.DOTALL)


def our_own(lines: list[dict]) -> list[dict]:
    """The entries of this project's own recipes; what compares with the published systems is in reports/recipes.md."""
    return [line for line in lines if not (published_ensemble(line) if line["recipe"] == ledger.ENSEMBLE
                                           else recipe.named(line["recipe"])["published"])]


def main(argv: list[str] | None = None) -> None:
    """Generate README.md's table anew from the ledger."""
    readme = project.root() / "README.md"
    text = table(our_own(ledger.entries()))
    page = fill_in(readme.read_text(encoding="utf-8"), text)
    with atomic_file(readme) as new:
        new.write_text(page, encoding="utf-8")
    print(text)
