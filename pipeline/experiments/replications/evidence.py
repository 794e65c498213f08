"""What a replication's entries say: every figure with its interval, and whether the authors' finding reproduces."""

from pipeline.evaluate.intervals import Estimate, difference, over_seeds
from pipeline.experiments.replications.plan import MEASURES, Claim, Replication


def share(counts: list[str]) -> Estimate:
    """The mean share of one ``hits/images`` a seed, all of the same images."""
    pairs = [tuple(map(int, text.split("/"))) for text in counts]
    return over_seeds([hits / images for hits, images in pairs], pairs[0][1])


def estimate(entries: list[dict[str, str]], variant: str, measure: str) -> Estimate | None:
    """A variant's figure over its seeds; None without an entry, or where its entries lack it (a class of other class
    sets, an ensemble's accuracy on Training, corrupted faces where no claim asks for them)."""
    entries = [entry for entry in entries if entry["variant"] == variant]
    if not entries or not entries[0].get("training" if measure == "gap" else measure):
        return None
    if measure == "gap":
        return difference(share([entry["training"] for entry in entries]),
                          share([entry["accuracy"] for entry in entries]))
    return share([entry[measure] for entry in entries])


def verdict(replication: Replication, entries: list[dict[str, str]]) -> str:
    """The sentence under a replication's picture, from its entries alone."""
    missing = [row for row in replication.rows if row not in {entry["variant"] for entry in entries}]
    if missing:
        return f"**Not run yet**: {', '.join(missing)}."
    weighed = [_weigh(claim, entries) for claim in replication.claims]
    outcomes = {outcome for outcome, _ in weighed}
    does, doesnt = ("Reproduces", "Does not reproduce") if replication.reported else ("As expected", "Not as expected")
    word = {frozenset({"yes"}): does, frozenset({"no"}): f"{doesnt}: the reverse", frozenset({"open"}):
            "Not decided"}.get(frozenset(outcomes), f"{does} in part" if "yes" in outcomes else doesnt)
    seeds = min(sum(entry["variant"] == variant for entry in entries) for variant in replication.variants)
    if replication.ensembles:
        basis = f"one pool of {len(replication.pool)} networks, whose own spread no interval counts"
    elif seeds == 1:
        basis = "one seed, whose own spread no interval counts"
    else:
        basis = f"{seeds} seeds"
    return f"**{word}** ({basis}): {'; '.join(text for _, text in weighed)}."


def _weigh(claim: Claim, entries: list[dict[str, str]]) -> tuple[str, str]:
    """``yes``, ``no`` or ``open``, and a claim's part of the sentence."""
    (variant, measure), (other, compared) = claim.higher, claim.lower
    names = (f"{MEASURES[measure]}: {variant}", other) if measure == compared else (
        f"{variant}: {MEASURES[measure]}", MEASURES[compared] if variant == other else f"{other}, {MEASURES[compared]}")
    higher, lower = estimate(entries, variant, measure), estimate(entries, other, compared)
    if higher is None or lower is None:
        return "open", f"{names[0]} has no figure to compare with {names[1]}"
    gain = difference(higher, lower)
    outcome = "yes" if gain.low > 0 else "no" if gain.high < 0 else "open"
    words = {"yes": "higher", "no": "lower, not higher", "open": "too close to tell"}[outcome]
    return outcome, (f"{names[0]} {100 * higher.mean:.1f} against {names[1]} {100 * lower.mean:.1f}, {words} "
                     f"({100 * gain.mean:+.1f} points [{100 * gain.low:.1f}, {100 * gain.high:.1f}])")
