"""``python -m pipeline.tune``."""

import json
from typing import Any

from pipeline.system import failure


def main() -> None:
    """Search, unless the recipe keeps its values or ``tune.trials`` is 0; write best_params.yaml, trials.csv and the
    study's report."""
    from ruamel.yaml import YAML

    from pipeline.faces.faces import Faces
    from pipeline.params import params as parameters
    from pipeline.params.extra_labels import without_missing
    from pipeline.system.atomic import atomic_file
    from pipeline.tune import storage as studies
    from pipeline.tune import table
    from pipeline.tune.report import page
    from pipeline.tune.search import tune

    params = parameters.load()
    trials: dict[int, Any] = {}
    facts = None
    if params.tuned and params.tune.trials:
        faces = Faces.load(params.data / "balanced")
        # train says so
        searched = without_missing(params, faces.manifest, quiet=True)
        result, trials, facts = tune(searched, faces, studies.address(params.dataset))
    else:
        result = {"why": "no search: " + ("trials is 0" if params.tuned else "this recipe keeps its values"),
                 "take": {}}
    if facts is None:
        page.write_none(params.reports, result["why"])
    else:
        page.write(params.reports, facts)
    table.write(params.reports / "trials.csv", trials, params.tune.space)
    with atomic_file(params.reports / "best_params.yaml") as new:
        YAML().dump({"recipe": params.recipe, **result}, new)
    print("tune: keeps " + (json.dumps(result["take"]) if result["take"] else "the recipe's own values"))


if __name__ == "__main__":
    failure.run_stage(main, "tune")
