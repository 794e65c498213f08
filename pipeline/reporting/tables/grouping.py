"""Which entries of the ledger share a row of a table: seeds of one training on one kind of processor."""

import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from pipeline.params import recipe, resolved
from pipeline.reporting import figures
from pipeline.tracking.entry import Entry


@dataclass(frozen=True)
class Group:
    """The entries of one row, a seed that was trained again included with every run."""

    entries: list[Entry]

    @cached_property
    def seeds(self) -> list[Entry]:
        """One entry a seed, its last run."""
        return figures.by_seed(self.entries)

    @property
    def quickest(self) -> Entry:
        """The entry with the fewest minutes: another program beside a training makes it longer, nothing shorter."""
        return min(self.entries, key=lambda entry: entry.minutes)

    @property
    def milliseconds(self) -> float | None:
        """Of one face on one thread, the least that was measured, for the same reason; None where nobody measured."""
        return min((entry.milliseconds for entry in self.entries if entry.milliseconds is not None), default=None)

    @property
    def int8(self) -> bool:
        return self.entries[0].quantised is not None

    @property
    def changes(self) -> list[str]:
        """The values that are not the recipe's, as ``path value``; the search's and what has a column are left out."""
        entry = self.seeds[0]
        # neither an ensemble nor a model whose recipe has been removed since has a recipe
        if entry.recipe not in recipe.names():
            return []
        shown = {"train.epochs", "balance.drop_leaks", *entry.tuned}
        changed = resolved.changed(entry.config, recipe.named(entry.recipe))
        return resolved.as_typed({path: value for path, value in changed.items() if path not in shown})


def groups(entries: list[Entry]) -> list[Group]:
    """The entries by recipe, values, protocol, class set, data and processor, sorted by those."""
    grouped = defaultdict(list)
    for entry in entries:
        config = {name: value for name, value in resolved.comparable(entry.config).items() if name != "seed"}
        key = (entry.recipe, entry.class_set, entry.protocol, entry.parameters, figures.processor(entry),
               entry.source_digest, json.dumps(entry.tuned), json.dumps(config, sort_keys=True),
               entry.quantised is not None)
        grouped[key].append(entry)
    return [Group(group) for _, group in sorted(grouped.items())]
