"""``ferpipe recipes``: reports/recipes.md, what each published recipe's authors report and what it gives here.

Every recipe with a ``published`` block has a row, also before its first run; the rest comes from the ledger.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable

from pipeline.params import recipe as recipes
from pipeline.params import resolved
from pipeline.reporting import figures
from pipeline.reporting.bench import throughput
from pipeline.reporting.extra_labels import NONE, extra_labels, of_recipe
from pipeline.reporting.tables import ensemble_table, recipe_picture
from pipeline.system import project
from pipeline.system.atomic import atomic_file
from pipeline.tracking import ledger
from pipeline.tracking.entry import Entry

HEAD = """\
# The published systems as recipes

`dvc exp run -S recipe=NAME` trains a row; each recipe's header in [pipeline/recipes](../pipeline/recipes) cites the
source and says what is ours. A name ending in `_plus` is a sibling: the same kind of network, changed by us to train
in 20 minutes to three and a half hours of one core, beside the figure of the recipe that its row names. *Extra
labels* are those that the authors did not have. Accuracies in per cent, single view, with a 95 % interval: Wilson's
over the images for a single seed, Student's t over the seeds, for this fixed test set, for several; **bold** is at or
above the published figure on the same split and without extra labels. *Split* is where that figure was measured:
`test` is the folder edition's test folder, PublicTest and PrivateTest together. S5 does not name its split: ours are
on the test folder and not comparable. We choose epochs and the siblings' values on PublicTest (some authors chose the
epoch on the test folder). Parameters are ours, the authors' count in brackets; hours are the fastest seed's. How long
all epochs would take is extrapolated from the epochs that were run, or for a recipe that was not run from [the
training benchmark](bench-train.md). A row names the values that differ from its recipe's. All train by the protocol
*published*, with the copies of test images in Training, unless a row names `balance.drop_leaks`; n = 3,589 for
PublicTest and for PrivateTest, 7,178 for `test`. Generated from [the ledger](results) by `ferpipe recipes`.

![Accuracy of every recipe that was run at full length with its own values, with its interval, beside the published
figure; squares learned from extra labels](recipes.png)

| recipe | extra labels | split | classes | published | ours | ours, PublicTest | epochs run of the recipe's \
| parameters | hours and hardware | seeds |
|---|---|---|---|---|---|---|---|---|---|---|
"""


def differs(entry: Entry, recipe: dict) -> str:
    """Where an entry's values differ from its recipe's (the epochs have a column), and the weights it started from."""
    differences = [] if entry.class_set == recipe["classes"] else [f"{entry.class_set} classes"]
    differences += ["in int8"] if entry.quantised else []
    differences += resolved.as_typed({path: value for path, value in resolved.changed(entry.config, recipe).items()
                                      if path != "train.epochs"})
    return ", ".join(differences + ([entry.weights] if entry.weights else []))


def cut(entry: Entry, recipe: dict) -> bool:
    """Whether it ran all the epochs that it was given, which were fewer than the recipe's."""
    return entry.epochs.run == entry.epochs.asked < recipe["train"]["epochs"]


def epochs(entry: Entry, recipe: dict) -> str:
    """``28 of 50``, with what ended the run before the recipe's own number."""
    run, whole = entry.epochs.run, recipe["train"]["epochs"]
    if run < entry.epochs.asked:
        why = " (ended by its rule)"
    else:
        longer = " (longer than the recipe's)" if run > whole else ""
        why = " (shortened to save time)" if cut(entry, recipe) else longer
    return f"{run} of {whole}{why}"


def groups(recipe: dict, entries: list[Entry]) -> list[tuple[str, list[Entry]]]:
    """A recipe's entries, one per seed, grouped by changed values, data, processor and epochs; with the changes."""
    grouped = defaultdict(list)
    for entry in entries:
        key = differs(entry, recipe), figures.processor(entry), entry.source_digest, entry.epochs.asked
        grouped[key].append(entry)
    return [(changes, figures.by_seed(group)) for (changes, *_), group in sorted(grouped.items())]


def rows(name: str, recipe: dict, entries: list[Entry], timed: dict[str, throughput.Speed]) -> list[str]:
    """The rows of one recipe: one per changed values, data and processor, over the seeds.

    ``timed`` are bench-train's rows by recipe.
    """
    published = recipe["published"]
    accuracy, split = published["accuracy"], published["split"]
    theirs = "not given" if accuracy is None else f"{100 * accuracy:.2f}"
    theirs += f" by `{published['by']}`" if "by" in published else ""
    where = split if published.get("split_named", True) else f"not named, ours: {split}"
    size = f" ({published['parameters'] / 1e6:.1f} M)" if published.get("parameters") else ""
    whole = recipe["train"]["epochs"]
    if not entries:
        needs = f"would take {throughput.hours(timed[name]):.1f} h, {timed[name]['machine']}" if name in timed else ""
        return [f"| `{name}` | {of_recipe(name)} | {where} | {recipe['classes']} | {theirs} | not run yet | | 0 of "
                f"{whole} |{size} | {needs} | 0 |"]
    text = []
    for changes, group in groups(recipe, entries):
        first = group[0]
        ours, chosen = (figures.cell(group, part, "single") for part in (split, "PublicTest"))
        mean, *_ = figures.mean_of(group, split, "single")
        labels, longer = extra_labels(first), first.epochs.run > whole
        comparable = where == split and labels == NONE and first.class_set == recipe["classes"] and not longer
        if accuracy is not None and mean >= accuracy and comparable:
            ours = f"**{ours.replace(' ', '** ', 1)}"
        quick = min(group, key=lambda entry: entry.minutes)
        run = ", ".join(sorted({epochs(entry, recipe) for entry in group}))
        would = f"; all {whole} would take {quick.minutes / 60 * whole / quick.epochs.run:.1f} h" \
            if cut(quick, recipe) else ""
        extra = ", " + changes if changes else ""
        text.append(f"| `{name}`{extra} | {labels} | {where} | {first.class_set} | {theirs} | {ours} | {chosen} "
                    f"| {run} | {first.parameters / 1e6:.2f} M{size} "
                    f"| {quick.minutes / 60:.1f} h, {quick.hardware}{would} | {len(group)} |")
    return text


def by_system(entries: list[Entry]) -> list[tuple[str, dict, list[Entry]]]:
    """Every published recipe with its name and its entries, in the order of their titles, S1 first."""
    by_recipe = defaultdict(list)
    for entry in entries:
        by_recipe[entry.recipe].append(entry)
    by_name = {name: recipes.named(name) for name in recipes.names()}
    published = sorted((recipe["title"][:2], name) for name, recipe in by_name.items() if recipe["published"])
    return [(name, by_name[name], by_recipe[name]) for _, name in published]


def page(entries: list[Entry], timed: Iterable[throughput.Speed] = ()) -> str:
    """reports/recipes.md of these ledger entries and bench-train's rows."""
    timed_by_recipe = {row["recipe"]: row for row in timed}
    table = "\n".join(row for system in by_system(entries) for row in rows(*system, timed_by_recipe))
    return HEAD + table + "\n" + ensemble_table.section(entries)


def picture(entries: list[Entry]) -> list[recipe_picture.Row]:
    """What is in the picture: every row with its recipe's own values and classes that was run for all of its epochs."""
    drawn = []
    for name, recipe, of_system in by_system(entries):
        published = recipe["published"]
        drawn += [recipe_picture.Row(f"{recipe['title'][:2]}  {name}", published["accuracy"], group,
                                     published["split"], extra_labels(group[0]), published.get("split_named", True))
                  for changes, group in groups(recipe, of_system)
                  if not changes and group[0].epochs.asked == recipe["train"]["epochs"]]
    return drawn + ensemble_table.picture(entries)


def main(argv: list[str] | None = None) -> None:
    """Generate reports/recipes.md and its picture anew from the recipes and the ledger."""
    argparse.ArgumentParser("ferpipe recipes", description=main.__doc__).parse_args(argv)
    entries = ledger.entries()
    text = page(entries, throughput.kept())
    path = project.root() / "reports" / "recipes.md"
    recipe_picture.draw(path.with_suffix(".png"), picture(entries))
    with atomic_file(path) as new:
        new.write_text(text, encoding="utf-8")
    print(text)
    print(f"recipes: {path}")
