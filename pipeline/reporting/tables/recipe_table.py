"""``ferpipe recipes``: reports/recipes.md, what each published recipe's authors report and what it gives here.

Every recipe with a ``published`` block has a row, also before its first run; the rest comes from the ledger.
"""

from collections import defaultdict
from collections.abc import Iterable

from pipeline.params import recipe as recipes
from pipeline.params import resolved
from pipeline.reporting import figures
from pipeline.reporting.bench import throughput
from pipeline.reporting.tables import ensemble_table, recipe_picture
from pipeline.system import project
from pipeline.system.atomic import atomic_file
from pipeline.tracking import ledger

HEAD = """\
# The published systems as recipes

`dvc exp run -S recipe=NAME` trains a row; each recipe's header in [pipeline/recipes](../pipeline/recipes) cites the
source and tells what is ours. A name ending in `_plus` is a sibling: the same kind of network, changed by us to train
within two hours of two cores, beside the figure of the recipe that is named there. *FER+ votes* and `train.votes` mark
what has learned from labels that the authors did not have. Accuracies in per cent, single view, with a 95 % interval:
Wilson's over the images where there is one seed, Student's t over the seeds where there are several; **bold** is at or
above the published figure. *Split* is where that figure was measured: `test` is the folder edition's test folder,
PublicTest and PrivateTest together. We choose epochs and the siblings' values on PublicTest (some authors chose the
epoch on the test folder). Parameters are ours, the authors' count in brackets; hours are the quickest net's; what all
epochs of a run that was cut would take is told from its own, and what a recipe that was not run would take by
[the bench](bench-train.md). A row with other values than the recipe's names them.
Generated from [the ledger](results) by `ferpipe recipes`.

![Accuracy of every recipe that was run at full length, with its interval, beside the published figure](recipes.png)

| recipe | split | classes | published | ours | ours, PublicTest | epochs run of asked | parameters \
| hours and hardware | seeds |
|---|---|---|---|---|---|---|---|---|---|
"""


def differs(line: dict, recipe: dict) -> str:
    """Where an entry's values differ from its recipe's (the epochs have a column), and the weights it started from."""
    told = [] if line["class_set"] == recipe["classes"] else [f"{line['class_set']} classes"]
    told += ["in int8"] if line.get("quantised") else []
    told += resolved.told({path: value for path, value in resolved.changed(line["config"], recipe).items()
                          if path != "train.epochs"})
    return ", ".join(told + ([line["weights"]] if "weights" in line else []))


def cut(line: dict, recipe: dict) -> bool:
    """Whether it ran all the epochs that it was given, which were fewer than the recipe's."""
    return line["epochs"]["run"] == line["epochs"]["asked"] < recipe["train"]["epochs"]


def epochs(line: dict, recipe: dict) -> str:
    """``28 of 50``, with what ended the run before the recipe's own number."""
    run, own = line["epochs"]["run"], recipe["train"]["epochs"]
    if run < line["epochs"]["asked"]:
        why = " (ended by its rule)"
    else:
        why = " (cut by the hours at hand)" if cut(line, recipe) else " (longer than asked)" if run > own else ""
    return f"{run} of {own}{why}"


def groups(recipe: dict, lines: list[dict]) -> list[tuple[str, list[dict]]]:
    """A recipe's entries, one a seed, parted by changed values, data, processor and epochs; with the changes told."""
    found = defaultdict(list)
    for line in lines:
        key = differs(line, recipe), figures.processor(line), line["source_digest"], line["epochs"]["asked"]
        found[key].append(line)
    return [(told, figures.by_seed(group)) for (told, *_), group in sorted(found.items())]


def rows(name: str, recipe: dict, lines: list[dict], timed: dict[str, dict]) -> list[str]:
    """The rows of one recipe: one per changed values, data and processor, over the seeds.

    ``timed`` are bench-train's rows by recipe.
    """
    about = recipe["published"]
    accuracy, split = about["accuracy"], about["split"]
    published = "not given" if accuracy is None else f"{100 * accuracy:.2f}"
    published += f" by `{about['by']}`" if "by" in about else ""
    labels = ", FER+ votes" if recipe["train"].get("votes") else ""
    theirs = f" ({about['parameters'] / 1e6:.1f} M)" if about.get("parameters") else ""
    if not lines:
        needs = f"would take {throughput.hours(timed[name]):.1f} h, {timed[name]['machine']}" if name in timed else ""
        return [f"| `{name}`{labels} | {split} | {recipe['classes']} | {published} | not run yet | | 0 of "
                f"{recipe['train']['epochs']} |{theirs} | {needs} | 0 |"]
    found = []
    for told, group in groups(recipe, lines):
        ours, chosen = (figures.cell(group, part, "single") for part in (split, "PublicTest"))
        mean, *_ = figures.mean_of(group, split, "single")
        longer = group[0]["epochs"]["run"] > recipe["train"]["epochs"]
        if accuracy is not None and mean >= accuracy and group[0]["class_set"] == recipe["classes"] and not longer:
            ours = f"**{ours.replace(' ', '** ', 1)}"
        quick = min(group, key=lambda line: line["minutes"])
        run = ", ".join(sorted({epochs(line, recipe) for line in group}))
        done, own = quick["epochs"]["run"], recipe["train"]["epochs"]
        whole = f"; all {own} would take {quick['minutes'] / 60 * own / done:.1f} h" if cut(quick, recipe) else ""
        extra = ("" if "train.votes" in told else labels) + (", " + told if told else "")
        found.append(f"| `{name}`{extra} | {split} | {group[0]['class_set']} | {published} | {ours} | {chosen} "
                     f"| {run} | {group[0]['parameters'] / 1e6:.2f} M{theirs} "
                     f"| {quick['minutes'] / 60:.1f} h, {quick['hardware']}{whole} | {len(group)} |")
    return found


def by_system(lines: list[dict]) -> list[tuple[str, dict, list[dict]]]:
    """Every published recipe with its name and its entries, in the order of their titles, S1 first."""
    by_recipe = defaultdict(list)
    for line in lines:
        by_recipe[line["recipe"]].append(line)
    every = {name: recipes.named(name) for name in recipes.names()}
    published = sorted((recipe["title"][:2], name) for name, recipe in every.items() if recipe["published"])
    return [(name, every[name], by_recipe[name]) for _, name in published]


def page(lines: list[dict], timed: Iterable[dict] = ()) -> str:
    """reports/recipes.md of these ledger entries and bench-train's rows."""
    by_recipe = {row["recipe"]: row for row in timed}
    told = "\n".join(row for found in by_system(lines) for row in rows(*found, by_recipe))
    return HEAD + told + "\n" + ensemble_table.section(lines)


def picture(lines: list[dict]) -> list[recipe_picture.Row]:
    """What stands in the picture: every row of a recipe with its own classes that was run as long as it asks for."""
    found = []
    for name, recipe, own in by_system(lines):
        about = recipe["published"]
        found += [recipe_picture.Row(f"{recipe['title'][:2]}  {name}", about["accuracy"], group, about["split"])
                  for told, group in groups(recipe, own)
                  if not told and group[0]["epochs"]["asked"] == recipe["train"]["epochs"]]
    return found + ensemble_table.picture(lines)


def main(argv: list[str] | None = None) -> None:
    """Generate reports/recipes.md and its picture anew from the recipes and the ledger."""
    lines = ledger.entries()
    text = page(lines, throughput.kept())
    path = project.root() / "reports" / "recipes.md"
    recipe_picture.draw(path.with_suffix(".png"), picture(lines))
    with atomic_file(path) as new:
        new.write_text(text, encoding="utf-8")
    print(text)
    print(f"recipes: {path}")
