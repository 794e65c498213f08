"""The ensembles' part of reports/recipes.md: S3's published ensembles beside ours, from the ledger."""

import json
from collections.abc import Mapping

from pipeline.faces import protocols
from pipeline.reporting import figures
from pipeline.reporting.extra_labels import NONE, extra_labels
from pipeline.reporting.tables.recipe_picture import Row
from pipeline.tracking.entry import Entry
from pipeline.tracking.ledger import WEIGHTINGS

HEAD = """
## Ensembles of six classes (S3)

`ferpipe ensemble MEMBER... --search` merges trained models into one bundle, in S3's three ways: a plain mean of the
members' probabilities, weighted by their accuracy, or by their recall of each class. Weights and members are chosen
on PublicTest; where many subsets were tried there, *ours, PublicTest* is the maximum over all of them and so
optimistic, while PrivateTest was read for the chosen one alone. Where S3 has no figure for an ensemble of the same size
and weighting, its best one is given. Members of seven classes have their probabilities of disgust and angry added up.
S3 finds nine members better than eleven under every weighting{compared}. [A replication](replications.md) tests this
with S3's own networks.

| ensemble | extra labels | split | published | ours | ours, PublicTest | tried on PublicTest | parameters \
| hours and hardware |
|---|---|---|---|---|---|---|---|---|
"""
# Accuracy on PrivateTest by number of members and weighting
PUBLISHED = {(9, "mean"): 0.7141, (9, "accuracy"): 0.7141, (9, "recall"): 0.7152,
             (11, "mean"): 0.7095, (11, "accuracy"): 0.7039, (11, "recall"): 0.7095}
BEST = (9, "recall")


def ensembles(entries: list[Entry]) -> list[Entry]:
    """The six-class ensembles among these ledger entries, those with the most members first; one that was made again
    counts once."""
    ordered = sorted(filter(figures.published_ensemble, entries), key=lambda entry: (-_kind(entry)[0], entry.finished))
    unique = {}
    for entry in ordered:
        config = entry.config
        unique[json.dumps([config["weighting"], config.get("search"), sorted(config["members"])])] = entry
    return list(unique.values())


def picture(entries: list[Entry]) -> list[Row]:
    """The ensembles' rows of the picture: all of them, beside the published figure that their table row names."""
    by_bundle = {entry.bundle: entry for entry in entries}
    return [Row("S3  ensemble of {}, by {}".format(*_kind(entry)), PUBLISHED.get(_kind(entry), PUBLISHED[BEST]),
                [entry], "PrivateTest", extra_labels(entry, by_bundle)) for entry in ensembles(entries)]


def section(entries: list[Entry]) -> str:
    """A row for every six-class ensemble, and for every size and weighting of S3's that we do not have."""
    ours, by_bundle = ensembles(entries), {entry.bundle: entry for entry in entries}
    rows = [row(entry, by_bundle) for entry in ours]
    for kind, published in PUBLISHED.items():
        if kind not in map(_kind, ours):
            title = figures.ensemble_title(*kind)
            rows.append(f"| {title} | | PrivateTest | {100 * published:.2f} | not run yet | | | | |")
    return HEAD.format(compared=_nine_and_eleven(ours)) + "\n".join(rows) + "\n"


def _nine_and_eleven(ours: list[Entry]) -> str:
    """Nine members against eleven here, for every weighting with both; of several such ensembles the last one."""
    accuracies = {_kind(entry): entry.figures["PrivateTest"]["single"]["accuracy"] for entry in ours
                  if entry.protocol == "published"}
    both = [weighting for weighting in WEIGHTINGS if {(9, weighting), (11, weighting)} <= set(accuracies)]
    compared = "; ".join(f"{weighting} {100 * accuracies[9, weighting]:.2f} against "
                         f"{100 * accuracies[11, weighting]:.2f}" for weighting in both)
    return f"; here nine against eleven reach, by {compared}" if compared else " (not run here yet)"


def row(entry: Entry, by_bundle: Mapping[str, Entry]) -> str:
    """The row of one entry; bold is at or above the published figure without extra labels.

    Args:
        by_bundle: the ledger's entries, among them the members.
    """
    kind, search = _kind(entry), entry.config["search"]
    theirs = PUBLISHED.get(kind, PUBLISHED[BEST])
    published = f"{100 * theirs:.2f}" + ("" if kind in PUBLISHED else f" (of {BEST[0]}, by {BEST[1]})")
    ours, chosen = (figures.cell([entry], split, "single") for split in ("PrivateTest", "PublicTest"))
    labels = extra_labels(entry, by_bundle)
    if entry.figures["PrivateTest"]["single"]["accuracy"] >= theirs and labels == NONE:
        ours = f"**{ours.replace(' ', '** ', 1)}"
    tried = f"{search['tried']:,} of {len(search['of'])} models" if search else "this one"
    name = figures.title(entry) + (f", {entry.weights}" if entry.weights else "")
    name += "" if entry.protocol == "published" else f", {protocols.title(entry.protocol)}"
    return (f"| {name} | {labels} | PrivateTest | {published} | {ours} | {chosen} | {tried} "
            f"| {entry.parameters / 1e6:.2f} M | {entry.minutes / 60:.1f} h, {entry.hardware} |")


def _kind(entry: Entry) -> tuple[int, str]:
    return len(entry.config["members"]), entry.config["weighting"]
