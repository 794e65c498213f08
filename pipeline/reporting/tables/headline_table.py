"""README.md's table: what each of this project's recipes reaches, beside the best published single network.

Part of ``ferpipe results``. A recipe has one row: its own values, seven classes, the published protocol, in int8 where
the recipe quantises. One that learns from extra labels has another row below, the same without them; but not one that
starts from weights that did.
"""

from pipeline.params import recipe
from pipeline.reporting.extra_labels import NONE, extra_labels, of_recipe
from pipeline.reporting.figures import cell
from pipeline.reporting.tables.grouping import Group, groups
from pipeline.tracking.entry import Entry
from pipeline.training import start

RECIPES = ("speedrun", "compact", "hour", "edge", "camera", "strong")
COLUMNS = ("model", "PrivateTest, %", "extra labels", "size", "ms per face", "training")
# The values that take the extra labels from a recipe
WITHOUT = ("train.teacher 0", "train.votes 0")
# The highest accuracy in a paper for one network trained on FER-2013 alone, as its abstract gives it. The authors'
# published code, as we read it, measures it on PublicTest, while PrivateTest decides when the learning rate falls
PUBLISHED = ("VGG of [Khaireddin & Chen 2021](https://arxiv.org/abs/2105.03588)",
             "73.28 (their figure; not comparable split by split)", "none", "", "", "")


def table(entries: list[Entry]) -> str:
    """The table in Markdown, a row for each of ``RECIPES`` and the published network, one more for each recipe without
    its extra labels; *not run yet* where the ledger has no entry."""
    rows = [COLUMNS, ("---",) * len(COLUMNS)]
    for name in RECIPES:
        rows.append(row(name, chosen(name, entries)))
        if of_recipe(name) != NONE and not _starts(name):
            rows.append(row(name, chosen(name, entries, without=True), without=True))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [*rows, PUBLISHED])


def chosen(name: str, entries: list[Entry], without: bool = False) -> Group | None:
    """The entries of a recipe's row; of several processors the one with the most seeds, then the one that trained
    last.

    Args:
        without: those that learned from FER-2013's labels alone and are the recipe's in all else.
    """
    int8 = quantises(name)
    ours = [entry for entry in entries if entry.recipe == name and entry.protocol == "published"
            and entry.class_set == "7" and not entry.tuned]
    candidates = [group for group in groups(ours) if group.int8 == int8 and _whole(group, name)
                  and (_without(group) if without else not group.changes)]
    return max(candidates, key=lambda group: (len(group.seeds), max(entry.finished for entry in group.entries)),
               default=None)


def _without(group: Group) -> bool:
    return extra_labels(group.seeds[0]) == NONE and set(group.changes) <= set(WITHOUT)


def _starts(name: str) -> bool:
    """Whether the recipe goes on from a trained network's weights."""
    return recipe.named(name)["model"].get("weights") in start.names()


def quantises(name: str) -> bool:
    """Whether the recipe leaves an int8 model."""
    return bool(recipe.named(name).get("quantise", {}).get("int8"))


def _whole(group: Group, name: str) -> bool:
    """Whether all the recipe's epochs were to be run; ``Group.changes`` leaves them out, for other tables' column."""
    return {entry.epochs.asked for entry in group.entries} == {recipe.named(name)["train"]["epochs"]}


def row(name: str, group: Group | None, without: bool = False) -> tuple[str, ...]:
    """The cells of one recipe, or of the same ``without`` its extra labels."""
    label = f"`{name}`" + (" in int8" if quantises(name) else "") + (" without" if without else "")
    labels = NONE if without else of_recipe(name)
    if group is None:
        return label, "not run yet", labels, "", "", ""
    first, quickest = group.seeds[0], group.quickest
    figure = cell(group.seeds, "PrivateTest", "single")
    if len(group.seeds) > 1:
        figure += f", seeds: {len(group.seeds)}"
    face = "not measured" if group.milliseconds is None else f"{group.milliseconds:.2f}"
    return (label, figure, labels, f"{first.onnx_bytes / 1e6:.1f} MB", face,
            f"{quickest.minutes:.1f} min, {quickest.hardware}")
