"""What a study's figures say: every one with its interval, and a sentence on whether the authors' finding comes out."""



from pipeline.evaluate.intervals import Estimate, less, share
from pipeline.experiments.replications.plan import MEASURES, Claim, Study


def estimate(lines: list[dict], variant: str, measure: str) -> Estimate | None:
    """A variant's figure over its seeds; None without a line, or where its lines lack it (a class of other class sets,
    an ensemble's accuracy on Training)."""
    mine = [line for line in lines if line["variant"] == variant]
    if not mine or not mine[0]["training" if measure == "gap" else measure]:
        return None
    if measure == "gap":
        return less(share([line["training"] for line in mine]), share([line["accuracy"] for line in mine]))
    return share([line[measure] for line in mine])


def verdict(study: Study, lines: list[dict]) -> str:
    """The sentence under a study's picture, from its lines alone."""
    missing = [row for row in study.rows if row not in {line["variant"] for line in lines}]
    if missing:
        return f"**Not run yet**: {', '.join(missing)}."
    found = [_weigh(claim, lines) for claim in study.claims]
    outcomes = {outcome for outcome, _ in found}
    does, doesnt = ("Reproduces", "Does not reproduce") if study.reported else ("As expected", "Not as expected")
    word = {frozenset({"yes"}): does, frozenset({"no"}): f"{doesnt}: the reverse", frozenset({"open"}):
            "Not decided"}.get(frozenset(outcomes), f"{does} in part" if "yes" in outcomes else doesnt)
    runs = [sum(line["variant"] == variant for line in lines) for variant in study.variants]
    one = f"one pool of {len(study.pool)} networks" if study.ensembles else "one seed" if min(runs) == 1 else ""
    seeds = f"{one}, whose own spread no interval counts" if one else f"{min(runs)} seeds"
    return f"**{word}** ({seeds}): {'; '.join(text for _, text in found)}."


def _weigh(claim: Claim, lines: list[dict]) -> tuple[str, str]:
    """``yes``, ``no`` or ``open``, and a claim's part of the sentence."""
    (variant, measure), (other, compared) = claim.higher, claim.lower
    names = (f"{MEASURES[measure]}: {variant}", other) if measure == compared else (
        f"{variant}: {MEASURES[measure]}", MEASURES[compared] if variant == other else f"{other}, {MEASURES[compared]}")
    one, two = estimate(lines, variant, measure), estimate(lines, other, compared)
    if one is None or two is None:
        return "open", f"{names[0]} has no figure to stand beside {names[1]}"
    gain = less(one, two)
    outcome = "yes" if gain.low > 0 else "no" if gain.high < 0 else "open"
    told = {"yes": "higher", "no": "lower, not higher", "open": "too close to tell"}[outcome]
    return outcome, (f"{names[0]} {100 * one.mean:.1f} against {names[1]} {100 * two.mean:.1f}, {told} "
                     f"({100 * gain.mean:+.1f} points [{100 * gain.low:.1f}, {100 * gain.high:.1f}])")
