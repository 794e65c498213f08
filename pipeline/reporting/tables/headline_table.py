"""README.md's table: what each of this project's recipes reaches, beside the best published single network.

Part of ``ferpipe results``. A recipe has one row: its own values, seven classes, the published protocol, in int8 where
the recipe quantises.
"""

from pipeline.params import params, recipe
from pipeline.reporting.figures import cell
from pipeline.reporting.tables.grouping import Group, groups
from pipeline.tracking.entry import Entry

RECIPES = ("speedrun", "compact", "hour", "edge", "strong")
COLUMNS = ("model", "PrivateTest, %", "extra labels", "size", "ms a face", "training")
# The highest accuracy in a paper for one network trained on FER-2013 alone, as its abstract gives it. The authors'
# published code, as we read it, measures it on PublicTest, while PrivateTest decides when the learning rate falls
PUBLISHED = ("VGG of [Khaireddin & Chen 2021](https://arxiv.org/abs/2105.03588)",
             "73.28 (their figure; not comparable split by split)", "none", "", "", "")


def table(entries: list[Entry]) -> str:
    """The table in Markdown, a row for each of ``RECIPES`` and the published network; *not trained yet* where the
    ledger has no entry."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(row(name, chosen(name, entries)) for name in RECIPES), PUBLISHED]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def chosen(name: str, entries: list[Entry]) -> Group | None:
    """The entries of a recipe's row; of several processors the one with the most seeds, then the one that trained
    last."""
    int8 = quantises(name)
    ours = [entry for entry in entries if entry.recipe == name and entry.protocol == "published"
            and entry.class_set == "7" and not entry.tuned]
    candidates = [group for group in groups(ours) if group.int8 == int8 and not group.changes and _whole(group, name)]
    return max(candidates, key=lambda group: (len(group.seeds), max(entry.finished for entry in group.entries)),
               default=None)


def quantises(name: str) -> bool:
    """Whether the recipe leaves an int8 model."""
    return bool(recipe.named(name).get("quantise", {}).get("int8"))


def _whole(group: Group, name: str) -> bool:
    """Whether all the recipe's epochs were to be run; ``Group.changes`` leaves them out, for other tables' column."""
    return {entry.epochs.asked for entry in group.entries} == {recipe.named(name)["train"]["epochs"]}


def row(name: str, group: Group | None) -> tuple[str, ...]:
    """The cells of one recipe."""
    label = f"`{name}`" + (" in int8" if quantises(name) else "")
    if group is None:
        return label, "not trained yet", "", "", "", ""
    first, quickest = group.seeds[0], group.quickest
    count = len(group.seeds)
    face = "not measured" if group.milliseconds is None else f"{group.milliseconds:.2f}"
    return (label, f"{cell(group.seeds, 'PrivateTest', 'single')}, {count} seed{'s' * (count != 1)}",
            labels(first.config["train"]), f"{first.onnx_bytes / 1e6:.1f} MB", face,
            f"{quickest.minutes:.1f} min, {quickest.hardware}")


def labels(train: dict) -> str:
    """What a training learned from besides FER-2013's labels; ``train`` is that block of the resolved config."""
    teachers = train.get("teachers") or params.Train.model_fields["teachers"].default
    extra = {"votes": "FER+ votes", "teacher": f"teachers `{teachers}`"}
    return ", ".join(text for name, text in extra.items() if train.get(name)) or "none"
