"""What a study's figures say: every one with its interval, and a sentence on whether the authors' finding comes out."""

from dataclasses import dataclass
from math import hypot

import numpy as np

from pipeline.intervals import quantile
from pipeline.studies.plan import MEASURES, Claim, Study

Z = 1.96


@dataclass(frozen=True)
class Estimate:
    """A share or a difference of shares, with a 95 % interval."""

    mean: float
    low: float
    high: float


def share(counts: list[str]) -> Estimate:
    """The mean share of one ``hits/images`` a seed.

    Wilson's interval counts the images, which all seeds share (a class may have 56 of them and none right); what the
    seeds differ by comes on top.
    """
    pairs = [tuple(map(int, text.split("/"))) for text in counts]
    shares, n = [hits / images for hits, images in pairs], pairs[0][1]
    mean = float(np.mean(shares))
    centre = (mean + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * (mean * (1 - mean) / n + Z**2 / (4 * n**2)) ** 0.5
    seeds = float(np.var(shares, ddof=1)) / len(shares) if len(shares) > 1 else 0.0
    wider = quantile(mean * (1 - mean) / n, seeds, len(shares)) / Z
    below, above = (wider * hypot(part, Z * seeds**0.5) for part in (mean - centre + half, centre + half - mean))
    return Estimate(mean, mean - below, mean + above)


def less(one: Estimate, other: Estimate) -> Estimate:
    """``one`` less ``other``, from their intervals (Zou & Donner 2008, Statistics in Medicine 27: 1693-1702).

    They count as independent. Figures of one split share its images, so that the true interval is rather narrower.
    """
    mean = one.mean - other.mean
    return Estimate(mean, mean - hypot(one.mean - one.low, other.high - other.mean),
                    mean + hypot(one.high - one.mean, other.mean - other.low))


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
