"""``ferpipe quantise BUNDLE``: a trained or imported model once more, in int8, for small devices.

It enters the records as a trained model does: a bundle, its figures, a ledger entry, an MLflow run. (A recipe with
``quantise: {int8: true}`` does not need this command: its train stage leaves the int8 bundle.)
"""

import argparse
from pathlib import Path
from typing import Any

from pipeline.bundle import int8
from pipeline.bundle.bundle import Bundle, check_faces
from pipeline.evaluate import measure
from pipeline.faces import copies
from pipeline.faces.faces import Faces
from pipeline.params import params as parameters
from pipeline.params import recipe as recipes
from pipeline.params.params import Evaluate
from pipeline.params.recipe import Quantise
from pipeline.system import project
from pipeline.system.failure import Failure
from pipeline.tracking import ledger, restoring, runs, shelves
from pipeline.tracking.entering import Entered, Origin, enter


def quantise(bundle: Bundle, faces: Faces, settings: Quantise, evaluation: Evaluate) -> Entered:
    """Make the int8 bundle, measure it, record it; a second call with the same settings adds nothing.

    Args:
        faces: as they came, with seven labels.
    """
    provenance = bundle.provenance
    if provenance.recipe == ledger.ENSEMBLE:
        raise Failure(f"{bundle.folder}: is an ensemble; quantise its members and make one of those")
    check_faces(provenance, faces.manifest, bundle.folder)
    gates = settings.model_dump(exclude={"int8"})
    mark = " ".join([bundle.id, *(f"{name}={value}" for name, value in gates.items())])
    shelf = shelves.shelf_of(provenance.dataset, "quantised")
    return enter(
        Origin("quantise", ("quantised", mark), provenance, shelf,
               name=runs.run_name(restoring.tags_of(provenance)) + " in int8"),
        lambda: shelves.first(shelf, lambda other: _made_from(other) == (bundle.id, gates)),
        make=lambda folder, run_id: int8.quantise(bundle, folder, faces.with_classes(bundle.class_set), settings,
                                                  run_id=run_id),
        measure=lambda made: measure.evaluate(made, faces, evaluation, copies.at_hand(faces)),
    )


def _made_from(bundle: Bundle) -> tuple[str, dict[str, Any]] | None:
    quantised = bundle.provenance.quantised
    return (quantised.bundle, quantised.gates) if quantised else None


def main(argv: list[str] | None = None) -> None:
    """Make an int8 bundle of a float32 one; calibrated on Training, its loss of accuracy measured on PublicTest."""
    parser = argparse.ArgumentParser("ferpipe quantise", description=main.__doc__)
    parser.add_argument("bundle", metavar="BUNDLE", nargs="?", type=Path,
                        help="a bundle's folder; default: what train made")
    options = parser.parse_args(argv)
    params = parameters.load()
    bundle = Bundle.load(options.bundle or params.data / "bundle")
    recipe = bundle.provenance.recipe
    if recipe in recipes.names() and recipe != params.recipe:
        params = parameters.load(recipe=recipe)
    faces = Faces.load(project.root() / "data" / bundle.provenance.dataset / "faces")
    entered = quantise(bundle, faces, params.quantise, params.evaluate)
    made, quantised = entered.bundle, entered.bundle.provenance.quantised
    assert quantised is not None
    accuracy, size = quantised.public, quantised.bytes
    print(f"quantise: PublicTest {100 * accuracy.float32:.2f} % in float32, {100 * accuracy.int8:.2f} % in int8, "
          f"the same answer on {100 * accuracy.agreement:.1f} %; {size.float32 / 1e6:.2f} MB, now "
          f"{size.int8 / 1e6:.2f} MB")
    print(f"quantise: bundle {made.id} in {made.folder}, entry {entered.path}; `ferpipe promote \"{made.folder}\"` "
          "lets it challenge the champion")
