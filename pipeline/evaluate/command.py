"""``ferpipe robustness``: any bundle on corrupted faces. The stage evaluate measures the one that was trained; only
these two open PrivateTest."""

import argparse
from pathlib import Path

from pipeline.bundle.bundle import Bundle, check_faces
from pipeline.evaluate import robustness, severity
from pipeline.evaluate.measure import evaluate
from pipeline.evaluate.robustness import TESTS, WORDS
from pipeline.faces import copies
from pipeline.faces.faces import Faces
from pipeline.faces.protocols import phrase
from pipeline.params import params
from pipeline.system import project
from pipeline.system.failure import Failure
from pipeline.system.plotting import BLUE, GREEN, ORANGE, PINK, RED, save
from pipeline.tracking import ledger
from pipeline.tracking.entry import SplitRobustness

COLOURS = (BLUE, ORANGE, GREEN, PINK, RED)


def table(robustness: SplitRobustness, clean: dict[str, float]) -> str:
    """One row a corruption, a column a split, in per cent; ``clean`` are the accuracies on the faces as they are."""
    rows = [("", *TESTS), ("as they are", *(_percent(clean[split]) for split in TESTS))]
    rows += [(words, *(_percent(robustness[split]["accuracy"][name]) for split in TESTS))
             for name, words in WORDS.items()]
    rows += [(f"{key} of {len(WORDS)}", *(_percent(value) for value in values)) for key, values in
             (("mean", [robustness[split]["mean"] for split in TESTS]),
              ("worst", [robustness[split]["worst"] for split in TESTS]))]
    return "\n".join(f"{name:<24}" + "".join(f"{cell:>14}" for cell in cells) for name, *cells in rows)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _complete(bundle: Bundle, faces: Faces, measured: SplitRobustness) -> Path:
    """Add to a bundle's ledger entry what it lacks; its file. Raises Failure where there is none.

    Args:
        faces: as they came.
    """
    entry = ledger.recorded(bundle)
    if entry is None:
        raise Failure(f"{bundle.folder}: the ledger has no entry of bundle {bundle.id}; the stage evaluate makes it")
    # What is measured already is not measured again
    settings = params.load().evaluate.model_copy(update={"corrupted_bytes": 0})
    found = evaluate(bundle, faces, settings, copies.at_hand(faces))
    return ledger.complete(entry, measured, found.copy_free, found.probabilities)


def main(argv: list[str] | None = None) -> None:
    """Measure bundles on corrupted faces of both test splits and print a table each, and draw accuracy against severity
    of all of them in one picture."""
    parser = argparse.ArgumentParser("ferpipe robustness", description=main.__doc__)
    parser.add_argument("bundles", metavar="BUNDLE", nargs="*", type=Path,
                        help="a bundle's folder; default: the champion")
    parser.add_argument("--plot", metavar="FILE", type=Path, help="write the picture here, a PNG")
    parser.add_argument("--record", action="store_true", help="add to the bundles' ledger entries what was not "
                        "measured when they were made: these figures, those without copies, the predictions")
    options = parser.parse_args(argv)
    series: list[severity.Series] = []
    for folder in options.bundles or [project.champion_folder()]:
        bundle = Bundle.load(folder)
        provenance = bundle.provenance
        original = Faces.load(project.root() / "data" / provenance.dataset / "faces")
        check_faces(provenance, original.manifest, bundle.folder)
        faces = original.with_classes(bundle.class_set)
        clean = {}
        for split in TESTS:
            part = faces.split(split)
            clean[split] = float((bundle.predict(part.images).argmax(axis=1) == part.labels).mean())
        print(f"bundle {bundle.id}, {provenance.recipe}, seed {provenance.seed}, {phrase(provenance.protocol)}, "
              f"{provenance.dataset} ({provenance.edition}), single view")
        measured = robustness.measure(bundle, faces)
        print(table(measured, clean))
        if options.record:
            print(f"recorded: {_complete(bundle, original, measured)}")
        colour = COLOURS[len(series) // len(TESTS) % len(COLOURS)]
        series += [severity.Series(f"{provenance.recipe} {bundle.id}, {split}", clean[split], measured[split], colour,
                                   style) for split, style in zip(TESTS, ("dashed", "solid"), strict=True)]
    if options.plot is not None:
        save(options.plot, severity.figure(series))
