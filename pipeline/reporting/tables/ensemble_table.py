"""The ensembles' part of reports/recipes.md: S3's published ensembles beside ours, from the ledger."""

import json

from pipeline.reporting import figures
from pipeline.reporting.tables.recipe_picture import Row
from pipeline.tracking.ledger import WEIGHTINGS

HEAD = """
## Ensembles of six classes (S3)

`ferpipe ensemble MEMBER... --search` merges trained models into one bundle, by S3's three ways: a plain mean of the
members' probabilities, weighted by their accuracy, or by their recall of each class. Weights and members are chosen
on PublicTest; where many subsets were tried there, *ours, PublicTest* is the maximum over all of them and so an
optimistic figure, while PrivateTest was opened for the chosen one alone. Beside an ensemble that S3 has no figure for
stands their best. Members of seven classes have their disgust and angry added up. S3 finds nine members better than
eleven under every weighting{compared}. [A replication](replications.md) asks that of S3's own networks.

| ensemble | split | published | ours | ours, PublicTest | tried on PublicTest | parameters | hours and hardware |
|---|---|---|---|---|---|---|---|
"""
# Accuracy on PrivateTest by number of members and weighting
PUBLISHED = {(9, "mean"): 0.7141, (9, "accuracy"): 0.7141, (9, "recall"): 0.7152,
             (11, "mean"): 0.7095, (11, "accuracy"): 0.7039, (11, "recall"): 0.7095}
BEST = (9, "recall")


def ensembles(lines: list[dict]) -> list[dict]:
    """The six-class ensembles among these ledger entries, those with the most members first; one that was made again
    counts once."""
    found = sorted(filter(figures.published_ensemble, lines),
                   key=lambda line: (-_kind(line)[0], line["finished"]))
    made = {}
    for line in found:
        config = line["config"]
        made[json.dumps([config["weighting"], config.get("search"), sorted(config["members"])])] = line
    return list(made.values())


def picture(lines: list[dict]) -> list[Row]:
    """What of them stands in the picture: all, beside the figure that their rows name."""
    return [Row("S3  ensemble of {}, by {}".format(*_kind(line)), PUBLISHED.get(_kind(line), PUBLISHED[BEST]), [line],
                "PrivateTest") for line in ensembles(lines)]


def section(lines: list[dict]) -> str:
    """A row for every six-class ensemble, and for every one of S3's of whose kind we have none."""
    ours = ensembles(lines)
    found = [row(line) for line in ours]
    for kind, published in PUBLISHED.items():
        if kind not in map(_kind, ours):
            title = figures.ensemble_title(*kind)
            found.append(f"| {title} | PrivateTest | {100 * published:.2f} | not run yet | | | | |")
    return HEAD.format(compared=_nine_and_eleven(ours)) + "\n".join(found) + "\n"


def _nine_and_eleven(ours: list[dict]) -> str:
    """What S3's finding is here, by every weighting that we have both of; of several the last one."""
    figures = {_kind(line): line["figures"]["PrivateTest"]["single"]["accuracy"] for line in ours
               if line["protocol"] == "published"}
    both = [weighting for weighting in WEIGHTINGS if {(9, weighting), (11, weighting)} <= set(figures)]
    told = "; ".join(f"{weighting} {100 * figures[9, weighting]:.2f} against {100 * figures[11, weighting]:.2f}"
                     for weighting in both)
    return f"; here nine against eleven reach, by {told}" if told else " (not run here yet)"


def row(line: dict) -> str:
    """The row of one entry; bold is at or above the published figure."""
    kind, search = _kind(line), line["config"]["search"]
    theirs = PUBLISHED.get(kind, PUBLISHED[BEST])
    published = f"{100 * theirs:.2f}" + ("" if kind in PUBLISHED else f" (of {BEST[0]}, by {BEST[1]})")
    ours, chosen = (figures.cell([line], part, "single") for part in ("PrivateTest", "PublicTest"))
    if line["figures"]["PrivateTest"]["single"]["accuracy"] >= theirs:
        ours = f"**{ours.replace(' ', '** ', 1)}"
    tried = f"{search['tried']:,} of {len(search['of'])} models" if search else "this one"
    name = figures.title(line) + (f", {line['weights']}" if "weights" in line else "")
    name += ", FER+ votes" if any(one.get("votes") for one in line["config"]["members"].values()) else ""
    name += ", leak-free" if line["protocol"] == "leak-free" else ""
    return (f"| {name} | PrivateTest | {published} | {ours} | {chosen} | {tried} | {line['parameters'] / 1e6:.2f} M "
            f"| {line['minutes'] / 60:.1f} h, {line['hardware']} |")


def _kind(line: dict) -> tuple[int, str]:
    return len(line["config"]["members"]), line["config"]["weighting"]
