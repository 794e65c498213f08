"""``ferpipe results``: reports/results.md, every model of our own recipes, and the short table of README.md."""

import argparse
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from pipeline.evaluate import robustness
from pipeline.evaluate.intervals import student
from pipeline.faces import protocols
from pipeline.params import recipe
from pipeline.reporting import copy_free
from pipeline.reporting.extra_labels import extra_labels
from pipeline.reporting.figures import cell, processor, published_ensemble, title
from pipeline.reporting.tables import headline_table, mirror_table
from pipeline.reporting.tables.grouping import Group, groups
from pipeline.system import project
from pipeline.system.atomic import atomic_file
from pipeline.system.failure import Failure
from pipeline.tracking import ledger
from pipeline.tracking.entry import Entry, Robustness

BEGIN, END = "<!-- results -->", "<!-- /results -->"
COLUMNS = (("PublicTest", "single"), ("PrivateTest", "single"), ("PrivateTest", "flip"), ("test", "single"))
HEAD = """\
# Results

Every model of this project's own recipes, and the ensembles of them. The published systems and the recipes that are
compared with them are in [recipes.md](recipes.md). Generated from [the ledger](results) by `ferpipe results`.

* Accuracy in per cent, the mean over the seeds. Single view, except where the column says *flip*: the mean of the
  image's and its mirror image's probabilities.
* In brackets a 95 % interval. With one seed, which the cell says, it is Wilson's over the images and says nothing of
  other seeds; with several it is Student's t over the seeds for this fixed test set, and does not account for the
  sampling of its images. Over two seeds it rests on one degree of freedom: where they happen to agree, an interval
  without width is no certainty. `ferpipe compare A B` compares two models image by image.
* PublicTest chooses between models, PrivateTest decides nothing: n = 3,589 each. The *test folder* is
  Kaggle's, both together: 7,178. With eight classes n is smaller: the faces whose FER+ votes have a majority.
* *Protocol*: FER-2013 contains photographs more than once, and Training has copies of test images. *Published* trains
  with them, as published figures usually do; *without exact copies* leaves out the 703 Training images that equal a
  test image in every pixel (`balance.drop_leaks: exact`), *without copies* near copies too (`near`). Teachers keep to
  the protocol of what learns from them; so far none was trained *without copies*.
* *Extra labels* are what a model learned from besides FER-2013's own: the FER+ votes and the answers of teachers, which
  learned from the votes themselves. Compare such rows with their like.
* A row names the values that differ from its recipe's. Seeds share a row where they were trained on one kind of
  processor: another kind rounds otherwise, so that the same seed gives another network there, and to pool the two or
  drop one of them would be a choice after the fact. The minutes are not comparable either.
* *MB* is the ONNX file's size, *ms per face* the median time of one face on one thread, *minutes* the training time of
  the fastest seed, on the hardware named beside it. Other programs beside a training make it longer: those of
  `attention` and `multitask` are of a shared machine; on one of its own only their twin, `speedrun` without the votes,
  was timed ([their files](../pipeline/recipes)).

"""

CORRUPTED_HEAD = """
## On corrupted faces

Accuracy in per cent, single view, the mean over the seeds and over [twenty fixed
corruptions](../pipeline/faces/README.md) of every test face; the worst of the twenty is beside it. Models of up to 4 MB
are measured, those from before there were these figures are not: `ferpipe robustness BUNDLE` prints all twenty of any.
Intervals: with one seed by a bootstrap over the images, which the corruptions share (models from before there were
these intervals have none), with several Student's t over the seeds.
"""

COPY_FREE_HEAD = """
## On test images without a copy in Training

Accuracy in per cent, single view, of the same models, on the test images of which Training has no copy, exact or near
([how they are found](../data/README.md#copies)): beside the figure on the whole split, which counts copies too. It
needs a model's answer to every test image. Of models that were measured before near copies were looked for, `ferpipe
results` takes it from where it was kept for another purpose, into [copy-free.json](copy-free.json); of the others it is
lost. Where some seeds of a row have it, both figures are theirs.
"""
LOST = "lost with its per-image probabilities"


def table(entries: list[Entry]) -> str:
    """The table in Markdown: a row for each of ``grouping.groups``."""
    rows = [
        "| recipe | classes | protocol | extra labels | PublicTest | PrivateTest | PrivateTest, flip | test folder "
        "| seeds | epochs | parameters | MB | ms per face | minutes | hardware |",
        "|" + "---|" * 15,
    ]
    by_bundle = {entry.bundle: entry for entry in entries}
    return "\n".join(rows + [row(group, by_bundle) for group in groups(entries)])


def corrupted_table(entries: list[Entry]) -> str:
    """The same models on corrupted faces, those that were measured on them: a row for each of ``grouping.groups``."""
    measured = [entry for entry in entries if entry.robustness]
    if not measured:
        return ""
    rows = [CORRUPTED_HEAD, "| recipe | classes | protocol | extra labels | " + " | ".join(
        f"{split} | worst" for split in robustness.TESTS) + " | seeds |", "|" + "---|" * 9]
    by_bundle = {entry.bundle: entry for entry in entries}
    for label, group in _named(groups(measured)):
        first, cells = group.seeds[0], []
        for split in robustness.TESTS:
            seeds = [entry.robustness[split] for entry in group.seeds if entry.robustness]
            mean = robustness.over_seeds(seeds)
            cells.append(f"{_corrupted(seeds)} | {100 * mean['worst']:.2f}, {robustness.worst(mean)}")
        rows.append(f"| {label} | {first.class_set} | {protocols.title(first.protocol)} "
                    f"| {extra_labels(first, by_bundle)} | {' | '.join(cells)} | {len(group.seeds)} |")
    return "\n".join(rows) + "\n"


def _corrupted(seeds: list[Robustness]) -> str:
    """The mean over the corruptions, and over the seeds."""
    means = [robustness.over_seeds([seed])["mean"] for seed in seeds]
    if len(means) > 1:
        estimate = student(means)
        return f"{100 * estimate.mean:.2f} [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"
    ends = [f"{100 * end:.1f}" for end in seeds[0].get("interval", ())]
    return f"{100 * means[0]:.2f}{f' [{ends[0]}, {ends[1]}]' if ends else ''}, seeds: 1"


def copy_free_table(entries: list[Entry], known: copy_free.CopyFree | None = None) -> str:
    """The same models on the test images without any copy in Training; where that is lost, the row says so.

    Args:
        known: the figures that the entries themselves do not have.
    """
    if not any(copy_free.with_figures(entry, known or {}) for entry in entries):
        return ""
    rows = [COPY_FREE_HEAD, "| recipe | classes | protocol | extra labels | " + " | ".join(
        f"{split} | n | without copies | n" for split in robustness.TESTS) + " | seeds |", "|" + "---|" * 13]
    by_bundle = {entry.bundle: entry for entry in entries}
    for label, group in _named(groups(entries)):
        pairs = [(entry, found) for entry in group.seeds if (found := copy_free.with_figures(entry, known or {}))]
        whole, free = [entry for entry, _ in pairs] or group.seeds, [found for _, found in pairs]
        cells = []
        for split in robustness.TESTS:
            for seeds in (whole, free):
                cells.append(f"{cell(seeds, split, 'single')} | {seeds[0].figures[split]['single']['n']:,}" if seeds
                             else f"{LOST} | ")
        first, count = group.seeds[0], len(group.seeds)
        rows.append(f"| {label} | {first.class_set} | {protocols.title(first.protocol)} "
                    f"| {extra_labels(first, by_bundle)} | {' | '.join(cells)} "
                    f"| {count if len(pairs) in (0, count) else f'{len(pairs)} of {count}'} |")
    return "\n".join(rows) + "\n"


def _named(rows: list[Group]) -> Iterator[tuple[str, Group]]:
    """What each row of a table without columns for epochs and hardware is about: these too where another row differs in
    nothing else."""
    def key(group: Group) -> tuple[str, str, str]:
        return name(group), group.seeds[0].class_set, group.seeds[0].protocol

    def epochs(group: Group) -> str:
        return f"{group.seeds[0].epochs.asked} epochs"

    def hardware(group: Group) -> str:
        return f"on {processor(group.seeds[0])}"

    alike: dict[tuple[str, str, str], list[Group]] = defaultdict(list)
    for group in rows:
        alike[key(group)].append(group)
    for group in rows:
        apart = [words for words in (epochs, hardware) if len({words(other) for other in alike[key(group)]}) > 1]
        yield ", ".join([name(group), *(words(group) for words in apart)]), group


def name(group: Group) -> str:
    """What a row is about: the recipe, and where its models differ from it."""
    first = group.seeds[0]
    words = ", ".join([title(first) + (" + search" if first.tuned else ""), *group.changes])
    return words + (" in int8" if group.int8 else "") + (f", {first.weights}" if first.weights else "")


def row(group: Group, by_bundle: Mapping[str, Entry]) -> str:
    """One row of the table; ``by_bundle`` are the ledger's entries, among them an ensemble's members."""
    first = group.seeds[0]
    accuracies = " | ".join(cell(group.seeds, split, view) for split, view in COLUMNS)
    epochs = ", ".join(sorted({f"{entry.epochs.run} of {entry.epochs.asked}" for entry in group.seeds}))
    face = "" if group.milliseconds is None else f"{group.milliseconds:.2f}"
    return (f"| {name(group)} | {first.class_set} | {protocols.title(first.protocol)} "
            f"| {extra_labels(first, by_bundle)} | {accuracies} "
            f"| {len(group.seeds)} | {epochs} | {first.parameters / 1e6:.2f} M | {first.onnx_bytes / 1e6:.2f} | {face} "
            f"| {group.quickest.minutes:.1f} | {group.quickest.hardware} |")


def fill_in(page: str, text: str) -> str:
    """``page`` with what is between the results markers replaced. Raises Failure when it has no markers."""
    if BEGIN not in page or END not in page:
        raise Failure(f"README.md: the markers {BEGIN} and {END} are missing; put them where the table belongs")
    return re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{text}\n{END}", page, flags=re.DOTALL)


def our_own(entries: list[Entry]) -> list[Entry]:
    """The entries of this project's own recipes; those that have a published figure are in reports/recipes.md."""
    return [entry for entry in entries if not (published_ensemble(entry) if entry.recipe == ledger.ENSEMBLE
                                               else recipe.named(entry.recipe)["published"])]


def page(entries: list[Entry]) -> str:
    """reports/results.md of these ledger entries."""
    ours = our_own(entries)
    return (HEAD + table(ours) + "\n" + corrupted_table(ours) + copy_free_table(ours, copy_free.kept())
            + mirror_table.section(entries))


def main(argv: list[str] | None = None) -> None:
    """Regenerate reports/results.md and README.md's table from the ledger."""
    argparse.ArgumentParser("ferpipe results", description=main.__doc__).parse_args(argv)
    entries = ledger.entries()
    copy_free.complete(entries)
    readme, report = project.root() / "README.md", project.root() / "reports" / "results.md"
    front = headline_table.table(entries)
    texts = {readme: fill_in(readme.read_text(encoding="utf-8"), front), report: page(entries)}
    for path, text in texts.items():
        with atomic_file(path) as new:
            new.write_text(text, encoding="utf-8")
    print(front)
    print(f"results: {readme}, {report}")
