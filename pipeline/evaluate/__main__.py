"""``python -m pipeline.evaluate``."""

import json

from pipeline.bundle.bundle import Bundle
from pipeline.evaluate.measure import PARTS, evaluate, metrics, write_predictions
from pipeline.faces.faces import Faces
from pipeline.params import params
from pipeline.system import failure
from pipeline.system.atomic import atomic_file
from pipeline.tracking import ledger, runs


def scores(figures: dict) -> dict[str, float]:
    """DVC's metric, with names so short that ``dvc exp show`` fits a terminal: accuracy on PublicTest (``pub``) and
    PrivateTest (``priv``), averaged over the image and its mirror image (``_flip``), and macro-F1 (``_f1``)."""
    return {
        f"{name}{suffix}": round(figures[split][view][figure], 4)
        for name, split in (("pub", "PublicTest"), ("priv", "PrivateTest"))
        for suffix, view, figure in (("", "single", "accuracy"), ("_flip", "flip", "accuracy"),
                                     ("_f1", "single", "macro_f1"))
    }


def main() -> None:
    """Measure the trained bundle: metrics, predictions, plots, an entry in the ledger, the figures in MLflow."""
    from pipeline.evaluate import plots

    mine = params.load()
    bundle, faces = Bundle.load(mine.data / "bundle"), Faces.load(mine.data / "faces")
    found, probabilities = evaluate(bundle, faces, mine.evaluate)
    line = ledger.entry(bundle, found)
    # DVC's metric is cached; its copy among the reports is in git, for clones without a cache
    for folder in (mine.data, mine.reports):
        with atomic_file(folder / "scores.json") as new:
            new.write_text(json.dumps(scores(found), indent=2) + "\n", encoding="utf-8")
    with atomic_file(mine.reports / "metrics.json") as new:
        new.write_text(json.dumps(metrics(bundle, faces, found), indent=2) + "\n", encoding="utf-8")
    write_predictions(mine.reports / "predictions.csv", faces, bundle, probabilities)
    plots.confusion(mine.reports / "confusion.png", found, bundle)
    plots.per_class(mine.reports / "per_class.png", found, bundle)
    plots.curves(mine.reports / "curves.png", line["history"], bundle)
    runs.record_evaluation(line, bundle, sorted(mine.reports.glob("*.*")))
    path = ledger.record(line)
    facts = bundle.provenance
    print(f"evaluate: {facts['recipe']}, seed {facts['seed']}, {facts['protocol']} protocol, {facts['dataset']} "
          f"({facts['edition']}), bundle {bundle.id}")
    for split in PARTS:
        one, two = found[split]["single"], found[split]["flip"]
        low, high = one["interval"]
        print(f"{split:<12} {100 * one['accuracy']:.2f} % [{100 * low:.1f}, {100 * high:.1f}] single view, "
              f"{100 * two['accuracy']:.2f} % flip-averaged, n = {one['n']}")
    print(f"evaluate: {path}")


if __name__ == "__main__":
    failure.run(main, "evaluate")
