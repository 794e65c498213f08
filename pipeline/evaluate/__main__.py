"""``python -m pipeline.evaluate``."""

import json

from pipeline.system import failure


def main() -> None:
    """Measure the trained bundle: metrics, predictions, plots, an entry in the ledger, the figures in MLflow."""
    from pipeline.bundle.bundle import Bundle
    from pipeline.evaluate import calibration, plots, robustness
    from pipeline.evaluate.measure import PARTS, copy_free_summary, evaluate, metrics, scores, write_predictions
    from pipeline.faces import copies
    from pipeline.faces.faces import Faces
    from pipeline.faces.protocols import phrase
    from pipeline.params import params as parameters
    from pipeline.system.atomic import atomic_file
    from pipeline.tracking import entering, ledger

    params = parameters.load()
    bundle, faces = Bundle.load(params.data / "bundle"), Faces.load(params.data / "faces")
    evaluation = evaluate(bundle, faces, params.evaluate, copies.load(params.data / copies.FILE, faces))
    measured = evaluation.figures
    tests = faces.with_classes(bundle.class_set)
    calibrated = {split: calibration.measure(of_split, tests.split(split).labels, bundle.calibrated, bundle.temperature)
                  for split, of_split in evaluation.probabilities.items()}
    entry = ledger.entry(bundle, measured, evaluation.milliseconds, evaluation.robustness, evaluation.copy_free)
    reports = params.reports
    # scores.json is DVC's metric, in its cache; the copy among the reports is in git, for clones without a cache
    for folder in (params.data, reports):
        with atomic_file(folder / "scores.json") as new:
            new.write_text(json.dumps(scores(measured, evaluation.copy_free), indent=2) + "\n", encoding="utf-8")
    with atomic_file(reports / "metrics.json") as new:
        everything = {**metrics(bundle, evaluation), "calibration": calibrated}
        new.write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")
    write_predictions(reports / "predictions.csv", faces, bundle, evaluation)
    plots.confusion(reports / "confusion.png", measured, bundle)
    plots.per_class(reports / "per_class.png", measured, bundle)
    plots.calibrated(reports / "calibration.png", calibrated, bundle)
    plots.corrupted(reports / "robustness.png", evaluation, bundle)
    plots.curves(reports / "curves.png", list(entry.history), bundle)
    path = entering.record(entry, bundle, evaluation.probabilities, sorted(reports.glob("[!.]*.*")))
    print(f"evaluate: {entry.recipe}, seed {entry.seed}, {phrase(entry.protocol)}, {entry.dataset} "
          f"({entry.edition}), bundle {bundle.id}")
    for split in PARTS:
        single, flip = measured[split]["single"], measured[split]["flip"]
        low, high = single["interval"]
        print(f"{split:<12} {100 * single['accuracy']:.2f} % [{100 * low:.1f}, {100 * high:.1f}] single view, "
              f"{100 * flip['accuracy']:.2f} % flip-averaged, n = {single['n']}")
    print(f"evaluate: {copy_free_summary(evaluation)}")
    for split, of_test in calibrated.items():
        print(f"{split:<12} {calibration.summary(of_test)}")
    for split, of_split in (evaluation.robustness or {}).items():
        print(f"{split:<12} {robustness.summary(of_split)}")
    print(f"evaluate: {path}")


if __name__ == "__main__":
    failure.run_stage(main, "evaluate")
