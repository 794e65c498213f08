"""balance.drop_leaks: three words where there was a switch, which old files, configs and commands still have."""

import pytest
from toy_models import PARAMS

from pipeline.faces.faces import EMOTIONS
from pipeline.params import params, recipe, resolved
from pipeline.params.overrides import values_of
from pipeline.system.failure import Failure
from pipeline.training import config as configs


@pytest.mark.parametrize(("written", "means"), [("true", "exact"), ("false", "none"), ("exact", "exact"),
                                                ("near", "near"), ("none", "none")])
def test_drop_leaks_was_a_switch_and_still_may_be_one(written, means):
    old = params.load(PARAMS).override(values_of([f"balance.drop_leaks={written}"]))
    assert old.balance.drop_leaks == means
    with pytest.raises(Failure, match=r"balance\.drop_leaks"):
        old.override({"balance.drop_leaks": "some"})


def test_a_config_says_what_was_dropped_as_configs_always_did():
    """So that a training that is interrupted or in the ledger is found again, and one elsewhere takes the config."""
    manifest = {"strategy": "none", "class_set": "7", "classes": list(EMOTIONS)}
    seen = {}
    for drop, protocol in (("none", "published"), ("exact", "leak-free"), ("near", "copy-free")):
        asked = params.load(PARAMS).override({"balance.drop_leaks": drop, "train.votes": 0.0, "train.teacher": 0.0,
                                              "balance.strategy": "none"})
        config = seen[drop] = resolved.resolve(asked, {**manifest, "protocol": protocol})
        assert config["balance"]["drop_leaks"] is (drop != "none")
        assert configs.problems(config) == []
        changes = resolved.changed(config, recipe.named(asked.recipe))
        assert changes.get("balance.drop_leaks", "none") == drop and "balance.drop_near" not in changes
    comparable = [resolved.comparable(config) for config in seen.values()]
    assert comparable[0] != comparable[1] != comparable[2] != comparable[0]
