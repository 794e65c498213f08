"""Several seeds of a recipe come into the ledger, each once, by the door for runs from elsewhere."""

import shutil

import pytest
import toy_models

from pipeline import balance, results, seeds
from pipeline.failure import Failure

SMALL = ["train.epochs=1", "train.votes=0", "model.stem=4", "model.width=4", "model.stages=1"]


@pytest.mark.slow
def test_every_seed_enters_once_and_the_twin_is_a_row_of_its_own(project):
    shutil.copyfile(toy_models.ROOT / "params.yaml", project / "params.yaml")
    faces = toy_models.faces("fer2013", per_class=5)
    # all but one Training image of every class differ from those of the test splits
    faces.images[[row for row in range(35) if row % 5], 0, 0] = 255
    faces.manifest["digest"] = faces.digest()
    faces.save(project / "data/fer2013/faces")
    assert balance.leaking(faces).sum() == 7
    for _ in range(2):
        seeds.main(["speedrun", *SMALL, "--seeds", "1", "2"])
    seeds.main(["speedrun", *SMALL, "--seeds", "1", "--leak-free"])
    found = [(line["protocol"], line["seed"]) for line in results.entries()]
    assert sorted(found) == [("leak-free", 1), ("published", 1), ("published", 2)]
    assert not list((project / ".checkpoints").glob("speedrun-*")), "what was brought home is not kept twice"


def test_a_value_without_a_path_is_one_line():
    with pytest.raises(Failure, match="expected path=value"):
        seeds.values_of(["epochs"])
