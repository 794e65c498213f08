"""``python -m pipeline.tune``."""

import json

from pipeline.system import failure


def main() -> None:
    """Search, unless the recipe keeps its values or ``tune.trials`` is 0; write best_params.yaml."""
    from ruamel.yaml import YAML

    from pipeline.faces.faces import Faces
    from pipeline.params import params as parameters
    from pipeline.params.extra_labels import without_missing
    from pipeline.system.atomic import atomic_file
    from pipeline.tune import storage as studies
    from pipeline.tune.search import tune

    params = parameters.load()
    study_file = params.data / "study.db"
    if params.tuned and params.tune.trials:
        faces = Faces.load(params.data / "balanced")
        result = tune(without_missing(params, faces.manifest, quiet=True), faces, study_file)  # train says so
    else:
        studies.open_storage(study_file)
        result = {"why": "no search: " + ("trials is 0" if params.tuned else "this recipe keeps its values"),
                 "take": {}}
    with atomic_file(params.reports / "best_params.yaml") as new:
        YAML().dump({"recipe": params.recipe, **result}, new)
    print("tune: keeps " + (json.dumps(result["take"]) if result["take"] else "the recipe's own values"))


if __name__ == "__main__":
    failure.run(main, "tune")
