"""validation.html: one self-contained page with the verdict, every expectation and the counts; no pictures of faces."""

from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #60666e; --line: #d9dde2; --back: #ffffff; --panel: #f5f6f8;
  --good: #1a6fb0; --warn: #9a5b00; --bad: #b3261e; --bar: #3568b4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #9aa1aa; --line: #343a41; --back: #14171a;
  --panel: #1d2125; --good: #7db8ea; --warn: #e8a84c; --bad: #ff8a80; --bar: #6f9fe0; } }
body { margin: 0 auto; padding: 1.2rem; max-width: 62rem; background: var(--back); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.facts, caption, figcaption { color: var(--soft); font-size: .9rem; text-align: left; overflow-wrap: anywhere; }
.verdict { border-left: .4rem solid; padding: .6rem 1rem; margin: 1rem 0; background: var(--panel); }
.verdict strong { display: block; font-size: 1.25rem; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); }
.verdict span { color: var(--ink); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; } .n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.state { white-space: nowrap; font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: 1rem; }
figure { margin: 0; } svg { width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 13px; }
svg .soft { fill: var(--soft); } svg rect { fill: var(--bar); }
@media (max-width: 38rem) { .checks thead { display: none; } .checks tr { display: block; padding: .4rem 0;
  border-bottom: 1px solid var(--line); } .checks td { display: block; border: 0; padding: 0; }
  .checks td[data-name] { display: inline; margin-right: .8rem; }
  .checks td[data-name]::before { content: attr(data-name) ": "; color: var(--soft); } }
"""
SAYS = {
    "passed": ("good", "Passed", "Every expectation holds."),
    "passed with warnings": ("warn", "Passed with warnings", "The pipeline goes on; the warnings are worth knowing."),
    "failed": ("bad", "Failed", "A critical expectation does not hold: the pipeline stops here."),
}


def page(result: dict) -> str:
    """The page for what ``validate`` returned; the same result gives the same bytes."""
    style, word, meaning = SAYS[result["verdict"]]
    lines = result["expectations"]
    critical = sum(not line["success"] and line["severity"] == "critical" for line in lines)
    warnings = sum(not line["success"] and line["severity"] == "warning" for line in lines)
    title = f"Validation of {result['dataset']}, {result['edition']}"
    facts = [f"{result['images']:,} images", f"source {result['source']}", f"splits from {result['splits_from']}",
             f"digest {result['digest'][:16]}"]
    notes = "".join(f"<p class=facts>{escape(str(note))}</p>" for note in result["notes"] or [])
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style>{STYLE}</style></head><body>
<h1>{escape(title)}</h1>
<p class=facts>{escape(" · ".join(facts))}</p>{notes}
<div class="verdict {style}"><strong>{word}</strong><span>{meaning} {len(lines)} expectations: {critical} critical
failed, {warnings} with a warning.</span></div>
<h2>Expectations</h2>
<table class=checks><thead><tr><th>Result</th><th>Expectation</th><th>Expected</th><th>Found</th></tr></thead><tbody>
{"".join(_check(line) for line in sorted(lines, key=_urgency))}</tbody></table>
<h2>Classes and splits</h2>
<div class=scroll>{_counts(result["counts"])}</div>
<h2>Each class's share of its split</h2>
<div class=charts>{_charts(result["counts"])}</div>
<h2>Duplicates, leaks, conflicts</h2>
<div class=scroll>{_numbers(result)}</div>
</body></html>
"""


def _urgency(line: dict) -> int:
    return 2 if line["success"] else 0 if line["severity"] == "critical" else 1


def _check(line: dict) -> str:
    style, word = {0: ("bad", "✗ failed"), 1: ("warn", "! warning"), 2: ("good", "✓ holds")}[_urgency(line)]
    critical = " <span class=facts>(critical)</span>" if line["severity"] == "critical" else ""
    return (f'<tr><td class="state {style}">{word}</td><td>{escape(line["name"])}{critical}</td>'
            f'<td data-name=expected>{escape(line["expected"])}</td>'
            f'<td data-name=found>{escape(line["observed"])}</td></tr>\n')


def _counts(counts: dict[str, dict[str, int]]) -> str:
    splits, classes = list(counts), list(next(iter(counts.values())))
    rows = [(name, [counts[split][name] for split in splits]) for name in classes]
    rows.append(("all", [sum(counts[split].values()) for split in splits]))
    head = "".join(f"<th class=n>{escape(name)}</th>" for name in [*splits, "all"])
    body = "".join(f"<tr><th>{escape(name)}</th>" + "".join(f"<td class=n>{n:,}</td>" for n in [*row, sum(row)])
                   + "</tr>\n" for name, row in rows)
    return f"<table><thead><tr><th>Class</th>{head}</tr></thead><tbody>{body}</tbody></table>"


def _charts(counts: dict[str, dict[str, int]]) -> str:
    """One small bar chart per split on one scale, so that the shares can be compared across splits."""
    totals = {split: max(sum(row.values()), 1) for split, row in counts.items()}
    top = max(n / totals[split] for split, row in counts.items() for n in row.values()) or 1
    images = max(sum(sum(row.values()) for row in counts.values()), 1)
    charts = []
    for split, row in counts.items():
        bars = "".join(
            f'<text x="64" y="{24 * place + 17}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="72" y="{24 * place + 5}" width="{150 * n / totals[split] / top:.1f}" height="16" rx="2"/>'
            f'<text class="soft" x="{78 + 150 * n / totals[split] / top:.1f}" y="{24 * place + 17}">'
            f"{100 * n / totals[split]:.1f} %</text>"
            for place, (name, n) in enumerate(row.items()))
        share = 100 * sum(row.values()) / images
        label = f"{split}: {sum(row.values()):,} images, {share:.1f} % of all"
        charts.append(f'<figure><figcaption>{escape(label)}</figcaption><svg viewBox="0 0 280 {24 * len(row) + 6}" '
                      f'role="img" aria-label="{escape(label)}">{bars}</svg></figure>')
    return "".join(charts)


def _numbers(result: dict) -> str:
    duplicates, conflicts = result["duplicates"], result["conflicts"]
    rows = [
        ("Blank images", result["blank"]),
        ("Images that occur more than once", duplicates["images"]),
        ("Groups of equal images", duplicates["groups"]),
        ("Images beyond the first of their group", duplicates["superfluous"]),
        *((f"Images with a twin inside {split}", n) for split, n in duplicates["inside"].items()),
        *((f"Images of {one.replace(' in ', ' that stand in ')}", n) for one, n in result["leaks"].items()),
        ("Images with the same pixels and different labels", conflicts["images"]),
        ("Groups of such images", conflicts["groups"]),
    ]
    body = "".join(f"<tr><td>{escape(name)}</td><td class=n>{n:,}</td></tr>\n" for name, n in rows)
    return f"<table><caption>Equal means equal in every pixel.</caption><tbody>{body}</tbody></table>"
