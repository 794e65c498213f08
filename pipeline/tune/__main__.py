"""``python -m pipeline.tune``."""

import json

from ruamel.yaml import YAML

from pipeline.faces.faces import Faces
from pipeline.params import params
from pipeline.system import failure
from pipeline.system.atomic import atomic_file
from pipeline.tune import storage as studies
from pipeline.tune.search import tune


def main() -> None:
    """Search, unless the recipe keeps its values or no trials are asked for; write best_params.yaml."""
    mine = params.load()
    study_file = mine.data / "study.db"
    if mine.tuned and mine.tune.trials:
        found = tune(mine, Faces.load(mine.data / "balanced"), study_file)
    else:
        studies.open_storage(study_file)
        found = {"why": "no search: " + ("trials is 0" if mine.tuned else "this recipe keeps its values"),
                 "take": {}}
    with atomic_file(mine.reports / "best_params.yaml") as new:
        YAML().dump({"recipe": mine.recipe, **found}, new)
    print("tune: took " + (json.dumps(found["take"]) if found["take"] else "the recipe's own values"))


if __name__ == "__main__":
    failure.run(main, "tune")
