"""``ferpipe quantise BUNDLE``: a trained or imported model once more, in int8, for small devices.

By the same door as a trained one: a bundle, its figures, a ledger entry, an MLflow run. (A recipe that says
``quantise: {int8: true}`` needs no such command: its train stage leaves the int8 bundle.)
"""

import argparse
from pathlib import Path

from pipeline.bundle import int8
from pipeline.bundle.bundle import Bundle, check_faces
from pipeline.evaluate import measure
from pipeline.faces.faces import Faces
from pipeline.params import params
from pipeline.params import recipe as recipes
from pipeline.params.params import Evaluate
from pipeline.params.recipe import Quantise
from pipeline.system import project
from pipeline.system.failure import Failure
from pipeline.tracking import ledger, runs, shelves


def quantise(bundle: Bundle, faces: Faces, settings: Quantise, evaluation: Evaluate) -> tuple[Bundle, Path]:
    """Make the int8 bundle, measure it, record it; a second call with the same settings adds nothing.

    Args:
        faces: as they came, with seven labels.

    Returns the int8 bundle and the ledger entry's file.
    """
    facts = bundle.provenance
    if facts["recipe"] == ledger.ENSEMBLE:
        raise Failure(f"{bundle.folder}: is an ensemble; quantise its members and make one of those")
    check_faces(facts, faces.manifest, bundle.folder)
    shelf = project.root() / "data" / facts["dataset"] / "quantised"
    gates = settings.model_dump(exclude={"int8"})
    made = next((one for one in _there(shelf) if _made_from(one) == (bundle.id, gates)), None)
    if made is None:
        experiment = f"{facts['dataset']}-{bundle.class_set}"
        mark = " ".join([bundle.id, *(f"{name}={value}" for name, value in gates.items())])
        tags = {**{name: facts[name] for name in runs.TAGS}, "kind": "quantise", "quantised": mark}
        with runs.start(runs.run_name(tags) + " in int8", experiment, tags,
                            run_id=runs.find(experiment, "quantised", mark)) as run:
            new = int8.quantise(bundle, shelves.draft(shelf), faces.with_classes(bundle.class_set), settings,
                                run_id=run.id)
            made = Bundle.load(new.folder.rename(shelf / new.id))
            run.params(facts["config"])
            run.tags({"bundle": made.id})
    found, _ = measure.evaluate(made, faces, evaluation)
    line = ledger.entry(made, found)
    runs.record_evaluation(line, made, [])
    return made, ledger.record(line)


def _there(shelf: Path) -> list[Bundle]:
    files = sorted(shelf.glob("*/bundle.json"))
    return [Bundle.load(file.parent) for file in files if not file.parent.name.startswith(".")]


def _made_from(bundle: Bundle) -> tuple[str, dict]:
    quantised = bundle.provenance["quantised"]
    return quantised["bundle"], {name: value for name, value in quantised["settings"].items() if name != "int8"}


def main(argv: list[str] | None = None) -> None:
    """Make an int8 bundle of a float32 one; calibrated on Training, its loss of accuracy measured on PublicTest."""
    parser = argparse.ArgumentParser("ferpipe quantise", description=main.__doc__)
    parser.add_argument("bundle", nargs="?", type=Path, help="a bundle's folder; default: what train made")
    options = parser.parse_args(argv)
    mine = params.load()
    bundle = Bundle.load(options.bundle or mine.data / "bundle")
    if (recipe := bundle.provenance["recipe"]) in recipes.names() and recipe != mine.recipe:
        mine = params.load(recipe=recipe)
    faces = Faces.load(project.root() / "data" / bundle.provenance["dataset"] / "faces")
    made, path = quantise(bundle, faces, mine.quantise, mine.evaluate)
    about = made.provenance["quantised"]
    accuracy, weight = about["PublicTest"], about["bytes"]
    print(f"quantise: PublicTest {100 * accuracy['float32']:.2f} % in float32, {100 * accuracy['int8']:.2f} % in int8, "
          f"the same answer on {100 * accuracy['agreement']:.1f} %; {weight['float32'] / 1e6:.2f} MB, now "
          f"{weight['int8'] / 1e6:.2f} MB")
    print(f"quantise: bundle {made.id} in {made.folder}, entry {path}; `ferpipe promote \"{made.folder}\"` lets it "
          "challenge the champion")
