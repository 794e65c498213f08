"""``ferpipe results``: README.md's table, and how any table here tells the ledger's entries."""

import json
import re
from collections import Counter, defaultdict

from pipeline import changes, recipe, results
from pipeline.atomic import atomic_file
from pipeline.failure import Failure
from pipeline.intervals import mean_interval

BEGIN, END = "<!-- results -->", "<!-- /results -->"


def title(line: dict) -> str:
    """How a table calls a model: by its recipe, an ensemble by its members' recipes too."""
    if line["recipe"] != results.ENSEMBLE:
        return f"`{line['recipe']}`"
    config = line["config"]
    kinds = Counter(f"`{one['recipe']}`{' in int8' if one['int8'] else ''}"
                    f"{' of 7 classes' if one.get('class_set', line['class_set']) != line['class_set'] else ''}"
                    for one in config["members"].values())
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return f"{ensemble_title(len(config['members']), config['weighting'])}: {told}"


def ensemble_title(size: int, weighting: str) -> str:
    """How a table calls an ensemble, whatever its members."""
    return f"ensemble of {size}, " + ("plain mean" if weighting == "mean" else f"weighted by {weighting}")


def table(lines: list[dict]) -> str:
    """The results table in Markdown: one row per recipe, values, protocol, class set and processor, over the seeds."""
    groups = defaultdict(list)
    for line in lines:
        config = {name: value for name, value in changes.comparable(line["config"]).items() if name != "seed"}
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
    found = changes.changed(line["config"], recipe.named(line["recipe"]))
    return changes.told({path: value for path, value in found.items() if path not in shown})


def processor(line: dict) -> str:
    """What trained an entry, without how many cores of it: two cores and one train the same network."""
    return re.sub(r", \d+ cores?$", "", line["hardware"])


def by_seed(lines: list[dict]) -> list[dict]:
    """One entry a seed: one that was trained again counts once, with its last run."""
    return list({line["seed"]: line for line in sorted(lines, key=lambda line: line["finished"])}.values())


def cell(group: list[dict], split: str, view: str) -> str:
    """``mean_of`` in per cent, as the tables have it."""
    mean, low, high = mean_of(group, split, view)
    return f"{100 * mean:.2f} [{100 * low:.1f}, {100 * high:.1f}]"


def mean_of(group: list[dict], split: str, view: str) -> tuple[float, float, float]:
    """Mean accuracy with the 95 % interval that counts the images and, with several seeds, the seeds."""
    found = [line["figures"][split][view] for line in group]
    return mean_interval([one["accuracy"] for one in found], found[0]["n"])


def fill_in(page: str, text: str) -> str:
    """``page`` with what stands between the results markers replaced."""
    if BEGIN not in page or END not in page:
        raise Failure(f"README.md: the markers {BEGIN} and {END} are missing; put them where the table belongs")
    return re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{text}\n{END}", page, flags=re.DOTALL)


def our_own(lines: list[dict]) -> list[dict]:
    """The entries of this project's own recipes; what compares with the published systems is in reports/recipes.md."""
    return [line for line in lines if not (published_ensemble(line) if line["recipe"] == results.ENSEMBLE
                                           else recipe.named(line["recipe"])["published"])]


def published_ensemble(line: dict) -> bool:
    """Whether the entry is an ensemble of the kind that S3 has a figure for, of six classes."""
    return line["recipe"] == results.ENSEMBLE and line["class_set"] == "6"


def main(argv: list[str] | None = None) -> None:
    """Generate README.md's table anew from the ledger."""
    readme = results.root() / "README.md"
    text = table(our_own(results.entries()))
    page = fill_in(readme.read_text(encoding="utf-8"), text)
    with atomic_file(readme) as new:
        new.write_text(page, encoding="utf-8")
    print(text)
