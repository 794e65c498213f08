"""What tuning.csv says: every arm's figures with their intervals, and what of the arms' order is more than chance."""

from collections.abc import Iterable
from itertools import combinations

from pipeline.evaluate.intervals import Estimate, over_seeds, student
from pipeline.experiments.tuning.plan import ARMS, REPEATS

Rows = list[dict[str, str]]


def of_arm(rows: Rows, arm: str) -> Rows:
    """An arm's rows, sorted by repeat."""
    return sorted((row for row in rows if row["arm"] == arm), key=lambda row: int(row["repeat"]))


def counts(row: dict[str, str], figure: str) -> tuple[int, int]:
    """Hits and images of a figure: ``held_out``, ``chosen``, or ``public``, which is both."""
    names = ("chosen", "held_out") if figure == "public" else (figure,)
    hits, images = zip(*(map(int, row[name].split("/")) for name in names), strict=True)
    return sum(hits), sum(images)


def estimate(rows: Rows, arm: str, figure: str) -> Estimate | None:
    """An arm's accuracy: the mean over its repeats; None before the first."""
    pairs = [counts(row, figure) for row in of_arm(rows, arm)]
    return over_seeds([hits / images for hits, images in pairs], pairs[0][1]) if pairs else None


def gain(rows: Rows, arm: str, other: str, figure: str) -> Estimate | None:
    """The mean gain of an arm over another, by their repeats' pairs, which have the seed and the images in common; None
    where there are fewer than two."""
    shares = [{row["repeat"]: hits / images for row in of_arm(rows, name) for hits, images in [counts(row, figure)]}
              for name in (arm, other)]
    common = sorted(shares[0].keys() & shares[1].keys())
    return student([shares[0][repeat] - shares[1][repeat] for repeat in common]) if len(common) > 1 else None


def missing(rows: Rows) -> list[str]:
    """What of the plan has not been run, a line an arm."""
    lines = []
    for name, arm in ARMS.items():
        done = {row["repeat"] for row in of_arm(rows, name)}
        absent = [str(repeat) for repeat in REPEATS if str(repeat) not in done]
        if absent:
            lines.append(f"{arm.title} (repeat{'s' * (len(absent) > 1)} {', '.join(absent)})")
    return lines


def verdict(rows: Rows) -> str:
    """Which arm is better, from the held-out halves alone, and whether that is more than chance."""
    if absent := missing(rows):
        return f"**Not run yet**: {'; '.join(absent)}. Until then nothing is said of which is better."
    order = sorted(ARMS, key=lambda arm: -_mean(rows, arm))
    ranking = ", ".join(f"{ARMS[arm].title} {100 * _mean(rows, arm):.2f} %" for arm in order)
    shown: list[str] = []
    open_pairs: list[str] = []
    for better, worse in combinations(order, 2):
        difference = gain(rows, better, worse, "held_out")
        assert difference is not None, "every repeat has been run"
        text = (f"{ARMS[better].title} against {ARMS[worse].title} {100 * difference.mean:+.2f} points "
                f"[{100 * difference.low:+.2f}, {100 * difference.high:+.2f}]")
        (shown if difference.low > 0 else open_pairs).append(text)
    parts = [f"On the held-out images: {ranking}."]
    if shown:
        parts.append(f"**More than chance**: {'; '.join(shown)}.")
    if open_pairs:
        parts.append(f"**Too close to tell**: {'; '.join(open_pairs)}.")
    return " ".join(parts)


def _mean(rows: Iterable[dict[str, str]], arm: str) -> float:
    figure = estimate(list(rows), arm, "held_out")
    assert figure is not None, "every repeat has been run"
    return figure.mean
